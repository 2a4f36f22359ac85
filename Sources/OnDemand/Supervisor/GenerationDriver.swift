/// Drives one generation of a backend at a time: its socket, process, output, probes and gate, and what is recorded of
/// them. It knows no other backend, and applies no event: it returns them.
///
/// - A generation begins with `spawn` and ends with `end`.
/// - `note` is called after each event, and logs what has changed (`BackendTransition`).
///
/// Invariant: the address, the child and the history of a `SupervisedBackend` are set here only.
final class GenerationDriver<K: Kernel> {
    private let reactor: Reactor<K>
    private let log: Log
    private let replies: Mailbox<BackendReply>
    private let trees: ProcessTrees<K>
    private let sockets: InheritedSockets<K>
    private let output: OutputReader<K>
    private let prober: Prober<K>
    /// Variables of every process besides its own.
    var environment: [LaunchCommand.Variable] = []

    private var kernel: K { reactor.kernel }

    init(reactor: Reactor<K>, log: Log, replies: Mailbox<BackendReply>, trees: ProcessTrees<K>) {
        self.reactor = reactor
        self.log = log
        self.replies = replies
        self.trees = trees
        sockets = InheritedSockets(kernel: reactor.kernel, log: log)
        output = OutputReader(reactor: reactor, log: log, replies: replies)
        prober = Prober(reactor: reactor, log: log)
    }

    /// Forgets a backend without a process: its ID may be another one's next.
    func forget(_ id: BackendID) {
        output.forget(id)
        prober.forget(id)
    }

    // MARK: The inherited socket

    /// Opens the inherited socket if it is missing.
    func openSocket(of backend: SupervisedBackend) throws(SystemError) {
        guard backend.machine.policy.readiness == .socket, let target = backend.target else { return }
        if let address = try sockets.open(for: backend.id, name: backend.name, at: target) {
            backend.address = address
        }
    }

    func closeSocket(of backend: SupervisedBackend) { sockets.close(backend.id) }

    func hasSocket(_ id: BackendID) -> Bool { sockets[id] != nil }

    // MARK: The process

    /// Starts the process of the next generation. `isTaken`: whether another backend was given an address.
    func spawn(_ backend: SupervisedBackend, isTaken: (SocketAddress) -> Bool) -> BackendMachine.Event {
        output.beginGeneration(of: backend.id)
        do throws(SystemError) {
            // At the first attempt another process may have held the address.
            try openSocket(of: backend)
            try pickPort(for: backend, isTaken: isTaken)
            let notify = backend.machine.policy.readiness == .notify ? try kernel.openNotifySocket() : nil
            let command = command(of: backend, notifySocket: notify?.name)
            let spawned: SpawnedProcess
            do throws(SystemError) {
                spawned = try kernel.spawn(command, inheriting: sockets[backend.id])
            } catch {
                if let notify { kernel.close(notify.descriptor) }
                throw error
            }
            began(spawned, backend)
            if let notify {
                prober.openNotifications(on: notify.descriptor, of: backend.id, backend.machine.generation)
            }
            return .spawned
        } catch {
            return .spawnFailed(error)
        }
    }

    private func began(_ spawned: SpawnedProcess, _ backend: SupervisedBackend) {
        backend.child = .init(process: spawned.process, spawnedAt: kernel.now())
        output.began(
            backend.id, name: backend.name, backend.machine.generation, output: spawned.output, errors: spawned.errors)
        backend.history.processStarted(at: kernel.now())
        trees.began(spawned.process, of: .backend(backend.id), stopPlan: backend.machine.policy.stopPlan)
    }

    /// Returns the command of this start with its environment.
    private func command(of backend: SupervisedBackend, notifySocket: String?) -> LaunchCommand {
        var command = backend.launchCommand
        if !command.environment.contains(where: { $0.name == "PWD" }),
            let directory = kernel.absoluteDirectory(of: command)
        {
            command.environment.append(.init(name: "PWD", value: directory))
        }
        if let notifySocket { command.environment.append(.init(name: "NOTIFY_SOCKET", value: notifySocket)) }
        if hasSocket(backend.id) {
            command.environment.append(.init(name: "LISTEN_FDS", value: "1"))
            command.environment.append(.init(name: "LISTEN_FDNAMES", value: backend.name))
        }
        return command.over(environment)
    }

