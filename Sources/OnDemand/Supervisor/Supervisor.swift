/// The driver of the backends' machines: performs their effects, owns their processes, and reports what happened.
///
/// It knows tickets, never client sockets.
final class Supervisor<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    let replies: Mailbox<BackendReply>
    private(set) var backends: [BackendID: SupervisedBackend] = [:]
    /// In the order in which they start, and a list, because no decision may depend on the order of a dictionary.
    private(set) var inOrder: [SupervisedBackend]
    /// Those of them that leave for good.
    var dismissals: [Dismissal: SupervisedBackend] = [:]
    var removedCount: Int { dismissals.count }
    /// A reload is under way: the order in which backends start is found once, at its end.
    var isChanging = false
    /// Whether any backend requires another one.
    private(set) var anyRequires = false
    /// Come or changed in the reload that is under way.
    var pendingChanges: [PendingChange] = []
    var buffers: [UInt8]
    /// What every process gets besides its own variables.
    var environment: [LaunchCommand.Variable] = []
    var deferredEvents: [DeferredEvent] = []
    /// Pipes that have something, in the order in which they are read.
    var outputQueue: [Token] = []
    var isOutputTurnAsked = false
    /// What processes that have ended printed last, and the log has still to get.
    var lateOutput: [LateOutput] = []
    private var isDeliveringDeferredEvents = false
    private var lastTicket: UInt64 = 0
    /// The process that ends the families when the daemon dies.
    var familyGuard = FamilyGuardState()
    private(set) var isShuttingDown = false
    private(set) var isForcingShutdown = false

    var kernel: K { reactor.kernel }

    init(backends: [SupervisedBackend], reactor: Reactor<K>, log: Log, replies: Mailbox<BackendReply>) {
        self.reactor = reactor
        self.log = log
        self.replies = replies
        inOrder = backends
        self.backends = Dictionary(uniqueKeysWithValues: backends.map { ($0.id, $0) })
        buffers = Array(repeating: 0, count: backends.isEmpty ? 0 : Limits.outputReadBytes)
        arrange()
    }

    /// Those first who are required by others.
    func arrange() {
        guard !isChanging else { return }
        anyRequires = inOrder.contains { !$0.machine.policy.requires.isEmpty }
        let entries = inOrder.map { DependencyOrder.Entry(name: $0.name, requires: $0.machine.policy.requires) }
        inOrder = DependencyOrder.positions(of: entries).map { inOrder[$0] }
    }

    func insert(_ backend: SupervisedBackend) {
        if buffers.isEmpty { buffers = Array(repeating: 0, count: Limits.outputReadBytes) }
        inOrder.append(backend)
        backends[backend.id] = backend
        arrange()
    }

    /// Those for which `isGone` holds.
    func remove(where isGone: (SupervisedBackend) -> Bool) -> [SupervisedBackend] {
        let gone = inOrder.filter(isGone)
        guard !gone.isEmpty else { return [] }
        for backend in gone { backends[backend.id] = nil }
        inOrder.removeAll { backends[$0.id] !== $0 }
        return gone
    }

    // MARK: From outside

    /// The sockets that backends inherit are the daemon's from the beginning, so that nobody else can have their
    /// addresses.
    func openSockets() throws(SystemError) {
        for backend in inOrder { try openSocket(of: backend) }
    }

    /// Where there is none yet and one is to be.
    func openSocket(of backend: SupervisedBackend) throws(SystemError) {
        guard backend.machine.policy.readiness == .socket, backend.listener == nil, let target = backend.target else {
            return
        }
        let listening = try kernel.listenForChild(at: target)
        backend.listener = listening.descriptor
        backend.address = listening.address
        log(.listening, LogField("address", listening.address.description), LogField("for", backend.name))
    }

    func closeSockets() { inOrder.forEach(closeSocket) }

    func closeSocket(of backend: SupervisedBackend) {
        guard let listener = backend.listener, let address = backend.address else { return }
        kernel.stopListening(listener, at: address)
        backend.listener = nil
    }

    /// Starts what is always on.
    func begin() {
        for backend in inOrder {
            backend.history.stateSince = kernel.now()
            recordState(of: backend)
        }
        for backend in inOrder where backend.machine.policy.alwaysOn && backend.machine.standing != .disabled {
            recordStartCause(of: .alwaysOn, for: backend)
            if backend.startDelay > .zero {
                reactor.arm(.startDelay(backend.id), at: kernel.now() + backend.startDelay)
            } else {
                dispatch(backend, .startRequested)
            }
        }
    }

    func startDelayIsOver(_ id: BackendID) { dispatch(known(id), .startRequested) }

    func handle(_ request: BackendRequest) {
        switch request {
        case .wanted(let id, let ticket, let cause, let mayWake, let visitor):
            // Its last word was on the way when the service left the configuration.
            guard let backend = backends[id] else {
                return replies.post(.refused(ticket, .disabled, retryAfter: nil))
            }
            if mayWake { recordStartCause(of: cause, by: visitor, for: backend) }
            dispatch(backend, mayWake ? .wanted(ticket) : .wantedIfAwake(ticket))
        case .foundNobody(let id, let ticket, let generation, let wasSent):
            guard let backend = backends[id] else {
                return replies.post(.refused(ticket, .disabled, retryAfter: nil))
            }
            dispatch(backend, .foundNobody(ticket, generation, wasSent: wasSent))
        case .abandoned(let id, let ticket):
            guard let backend = backends[id] else { return }
            backend.commands.removeAll { $0.ticket == ticket }
            dispatch(backend, .abandoned(ticket))
        case .command(let id, let command, let ticket, let waits):
            execute(command, for: ticket, waits: waits, on: known(id))
        case .lastLeaseReturned(let id, let generation):
            // A plain proxy has leases too, and nobody to stop.
            if let backend = backends[id] { dispatch(backend, .lastLeaseReturned(generation)) }
        case .tunnelsDrained(let id, let generation):
            if let backend = backends[id] { dispatch(backend, .tunnelsDrained(generation)) }
        }
    }

    func timerFired(_ id: BackendID, _ timer: BackendTimer) { dispatch(known(id), .timerFired(timer)) }

    /// A child, or an orphan that became ours, has ended (SIGCHLD; one signal may stand for many).
    func reapChildren() {
        while let ended = kernel.nextExited() {
            // Whatever is signalled because of this must not reach a stranger with the same number (trap P6).
            defer { kernel.reap(ended.process) }
            if familyGuard.process == ended.process {
                guardEnded(ended.exit)
                continue
            }
            guard let backend = inOrder.first(where: { $0.child?.process == ended.process }) else { continue }
            drainOutput(of: backend)
            backend.child?.exit = ended.exit
            let lastSignal = backend.child?.lastSignal
            backend.child?.endedBy = lastSignal
            // Nothing is started again for a daemon that leaves.
            if isShuttingDown { backend.shutdownSent = true }
            dispatch(backend, [.exited(ended.exit)] + (isShuttingDown ? [.shutdownRequested] : []))
        }
        // An orphan may have been the last of a group.
        for backend in inOrder where groupIsGone(backend) { dispatch(backend, .groupGone) }
    }

    func shutDown() {
        isShuttingDown = true
        proceedWithShutdown()
    }

    /// The operator is in a hurry: the next step of each stop plan, now, and nobody waits for another one's end.
    func forceShutdown() {
        isForcingShutdown = true
        for backend in inOrder {
            if case .stopping = backend.machine.state { dispatch(backend, .shutdownForced) }
        }
        proceedWithShutdown()
    }

    /// Without any patience: whoever is still there ends now.
    func killAll() {
        for backend in inOrder {
            if let child = backend.child { kernel.signal(familyOf: child.process, .kill) }
        }
    }

    /// How long the slowest backend may take to be gone.
    var longestStop: Duration { inOrder.map(\.machine.policy.stopPlan.length).max() ?? .zero }

    /// Nobody is awake but those who always are.
    var isAllAsleep: Bool {
        inOrder.allSatisfy { backend in
            guard case .awake = backend.machine.state else { return backend.machine.state == .asleep }
            return backend.machine.policy.alwaysOn && backend.gate.leases == 0
        }
    }

    var isShutDown: Bool { inOrder.allSatisfy { $0.machine.state == .shuttingDown } }

    func known(_ id: BackendID) -> SupervisedBackend {
        guard let backend = backends[id] else { preconditionFailure("\(id) has no process to supervise") }
        return backend
    }

    // MARK: The machine's driver

    func dispatch(_ backend: SupervisedBackend, _ event: BackendMachine.Event) { dispatch(backend, [event]) }

    /// What the others have to be told because of it comes after, one by one.
    private func dispatch(_ backend: SupervisedBackend, _ events: [BackendMachine.Event]) {
        precondition(!isDeliveringDeferredEvents, "an event in the middle of another one")
        isDeliveringDeferredEvents = true
        defer { isDeliveringDeferredEvents = false }
        dispatchNested(events, to: backend)
        while !deferredEvents.isEmpty {
            switch deferredEvents.removeFirst() {
            case .event(let backend, let event): dispatchNested(event, to: backend)
            case .granted(let ticket, let generation, let required): granted(ticket, generation, by: required)
            case .refused(let ticket, let refusal, let retryAfter): refused(ticket, refusal, retryAfter: retryAfter)
            case .roomMade: resumeStarts()
            }
        }
    }

    func dispatchNested(_ event: BackendMachine.Event, to backend: SupervisedBackend) {
        dispatchNested([event], to: backend)
    }

    /// Brings events in and carries the effects out; what they report is told in turn, never in between.
    private func dispatchNested(_ events: [BackendMachine.Event], to backend: SupervisedBackend) {
        var events = events
        while !events.isEmpty {
            let event = events.removeFirst()
            // What follows belongs to the next life already.
            if event == .groupGone, backend.next != nil {
                applyPendingDefinition(of: backend)
                openSocketIfFree(of: backend)
            }
            let before = backend.machine.state.name
            let effects = backend.machine.apply(event, at: kernel.now(), jitter: jitter())
            note(event, from: before, of: backend)
            answerCommands(on: backend)
            for effect in effects {
                if let report = perform(effect, for: backend) { events.append(report) }
            }
            if backend.machine.state.name != before { renewDependencyLeases(on: backend) }
            if event == .command(.enable) { startDependents(backend) }
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
        case .acquireDependencies: return acquireDependencies(of: backend)
        case .releaseDependencies: releaseDependencies(of: backend)
        case .checkAddress: return checkAddress(of: backend)
        case .startProbing: return startProbe(of: backend, .readiness)
        case .stopProbing:
            backend.waitsForAddress = false
            stopProbe(of: backend)
        case .spawn: return spawn(backend)
        case .probeAgain: probeAgain(of: backend)
        case .suspendGate: backend.gate.close()
        case .openGate(let generation, let leases):
            backend.gate.open(generation, leases: leases, port: backend.picksPort ? backend.address?.port ?? 0 : 0)
        case .enterGate:
            guard backend.gate.enter() != nil else { preconditionFailure("a ready backend has a closed gate") }
        case .tryCloseGate: return tryCloseGate(of: backend)
        case .closeTunnels(let generation, let reason, let window):
            guard backend.kind == .service else { return .tunnelsDrained(generation) }
            replies.post(.closeTunnels(backend.id, generation, reason, over: window))
        case .closeGate:
            backend.gate.close()
            loseDependencyLeases(on: backend)
        case .closeGateByForce:
            backend.gate.closeByForce()
            loseDependencyLeases(on: backend)
        case .admit(let tickets, let generation): admit(tickets, generation, to: backend)
        case .refuse(let tickets, let refusal, let retryAfter):
            refuse(tickets, refusal, retryAfter: learnedRetry(of: backend, after: refusal) ?? retryAfter)
        case .arm(let timer, let instant): reactor.arm(.backend(backend.id, timer), at: instant)
        case .disarm(let timer): reactor.disarm(.backend(backend.id, timer))
        case .signal(let signal):
            guard let child = backend.child else { preconditionFailure("a signal without a process") }
            backend.child?.lastSignal = signal
            if let code = kernel.signal(familyOf: child.process, signal) { noteRefusedSignal(signal, code, backend) }
        case .endGeneration(let generation): end(generation, of: backend)
        }
        return nil
    }

    private func admit(_ tickets: [Ticket], _ generation: Generation, to backend: SupervisedBackend) {
        for ticket in tickets {
            if ticket.isOfBackend {
                deferredEvents.append(.granted(ticket, generation, by: backend))
            } else {
                replies.post(.admitted(backend.id, ticket, generation))
            }
        }
    }

    private func refuse(_ tickets: [Ticket], _ refusal: Refusal, retryAfter: Duration?) {
        for ticket in tickets {
            if ticket.isOfBackend {
                deferredEvents.append(.refused(ticket, refusal, retryAfter: retryAfter ?? Refusal.dependencyRetry))
            } else {
                replies.post(.refused(ticket, refusal, retryAfter: retryAfter))
            }
        }
    }

    /// For the wish of a backend.
    func nextTicket() -> Ticket {
        lastTicket += 1
        return Ticket(ofBackend: lastTicket)
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
        return backend.history.startups.retryAfter(elapsed: kernel.now() - child.spawnedAt)
    }

    // MARK: Processes

    private func spawn(_ backend: SupervisedBackend) -> BackendMachine.Event {
        backend.tail.beginGeneration()
        do throws(SystemError) {
            // A predecessor may have held its address when it was opened for the first time.
            try openSocket(of: backend)
            try pickPort(for: backend)
            let notify = backend.machine.policy.readiness == .notify ? try kernel.openNotifySocket() : nil
            let command = command(of: backend, notifySocket: notify?.name)
            let spawned: SpawnedProcess
            do throws(SystemError) { spawned = try kernel.spawn(command, inheriting: backend.listener) } catch {
                if let notify { kernel.close(notify.descriptor) }
                throw error
            }
            let (index, generation) = (backend.id.index, backend.machine.generation.number)
            backend.child = .init(
                process: spawned.process, spawnedAt: kernel.now(), output: .init(descriptor: spawned.output),
                errors: .init(descriptor: spawned.errors), notifySocket: notify?.descriptor)
            watchOutput(spawned.output, as: Token(.childOutput, index: index, generation: generation))
            watchOutput(spawned.errors, as: Token(.childErrors, index: index, generation: generation))
            if let notify {
                watchOutput(notify.descriptor, as: Token(.notification, index: index, generation: generation))
            }
            backend.history.processStarted(at: kernel.now())
            noteForGuard(backend)
            return .spawned
        } catch {
            return .spawnFailed(error)
        }
    }

    /// What is run this time.
    private func command(of backend: SupervisedBackend, notifySocket: String?) -> LaunchCommand {
        var command = backend.command
        if command.isToldItsPort, let port = backend.address?.port { command = command.told(port) }
        if !command.environment.contains(where: { $0.name == "PWD" }), let directory = directory(of: command) {
            command.environment.append(.init(name: "PWD", value: directory))
        }
        if let notifySocket { command.environment.append(.init(name: "NOTIFY_SOCKET", value: notifySocket)) }
        if backend.listener != nil {
            command.environment.append(.init(name: "LISTEN_FDS", value: "1"))
            command.environment.append(.init(name: "LISTEN_FDNAMES", value: backend.name))
        }
        return command.over(environment)
    }

    /// As an absolute path without dot components (POSIX, 8.3). Programs trust PWD to see a symbolic link as it was
    /// written. nil where no such path is shown to be the directory.
    private func directory(of command: LaunchCommand) -> String? {
        let directory = command.workingDirectory
        guard let own = directory.hasPrefix("/") ? "/" : kernel.workingDirectory else { return nil }
        let plain = PathText.absolute(directory, from: own)
        // Behind a link `..` may lead elsewhere; then programs ask the system.
        return plain == directory || kernel.isSameFile(plain, directory) ? plain : nil
    }

    /// One that nobody listens on, and that no sibling was told and has not bound yet. Whoever takes it before the
    /// backend does is a stranger like any other, and the next start has another one (trap S1).
    private func pickPort(for backend: SupervisedBackend) throws(SystemError) {
        guard let target = backend.target, backend.picksPort, backend.listener == nil else { return }
        for _ in 0..<Limits.portChoices {
            backend.address = try kernel.freeAddress(at: target)
            let isMeantForAnother = inOrder.contains { other in
                other !== backend && other.child != nil && other.address == backend.address
            }
            if !isMeantForAnother { return }
        }
    }

    /// Unwatched output would block the child once the pipe is full, yet its clients matter more than its chatter.
    private func watchOutput(_ descriptor: Descriptor, as token: Token) {
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .readable, as: token)
        } catch {
            log(.systemError, LogField("detail", error.description))
        }
    }

    private func end(_ generation: Generation, of backend: SupervisedBackend) {
        stopProbe(of: backend)
        closeOutput(of: backend)
        backend.history.memory.processEnded(at: kernel.now())
        // Whoever was to leave and has not is no longer counted.
        backend.gate.closeByForce()
        tellGuardOfEnd(backend)
        if let socket = backend.child?.notifySocket { kernel.close(socket) }
        // What this generation has not taken is nobody's: the next one must not find ghosts in its queue.
        if let listener = backend.listener { kernel.drainAcceptQueue(of: listener, limit: Limits.queueLeftovers) }
        backend.child = nil
        if backend.isRemoved { closeSocket(of: backend) }
        deferredEvents.append(.roomMade)
        replies.post(.generationEnded(backend.id, generation))
    }
}
