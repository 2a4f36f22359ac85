/// The driver of the backends' machines: performs their effects, owns their processes, and reports what happened.
///
/// It knows tickets, never client sockets.
final class Supervisor<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    let answers: Mailbox<BackendAnswer>
    private(set) var backends: [BackendID: SupervisedBackend] = [:]
    /// By position, because no decision may depend on the order of a dictionary.
    let inOrder: [SupervisedBackend]
    var scratch: [UInt8]
    /// What every process gets besides its own variables.
    var environment: [LaunchCommand.Variable] = []

    var kernel: K { reactor.kernel }

    init(backends: [SupervisedBackend], reactor: Reactor<K>, log: Log, answers: Mailbox<BackendAnswer>) {
        self.reactor = reactor
        self.log = log
        self.answers = answers
        inOrder = backends
        self.backends = Dictionary(uniqueKeysWithValues: backends.map { ($0.id, $0) })
        scratch = Array(repeating: 0, count: backends.isEmpty ? 0 : Limits.outputReadBytes)
    }

    // MARK: From outside

    /// Starts what is always on.
    func begin() {
        for backend in inOrder { backend.history.stateSince = kernel.now() }
        for backend in inOrder where backend.machine.policy.alwaysOn { tell(backend, .startRequested) }
    }

    func handle(_ request: BackendRequest) {
        switch request {
        case .wanted(let id, let ticket, let mayWake):
            tell(known(id), mayWake ? .wanted(ticket) : .wantedIfAwake(ticket))
        case .abandoned(let id, let ticket): tell(known(id), .abandoned(ticket))
        case .lastLeaseReturned(let id, let generation):
            // A plain proxy has leases too, and nobody to stop.
            if let backend = backends[id] { tell(backend, .lastLeaseReturned(generation)) }
        case .lastDormantEnded(let id, let generation): tell(known(id), .lastDormantEnded(generation))
        }
    }

    func timerFired(_ id: BackendID, _ timer: BackendTimer) { tell(known(id), .timerFired(timer)) }

    /// A child, or an orphan that became ours, has ended (SIGCHLD; one signal may stand for many).
    func reapChildren() {
        while let ended = kernel.nextExited() {
            // Whatever is signalled because of this must not reach a stranger with the same number (trap P6).
            defer { kernel.reap(ended.process) }
            guard let backend = inOrder.first(where: { $0.child?.process == ended.process }) else { continue }
            drainOutput(of: backend)
            backend.child?.exit = ended.exit
            let lastSignal = backend.child?.lastSignal
            backend.child?.endedBy = lastSignal
            tell(backend, .exited(ended.exit))
        }
        // An orphan may have been the last of a group.
        for backend in inOrder where groupIsGone(backend) { tell(backend, .groupGone) }
    }

    func shutDown() {
        for backend in inOrder { tell(backend, .shutdownRequested) }
    }

    /// The operator is in a hurry: the next step of each stop plan, now.
    func hurry() {
        for backend in inOrder {
            if case .stopping = backend.machine.state { tell(backend, .hurried) }
        }
    }

    /// Without any patience: whoever is still there ends now.
    func killAll() {
        for backend in inOrder {
            if let child = backend.child { kernel.signal(familyOf: child.process, .kill) }
        }
    }

    var isAllAsleep: Bool { inOrder.allSatisfy { $0.machine.state == .asleep } }

    var isRetired: Bool { inOrder.allSatisfy { $0.machine.state == .retired } }

    private func known(_ id: BackendID) -> SupervisedBackend {
        guard let backend = backends[id] else { preconditionFailure("\(id) has no process to supervise") }
        return backend
    }

    // MARK: The machine's driver

    /// Brings an event in and carries the effects out; what they report is told in turn, never in between.
    func tell(_ backend: SupervisedBackend, _ event: BackendMachine.Event) {
        var events = [event]
        while !events.isEmpty {
            let event = events.removeFirst()
            let before = StateWord(backend.machine.state)
            let effects = backend.machine.apply(event, at: kernel.now(), jitter: jitter())
            note(event, from: before, of: backend)
            for effect in effects {
                if let report = perform(effect, for: backend) { events.append(report) }
            }
            if events.isEmpty, groupIsGone(backend) { events.append(.groupGone) }
        }
    }

    private func jitter() -> Double { Double(kernel.random() >> 11) * 0x1p-53 }

    private func groupIsGone(_ backend: SupervisedBackend) -> Bool {
        guard case .stopping = backend.machine.state, let child = backend.child, child.exit != nil else { return false }
        return !kernel.familyExists(of: child.process)
    }

    /// Carries one effect out; what it reports at once, if anything.
    private func perform(
        _ effect: BackendMachine.Effect, for backend: SupervisedBackend
    ) -> BackendMachine.Event? {
        switch effect {
        case .checkAddress: return startProbe(of: backend, .checkAddress)
        case .startProbing: return startProbe(of: backend, .readiness)
        case .stopProbing: stopProbe(of: backend)
        case .spawn: return spawn(backend)
        case .openGate(let generation, let leases): backend.gate.open(generation, leases: leases)
        case .enterGate:
            guard backend.gate.enter() != nil else { preconditionFailure("a ready backend has a closed gate") }
        case .tryCloseGate: return tryCloseGate(of: backend)
        case .takeLeave(let generation, let window):
            answers.post(.takeLeave(backend.id, generation, over: window))
        case .closeGateByForce: backend.gate.closeByForce()
        case .admit(let tickets, let generation):
            for ticket in tickets { answers.post(.admitted(backend.id, ticket, generation)) }
        case .refuse(let tickets, let refusal, let retryAfter):
            let learned = learnedRetry(of: backend, after: refusal) ?? retryAfter
            for ticket in tickets { answers.post(.refused(ticket, refusal, retryAfter: learned)) }
        case .arm(let timer, let instant): reactor.arm(.backend(backend.id, timer), at: instant)
        case .disarm(let timer): reactor.disarm(.backend(backend.id, timer))
        case .signal(let signal):
            guard let child = backend.child else { preconditionFailure("a signal without a process") }
            backend.child?.lastSignal = signal
            kernel.signal(familyOf: child.process, signal)
        case .endGeneration(let generation): end(generation, of: backend)
        }
        return nil
    }

    private func tryCloseGate(of backend: SupervisedBackend) -> BackendMachine.Event {
        let policy = backend.machine.policy
        if policy.idleWhen == .noClientData, let idle = policy.idleTimeout {
            let last = backend.gate.lastClientData
            guard last + idle <= kernel.now() else { return .clientDataSeen(at: last) }
        }
        return backend.gate.closeIfEmpty() ? .gateClosed : .gateBusy
    }

    /// Who finds the queue full comes back when this start is usually over.
    private func learnedRetry(of backend: SupervisedBackend, after refusal: Refusal) -> Duration? {
        guard case .queueFull = refusal, let child = backend.child else { return nil }
        return backend.history.boots.retryAfter(elapsed: kernel.now() - child.spawnedAt)
    }

    // MARK: Processes

    private func spawn(_ backend: SupervisedBackend) -> BackendMachine.Event {
        do throws(SystemError) {
            let spawned = try kernel.spawn(backend.command.over(environment))
            let (index, generation) = (backend.id.index, backend.machine.generation.number)
            backend.child = .init(
                process: spawned.process, spawnedAt: kernel.now(), output: .init(descriptor: spawned.output),
                errors: .init(descriptor: spawned.errors))
            watchOutput(spawned.output, as: Token(.childOutput, index: index, generation: generation))
            watchOutput(spawned.errors, as: Token(.childErrors, index: index, generation: generation))
            backend.history.starts += 1
            return .spawned
        } catch {
            return .spawnFailed(error)
        }
    }

    /// Unwatched output would block the child once the pipe is full, yet its clients matter more than its chatter.
    private func watchOutput(_ descriptor: Descriptor, as token: Token) {
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .readable, as: token)
        } catch {
            log(.systemTrouble, LogField("detail", error.description))
        }
    }

    private func end(_ generation: Generation, of backend: SupervisedBackend) {
        closeOutput(of: backend)
        backend.child = nil
        answers.post(.generationEnded(backend.id, generation))
    }
}