    /// Picks a free port that no other backend was given. A process that takes the port first is a foreign listener,
    /// and the next start picks another port (trap S1).
    private func pickPort(
        for backend: SupervisedBackend, isTaken: (SocketAddress) -> Bool
    ) throws(SystemError) {
        guard let target = backend.target, backend.picksPort, !hasSocket(backend.id) else { return }
        for _ in 0..<Limits.portChoices {
            let address = try kernel.freeAddress(at: target)
            backend.address = address
            if !isTaken(address) { return }
        }
    }

    func signal(_ signal: StopSignal, to backend: SupervisedBackend) {
        guard let child = backend.child else { preconditionFailure("a signal without a process") }
        backend.child?.lastSignal = signal
        guard let code = kernel.signal(treeOf: child.process, signal), !child.refusesSignals else { return }
        // Once per generation, because a stop may send many.
        backend.child?.refusesSignals = true
        log(
            .signalRefused, LogField("service", backend.name),
            LogField("generation", backend.machine.generation.number), LogField("pid", child.process.number),
            LogField("signal", signal.name), LogField("detail", "\(code)"))
    }

    /// The leader has exited, and is reaped afterwards.
    func exited(_ backend: SupervisedBackend, _ exit: Exit) {
        output.drain(backend.id)
        let lastSignal = backend.child?.lastSignal
        backend.child?.exit = exit
        backend.child?.endedBy = lastSignal
    }

    /// No process of the generation is left. `isLast`: the backend is removed, and does not start again.
    func end(_ generation: Generation, of backend: SupervisedBackend, isLast: Bool) {
        _ = probe(backend, .stop)
        output.ended(backend.id)
        backend.history.processEnded(at: kernel.now())
        // Drop leases that were never returned.
        backend.gate.closeByForce()
        if let child = backend.child { trees.ended(child.process) }
        prober.closeNotifications(of: backend.id)
        sockets.drain(backend.id)
        backend.child = nil
        if isLast { closeSocket(of: backend) }
        replies.post(.generationEnded(backend.id, generation))
    }

    // MARK: The gate

    func openGate(of backend: SupervisedBackend, _ generation: Generation, leases: Int) {
        backend.gate.open(generation, leases: leases, port: backend.picksPort ? backend.address?.port ?? 0 : 0)
    }

    func tryCloseGate(of backend: SupervisedBackend) -> BackendMachine.Event {
        let policy = backend.machine.policy
        if policy.hasUncountedConnections, let idle = policy.idleTimeout {
            let last = backend.gate.lastClientData
            guard last + idle <= kernel.now() else { return .clientDataSeen(at: last) }
        }
        return backend.gate.closeIfEmpty() ? .gateClosed : .gateBusy
    }

    // MARK: Output

    func outputReady(_ token: Token, isResumed: Bool, printed: (BackendID) -> Void) {
        output.ready(token, isResumed: isResumed, printed: printed)
    }

    func lastOutput(of id: BackendID) -> [String] { output.lastLines(of: id) }

    /// Logs the remaining lines at the end of the daemon.
    func finishOutput() { output.finish() }

    // MARK: Probes

    func probe(_ backend: SupervisedBackend, _ event: ProbeMachine.Event) -> BackendMachine.Event? {
        prober.apply(event, to: subject(backend))
    }

    /// Probes a backend that has lost its listener.
    func probeAgain(_ backend: SupervisedBackend) {
        backend.child?.lostListenerAt = nil
        _ = probe(backend, .listenerLost)
        backend.child?.lostListenerAt = kernel.now()
    }

    /// A process has printed, which often comes before it listens.
    func printed(_ backend: SupervisedBackend) -> BackendMachine.Event? {
        prober.isPausing(backend.id) ? probe(backend, .printed) : nil
    }

    func probeReady(_ token: Token, _ backend: SupervisedBackend, report: (BackendMachine.Event) -> Void) {
        prober.ready(token, { subject(backend) }, report: report)
    }

    func notificationReady(_ token: Token, _ backend: SupervisedBackend, report: (BackendMachine.Event) -> Void) {
        prober.notificationReady(token, { subject(backend) }, report: report)
    }

    private func subject(_ backend: SupervisedBackend) -> Prober<K>.Subject {
        let now = kernel.now()
        return .init(
            id: backend.id, name: backend.name, address: backend.address, process: backend.child?.process,
            isLed: backend.child?.exit == nil,
            facts: .init(
                check: backend.machine.policy.readiness, hasAddress: backend.address != nil,
                inheritsSocket: hasSocket(backend.id), picksPort: backend.picksPort,
                elapsed: now - (backend.child?.lostListenerAt ?? backend.child?.spawnedAt ?? now),
                // The usual time is that from a spawn, not from the loss of a listener.
                usualStartup: backend.child?.lostListenerAt == nil ? backend.history.startups.usual : nil))
    }

