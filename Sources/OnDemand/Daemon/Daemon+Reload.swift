/// Reload of the configuration while the daemon runs. All of it is checked first, then all of it applies.
///
/// Order of a valid reload:
///
/// 1. Open the new log file and the new listeners. A failure here changes nothing.
/// 2. Redefine the kept services, remove the others, register the new ones.
/// 3. Close the listeners that are gone and apply the new rules.
/// 4. Start, restart, enable and disable backends (`finishReload`).
extension Daemon {
    /// On SIGHUP and by command of an operator.
    @discardableResult
    func reload() -> ReloadOutcome {
        guard isRunning else { return .tooLate }
        manager.reloading()
        defer { manager.ready() }
        let outcome: ReloadOutcome
        switch loadConfiguration() {
        case .failure(let refusal): outcome = .refused(refusal.lines)
        case .success(let new): outcome = change(to: new)
        }
        note(outcome)
        return outcome
    }

    private func note(_ outcome: ReloadOutcome) {
        switch outcome {
        case .tooLate: break
        case .refused(let lines):
            reloads.note(wasRefused: true)
            for line in lines { log(.reloadFailed, LogField("error", line)) }
        case .done(let summary):
            reloads.note(wasRefused: false)
            log.record(.reloaded, summary.parts.map { LogField($0.name, $0.what) })
        }
        if supervisor.isAllAsleep { trimMemory() }
    }

    private func change(to new: Configuration) -> ReloadOutcome {
        let plan = ReloadPlan(from: configuration, to: new)
        let logFile: LogOutput<K>.Prepared
        let listeners: [[Int]]
        do throws(SystemError) {
            // Only these steps can fail.
            logFile = try logOutput.prepare(new.log.place)
            listeners = try open(new.listenerSpecs, as: plan.listenerSpecs, orAbandon: logFile)
        } catch {
            return .refused(["\(error)"])
        }
        let summary = ReloadSummary(plan, from: configuration, to: new)
        updateLog(new.log, logFile)
        supervisor.environment = new.environment
        // Also applies to services that are being removed.
        (configuration.closeJitter, configuration.drainTimeout) = (new.closeJitter, new.drainTimeout)
        cableServer.closeJitter = new.closeJitter
        supervisor.setCloseTiming(closeJitter: new.closeJitter, drainTimeout: new.drainTimeout)
        changeBackends(to: new, plan)
        for position in plan.listenerSpecs.closed { listenersOfSpecs[position].forEach(proxy.closeListener) }
        listenersOfSpecs = listeners
        for (spec, indices) in zip(new.listenerSpecs, listeners) {
            for index in indices { proxy.listeners[index]?.purpose = spec.purpose }
        }
        let old = configuration
        configuration = new
        configuration.threads = workers.count + 1
        updateCables(from: old)
        updateCommands()
        updateRules()
        return .done(summary)
    }

    // MARK: Listeners

    /// Opens the new listeners and returns all, by listener specification. On failure closes those it opened.
    private func open(
        _ listenerSpecs: [ListenerSpec], as plan: ListenerDiff, orAbandon logFile: LogOutput<K>.Prepared
    ) throws(SystemError) -> [[Int]] {
        var opened: [Int] = []
        do throws(SystemError) {
            var listeners: [[Int]] = []
            for (spec, source) in zip(listenerSpecs, plan.sources) {
                if let source {
                    listeners.append(listenersOfSpecs[source])
                } else {
                    listeners.append(try open(spec))
                    opened += listeners.last!
                }
            }
            return listeners
        } catch {
            opened.forEach(proxy.closeListener)
            logOutput.abandon(logFile)
            throw error
        }
    }

    // MARK: Services

    /// Redefines kept services before removing others, so that no request is rejected in between. Nothing starts before
    /// all services are registered.
    private func changeBackends(to new: Configuration, _ plan: ReloadPlan) {
        let ids = Dictionary(uniqueKeysWithValues: zip(configuration.services.map(\.name), backendIDs))
        let processIDs = Dictionary(
            uniqueKeysWithValues: zip(configuration.processes.map(\.name), processBackendIDs))
        let keptIDs = zip(new.services, plan.changes).map { $1.keepsItsPlace ? ids[$0.name] : nil }
        let keptProcessIDs = new.processes.map { processIDs[$0.name] }
        supervisor.beginChanges()
        for (service, id) in zip(new.services, keptIDs) { if let id { redefine(service, id) } }
        for (process, id) in zip(new.processes, keptProcessIDs) { if let id { redefine(process, id) } }
        for position in plan.leaving { remove(configuration.services[position], backendIDs[position]) }
        for position in plan.removedProcesses { supervisor.remove(processBackendIDs[position]) }
        processBackendIDs = zip(new.processes, keptProcessIDs).map { $1 ?? register($0) }
        backendIDs = zip(new.services, keptIDs).map { $1 ?? register($0) }
        for (service, (change, id)) in zip(new.services, zip(plan.changes, backendIDs)) where change == .replaced {
            if let namesake = ids[service.name] { proxy.inheritCounts(id, from: namesake) }
        }
        for (position, change) in plan.changes.enumerated() {
            command(change, new.services[position], backendIDs[position])
        }
        for (position, change) in plan.processChanges.enumerated() { command(change, processBackendIDs[position]) }
        supervisor.finishReload()
    }

