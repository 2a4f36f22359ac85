/// The numbers of services and processes, and their changes at a reload: redefined, removed, added.
///
/// Invariants: a `BackendID` belongs to one name until nothing refers to it any more. The number of a removed service
/// is free in the next turn at the earliest, because events of this turn may refer to the service.
final class BackendRegistry<K: Kernel> {
    private let proxy: Proxy<K>
    private let supervisor: Supervisor<K>
    private let cableServer: CableServer<K>
    private var lastProcessIndex: Int
    /// Removed unmanaged services that still have connections.
    private(set) var removedServices: [BackendID] = []
    /// Numbers of removed services that no connection refers to, and of removed processes.
    private(set) var freeIDs: [BackendID] = []

    init(
        _ running: RunningConfiguration, proxy: Proxy<K>, supervisor: Supervisor<K>, cableServer: CableServer<K>
    ) {
        (self.proxy, self.supervisor, self.cableServer) = (proxy, supervisor, cableServer)
        lastProcessIndex = BackendID.firstProcess - 1 + running.processBackendIDs.count
        for (service, id) in running.services where service.enabled && service.launch == nil {
            proxy.services.openUnmanaged(id)
        }
    }

    // MARK: Reload

    /// Redefines kept services before removing others, so that no request is rejected in between. Nothing starts before
    /// all services are registered.
    func change(_ running: RunningConfiguration, to new: Configuration, _ plan: ReloadPlan) -> RunningConfiguration {
        let old = running.configuration
        let ids = Dictionary(uniqueKeysWithValues: zip(old.services.map(\.name), running.backendIDs))
        let processIDs = Dictionary(uniqueKeysWithValues: zip(old.processes.map(\.name), running.processBackendIDs))
        let keptIDs = zip(new.services, plan.changes).map { $1.keepsItsPlace ? ids[$0.name] : nil }
        let keptProcessIDs = new.processes.map { processIDs[$0.name] }
        var next = running
        next.configuration = new
        supervisor.setEnvironment(new.environment)
        // Also applies to services that are being removed.
        cableServer.cables.closeJitter = new.closeJitter
        supervisor.setCloseTiming(closeJitter: new.closeJitter, drainTimeout: new.drainTimeout)
        supervisor.beginChanges()
        for (service, id) in zip(new.services, keptIDs) { if let id { redefine(service, id) } }
        for (process, id) in zip(new.processes, keptProcessIDs) { if let id { redefine(process, id) } }
        for position in plan.leaving { remove(old.services[position], running.backendIDs[position], new) }
        for position in plan.removedProcesses { supervisor.remove(running.processBackendIDs[position]) }
        next.processBackendIDs = zip(new.processes, keptProcessIDs).map { $1 ?? register($0) }
        next.backendIDs = zip(new.services, keptIDs).map { $1 ?? register($0) }
        for (service, (change, id)) in zip(new.services, zip(plan.changes, next.backendIDs)) where change == .replaced {
            if let namesake = ids[service.name] { proxy.inheritCounts(id, from: namesake) }
        }
        for (change, (service, id)) in zip(plan.changes, next.services) { execute(change, service, id, new) }
        for (change, id) in zip(plan.processChanges, next.processBackendIDs) { execute(change, id) }
        supervisor.finishReload()
        return next
    }

    // MARK: Services

    /// The close timing of the new configuration also applies to services that are being removed.
    private func remove(_ service: Configuration.Service, _ id: BackendID, _ new: Configuration) {
        cableServer.cables.forget(id)
        guard service.launch == nil else { return supervisor.remove(id) }
        proxy.closeUnmanaged(id, over: new.closeJitter, within: new.drainTimeout)
        removedServices.append(id)
    }

    private func register(_ service: Configuration.Service) -> BackendID {
        guard service.launch != nil else {
            let id = proxy.register(ProxyService(service), atBestIn: &freeIDs)
            if service.enabled { proxy.services.openUnmanaged(id) }
            return id
        }
        if let id = supervisor.restore(service.name, .service) {
            redefine(service, id)
            supervisor.execute(service.enabled ? .enable : .disable, on: id)
            return id
        }
        let entry = ProxyService(service)
        let id = proxy.register(entry, atBestIn: &freeIDs)
        if let backend = SupervisedBackend(service, as: id, entry.gate) { supervisor.add(backend) }
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

    private func execute(
        _ change: ReloadPlan.Change, _ service: Configuration.Service, _ id: BackendID, _ new: Configuration
    ) {
        switch change {
        case .enabled where service.launch == nil: proxy.services.openUnmanaged(id)
        case .disabled where service.launch == nil:
            proxy.closeUnmanaged(id, over: new.closeJitter, within: new.drainTimeout)
        case .unchanged, .rerouted, .changed, .enabled, .disabled, .added, .replaced: execute(change, id)
        }
    }

    // MARK: Processes

    private func register(_ process: Configuration.Process) -> BackendID {
        if let id = supervisor.restore(process.name, .process) {
            redefine(process, id)
            supervisor.execute(process.enabled ? .enable : .disable, on: id)
            return id
        }
        let id = freeProcessID()
        supervisor.add(SupervisedBackend(process, as: id))
        return id
    }

    private func redefine(_ process: Configuration.Process, _ id: BackendID) {
        let definition = SupervisedBackend.Definition(
            target: process.address, command: process.launch, policy: process.policy)
        _ = supervisor.redefine(id, as: definition)
    }

    private func execute(_ change: ReloadPlan.Change, _ id: BackendID) {
        switch change {
        case .enabled: supervisor.execute(.enable, on: id)
        case .disabled: supervisor.execute(.disable, on: id)
        case .changed(restarts: true): supervisor.restart(id)
        case .unchanged, .rerouted, .changed, .added, .replaced: break
        }
    }

    private func freeProcessID() -> BackendID {
        if let position = freeIDs.firstIndex(where: { $0.index >= BackendID.firstProcess }) {
            return freeIDs.remove(at: position)
        }
        lastProcessIndex += 1
        return BackendID(index: lastProcessIndex)
    }

    // MARK: Removed backends

    /// Frees the numbers of removed backends. Returns whether there were any. Inlined because it runs for every
    /// message.
    @inline(__always)
    func iterationEnded() -> Bool {
        guard supervisor.removedCount > 0 || !removedServices.isEmpty else { return false }
        forgetRemoved()
        return true
    }

    private func forgetRemoved() {
        let gone = supervisor.forgetRemoved()
        gone.forEach(proxy.endFollowing)
        freeIDs += gone
        guard !removedServices.isEmpty else { return }
        let unused = removedServices.filter { proxy.services.openCount(of: $0) == 0 }
        for id in unused { proxy.reactor.disarm(.unmanagedDrain(id)) }
        freeIDs += unused
        removedServices.removeAll(where: unused.contains)
    }
}