    // MARK: Log and history

    /// Logs and records an event that the backend's machine has applied.
    func note(_ event: BackendMachine.Event, from before: BackendState, of backend: SupervisedBackend) {
        let transition = BackendTransition(
            event: event, before: before, machine: backend.machine, name: backend.name, address: backend.address,
            launch: backend.command, port: backend.toldPort, child: backend.child, openLeases: backend.gate.leases,
            lastProbe: prober.lastResult(of: backend.id), now: kernel.now())
        if event == .addressTaken { prober.logConflict(subject(backend)) }
        if let failure = transition.failure { record(failure, transition, backend) }
        record(transition.eventLine)
        if event == .spawned, let slow = backend.history.startups.slowAfter {
            reactor.arm(.startupSlow(backend.id), at: kernel.now() + slow)
        }
        // A later effect clears the child.
        if event == .treeGone, let exit = backend.child?.exit { backend.history.stopped(exit) }
        noteOverdueStop(backend)
        recordState(of: backend)
        if transition.changesState { changed(transition, backend) }
    }

    private func changed(_ transition: BackendTransition, _ backend: SupervisedBackend) {
        if transition.before == .starting { reactor.disarm(.startupSlow(backend.id)) }
        backend.history.changed(from: transition.before, to: backend.machine, at: kernel.now())
        record(transition.stateLine)
        if transition.after == .awake, let child = backend.child {
            backend.history.ready(after: child.readyAt == nil ? transition.startup : nil)
            backend.child?.readyAt = child.readyAt ?? kernel.now()
        }
        if let child = backend.child, transition.after == .awake || transition.after == .stopping {
            trees.changed(child.process)
        }
        if transition.after == .stopping, let child = backend.child, child.exit == nil {
            backend.history.recordResidentBytes(kernel.residentBytes(of: child.process))
        }
        replies.post(.stateChanged(backend.id))
    }

    private func record(_ line: BackendTransition.Line?) {
        if let line { log.record(line.event, line.fields) }
    }

    private func record(_ failure: BackendFailure, _ transition: BackendTransition, _ backend: SupervisedBackend) {
        // Output of an earlier process is left out.
        let recent = backend.child == nil ? [] : output.recentOutput(of: backend.id)
        let hints = FailureHints(
            kernel: kernel, command: backend.command, address: backend.address, process: backend.child?.process,
            output: output.recentOutput(of: backend.id))
        let report = FailureReport(
            detail: failure.detail + (failure.question.map(hints.text) ?? ""), command: transition.command,
            directory: backend.command.workingDirectory, exit: backend.child?.exit?.description, output: recent)
        backend.history.failed(failure.kind, report)
        record(transition.line(of: failure, report))
    }

    /// Begins the history of a backend that is supervised from now on.
    func beginHistory(of backend: SupervisedBackend) {
        backend.history.begin(at: kernel.now())
        recordState(of: backend)
    }

    /// Records the cause of a start that may follow.
    func recordStartCause(of cause: WakeCause, by client: ClientInfo? = nil, for backend: SupervisedBackend) {
        let wake = BackendHistory.Wake(cause: cause, visitor: client, at: kernel.now())
        backend.history.recordStartCause(wake, in: backend.machine.state)
    }

    /// Shows the state in the history. The clock is read only after a change.
    private func recordState(of backend: SupervisedBackend) {
        backend.history.show(backend.publicState) { kernel.wallClock().seconds }
    }

    /// Updates the remaining processes of an overdue stop at each retry, and logs them once.
    private func noteOverdueStop(_ backend: SupervisedBackend) {
        guard backend.machine.isStopOverdue, let child = backend.child else { return }
        let remaining = kernel.members(ofTreeOf: child.process, atMost: Limits.namedProcesses)
        backend.child?.remaining = remaining
        guard child.remaining == nil else { return }
        log(
            .stopTimedOut, LogField("service", backend.name),
            LogField("generation", backend.machine.generation.number),
            LogField("remaining", remaining.map(\.shown).joined(separator: ", ")))
        replies.post(.stateChanged(backend.id))
    }

    /// Logs a start that takes longer than usual.
    func logSlowStartup(of backend: SupervisedBackend) {
        guard let child = backend.child else { return }
        log(
            .startupSlow, LogField("service", backend.name),
            LogField("generation", backend.machine.generation.number),
            LogField("so_far_ms", (kernel.now() - child.spawnedAt).wholeMilliseconds),
            LogField("median_ms", backend.history.startups.median?.wholeMilliseconds ?? 0))
    }
}