    private func remove(_ service: Configuration.Service, _ id: BackendID) {
        cableServer.forget(id)
        guard service.launch == nil else { return supervisor.remove(id) }
        proxy.closeUnmanaged(id, over: configuration.closeJitter, within: configuration.drainTimeout)
        removedServices.append(id)
    }

    private func register(_ service: Configuration.Service) -> BackendID {
        guard let launch = service.launch else {
            let id = proxy.register(Self.upstream(of: service), atBestIn: &freeBackendIDs)
            if service.enabled { proxy.openUnmanaged(id) }
            return id
        }
        if let id = supervisor.restore(service.name, .service) {
            redefine(service, id)
            supervisor.command(service.enabled ? .enable : .disable, id)
            return id
        }
        let upstream = Self.upstream(of: service)
        let id = proxy.register(upstream, atBestIn: &freeBackendIDs)
        supervisor.add(Self.backend(of: service, launch, as: id, upstream.gate))
        return id
    }

    /// For a service that keeps its backend ID.
    private func redefine(_ service: Configuration.Service, _ id: BackendID) {
        let address = service.target.address
        let generation = service.launch.flatMap { launch in
            supervisor.redefine(id, as: .init(target: address, command: launch, policy: service.policy))
        }
        proxy.redirect(id, to: address, idleWhen: service.idleWhen, after: generation)
        proxy.update(service.limits, of: id)
    }

    private func command(_ change: ReloadPlan.Change, _ service: Configuration.Service, _ id: BackendID) {
        switch change {
        case .enabled where service.launch == nil: proxy.openUnmanaged(id)
        case .disabled where service.launch == nil:
            proxy.closeUnmanaged(id, over: configuration.closeJitter, within: configuration.drainTimeout)
        default: command(change, id)
        }
    }

    // MARK: Processes

    private func register(_ process: Configuration.Process) -> BackendID {
        if let id = supervisor.restore(process.name, .process) {
            redefine(process, id)
            supervisor.command(process.enabled ? .enable : .disable, id)
            return id
        }
        let id = freeProcessID()
        supervisor.add(Self.backend(of: process, as: id))
        return id
    }

    private func redefine(_ process: Configuration.Process, _ id: BackendID) {
        let definition = SupervisedBackend.Definition(
            target: process.address, command: process.launch, policy: process.policy)
        _ = supervisor.redefine(id, as: definition)
    }

    private func command(_ change: ReloadPlan.Change, _ id: BackendID) {
        switch change {
        case .enabled: supervisor.command(.enable, id)
        case .disabled: supervisor.command(.disable, id)
        case .changed(restarts: true): supervisor.restart(id)
        case .unchanged, .rerouted, .changed, .added, .replaced: break
        }
    }

    private func freeProcessID() -> BackendID {
        if let position = freeBackendIDs.firstIndex(where: { $0.index >= BackendID.firstProcess }) {
            return freeBackendIDs.remove(at: position)
        }
        lastProcessIndex += 1
        return BackendID(index: lastProcessIndex)
    }

    /// Frees the IDs of removed services. An ID is reused in the next turn at the earliest, because events of this turn
    /// may refer to the old service.
    func forgetRemovedServices() {
        // Runs for every message, and rarely has work.
        guard supervisor.removedCount > 0 || !removedServices.isEmpty else { return }
        let gone = supervisor.forgetRemoved()
        gone.forEach(proxy.endFollowing)
        freeBackendIDs += gone
        guard !removedServices.isEmpty else { return }
        for id in removedServices where proxy.openCount(of: id) == 0 {
            reactor.disarm(.unmanagedDrain(id))
            freeBackendIDs.append(id)
        }
        removedServices.removeAll { proxy.openCount(of: $0) == 0 }
    }
}

extension ReloadSummary {
    init(_ plan: ReloadPlan, from old: Configuration, to new: Configuration) {
        let names = new.names
        for (name, change) in zip(names, plan.changes + plan.processChanges) {
            switch change {
            case .unchanged: break
            case .rerouted, .replaced, .changed(restarts: false): changed.append(name)
            case .changed(restarts: true):
                changed.append(name)
                restarted.append(name)
            case .enabled: enabled.append(name)
            case .disabled: disabled.append(name)
            case .added: added.append(name)
            }
        }
        for (name, change) in zip(new.cables.map(\.name), plan.cableChanges) {
            switch change {
            case .unchanged: break
            case .changed: changed.append(name)
            case .enabled: enabled.append(name)
            case .disabled: disabled.append(name)
            case .added: added.append(name)
            }
        }
        for (name, change) in zip(new.commands.map(\.name), plan.commandChanges) {
            switch change {
            case .unchanged: break
            case .changed: changed.append(name)
            case .added: added.append(name)
            }
        }
        let remaining = Set(new.allNames)
        removed = old.allNames.filter { !remaining.contains($0) }
        opened = zip(new.listenerSpecs, plan.listenerSpecs.sources).filter { $1 == nil }.map { "\($0.0)" }
        closed = plan.listenerSpecs.closed.map { "\(old.listenerSpecs[$0])" }
        changesSettings = plan.changesSettings
        afterRestart = old.threads == new.threads ? [] : ["threads"]
    }
}

extension Configuration {
    fileprivate var names: [String] { services.map(\.name) + processes.map(\.name) }
    fileprivate var allNames: [String] { names + cables.map(\.name) + commands.map(\.name) }
}
