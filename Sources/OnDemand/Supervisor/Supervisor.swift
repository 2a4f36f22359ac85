/// The driver of the backend machines: performs their effects and owns their processes.
///
/// - Input: requests of the proxy (`handle`), exits (`reapChildren`), timers, probe and notification events, output.
/// - `dispatch` applies one event and performs its effects. An effect may report a further event, which is applied
///   next.
/// - Effects on other backends are deferred until the event is finished (`DeferredEvent`).
/// - Output: replies to the proxy (`BackendReply`), log lines, history.
///
/// Invariants: `dispatch` is never entered twice. A child is reaped after all signals that its exit causes. The
/// supervisor knows tickets, never client sockets.
final class Supervisor<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    let replies: Mailbox<BackendReply>
    private(set) var backends: [BackendID: SupervisedBackend] = [:]
    /// Backends in start order. Iteration uses this list, because no decision may depend on the order of a dictionary.
    private(set) var inOrder: [SupervisedBackend]
    /// Backends that are being removed.
    var dismissals: [Dismissal: SupervisedBackend] = [:]
    var removedCount: Int { dismissals.count }
    /// A reload is in progress. The start order is computed at its end.
    var isChanging = false
    /// Whether any backend requires another one.
    private(set) var anyRequires = false
    /// Backends added or changed in the current reload.
    var pendingChanges: [PendingChange] = []
    var buffers: [UInt8]
    /// Variables of every process besides its own.
    var environment: [LaunchCommand.Variable] = []
    var deferredEvents: [DeferredEvent] = []
    /// Readable pipes in read order.
    var outputQueue: [Token] = []
    var isOutputTurnAsked = false
    /// Output of ended processes that is still to be logged.
    var lateOutput: [LateOutput] = []
    private var isDeliveringDeferredEvents = false
    private var lastTicket: UInt64 = 0
    /// The owners of all processes, and the guard.
    let trees: ProcessTrees<K>
    /// The owner of the processes that are no backends.
    let runner: CommandRunner<K>
    private(set) var isShuttingDown = false
    private(set) var isForcingShutdown = false

    var kernel: K { reactor.kernel }

    init(backends: [SupervisedBackend], runner: CommandRunner<K>, replies: Mailbox<BackendReply>) {
        (reactor, log, trees) = (runner.reactor, runner.log, runner.trees)
        self.runner = runner
        self.replies = replies
        inOrder = backends
        self.backends = Dictionary(uniqueKeysWithValues: backends.map { ($0.id, $0) })
        buffers = Array(repeating: 0, count: backends.isEmpty ? 0 : Limits.outputReadBytes)
        arrange()
    }

    /// Sorts the backends so that required ones come first.
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

    /// Removes the backends for which `isGone` returns true.
    func remove(where isGone: (SupervisedBackend) -> Bool) -> [SupervisedBackend] {
        let gone = inOrder.filter(isGone)
        guard !gone.isEmpty else { return [] }
        for backend in gone { backends[backend.id] = nil }
        inOrder.removeAll { backends[$0.id] !== $0 }
        return gone
    }

    // MARK: Input

    /// Opens the sockets that backends inherit at startup, so that no other process can take their addresses.
    func openSockets() throws(SystemError) {
        for backend in inOrder { try openSocket(of: backend) }
    }

    /// Opens the inherited socket if it is missing.
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

    /// Starts the always-on backends.
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
        case .cableWork, .commandWork, .localWork:
            preconditionFailure("the daemon passes the messages of other drivers on")
        case .wanted(let id, let ticket, let cause, let mayWake, let visitor):
            // The request was on its way when the service was removed.
            guard let backend = backends[id] else {
                return replies.post(.refused(ticket, .disabled, retryAfter: nil))
            }
            if mayWake { recordStartCause(of: cause, by: visitor, for: backend) }
            dispatch(backend, mayWake ? .wanted(ticket) : .wantedIfAwake(ticket))
        case .listenerMissing(let id, let ticket, let generation, let wasSent):
            guard let backend = backends[id] else {
                return replies.post(.refused(ticket, .disabled, retryAfter: nil))
            }
            dispatch(backend, .listenerMissing(ticket, generation, wasSent: wasSent))
        case .abandoned(let id, let ticket):
            guard let backend = backends[id] else { return }
            backend.commands.removeAll { $0.ticket == ticket }
            dispatch(backend, .abandoned(ticket))
        case .command(let id, let command, let ticket, let waits):
            execute(command, for: ticket, waits: waits, on: known(id))
        case .lastLeaseReturned(let id, let generation):
            // Unmanaged services have leases but no process.
            if let backend = backends[id] { dispatch(backend, .lastLeaseReturned(generation)) }
        case .tunnelsDrained(let id, let generation):
            if let backend = backends[id] { dispatch(backend, .tunnelsDrained(generation)) }
        }
    }

    /// Handles exits of children and adopted orphans within a share of this turn, and then looks for trees that have
    /// ended: an orphan may have been the last process of one. A SIGCHLD may stand for many exits.
    func reapChildren() {
        var share = WorkShare(
            items: Limits.exitsPerTurn, time: Limits.exitTimePerTurn, from: kernel.now(), itemsPerLook: 1)
        while let ended = kernel.nextExited() {
            reap(ended)
            guard share.takeItem(kernel.now) else {
                trees.lookLater()
                break
            }
        }
        lookForEndedTrees()
    }

    private func reap(_ ended: ExitedProcess) {
        // Reap last: until then no other process can get the pid, so signals cannot reach a foreign process (trap P6).
        defer { kernel.reap(ended.process) }
        switch trees.owner(of: ended.process) {
        case .processGuard: trees.guardEnded(ended.exit)
        case .backend(let id): exited(known(id), ended.exit)
        case .run(let slot): runner.exited(slot, ended.exit)
        case nil: break  // An adopted orphan.
        }
    }

    /// Asks once for all trees that are expected to end.
    private func lookForEndedTrees() {
        let waiting = inOrder.filter(awaitsTree).compactMap(\.child?.process) + runner.awaitedTrees
        guard !waiting.isEmpty else { return }
        for leader in kernel.endedTrees(among: waiting) {
            switch trees.owner(of: leader) {
            case .backend(let id): dispatch(known(id), .treeGone)
            case .run(let slot): runner.treeEnded(slot)
            case .processGuard, nil: preconditionFailure("a tree without an owner has ended")
            }
        }
    }

    private func exited(_ backend: SupervisedBackend, _ exit: Exit) {
        drainOutput(of: backend)
        backend.child?.exit = exit
        let lastSignal = backend.child?.lastSignal
        backend.child?.endedBy = lastSignal
        // No restart during a shutdown.
        if isShuttingDown { backend.shutdownSent = true }
        dispatch(backend, [.exited(exit)] + (isShuttingDown ? [.shutdownRequested] : []))
    }

    func shutDown() {
        isShuttingDown = true
        proceedWithShutdown()
    }

    /// Forces the shutdown: each stop plan advances to its next step, and no backend waits for another.
    func forceShutdown() {
        isForcingShutdown = true
        for backend in inOrder {
            if case .stopping = backend.machine.state { dispatch(backend, .shutdownForced) }
        }
        proceedWithShutdown()
    }

    /// Sends SIGKILL to all process trees.
    func killAll() {
        for backend in inOrder {
            if let child = backend.child { kernel.signal(treeOf: child.process, .kill) }
        }
    }

    /// The longest stop plan.
    var longestStop: Duration { inOrder.map(\.machine.policy.stopPlan.length).max() ?? .zero }

    /// All backends are asleep, except idle always-on ones.
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

    // MARK: Effects

    func dispatch(_ backend: SupervisedBackend, _ event: BackendMachine.Event) { dispatch(backend, [event]) }

    /// Applies events, then the deferred events that they caused.
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

    /// Applies events and performs their effects. Events reported by effects are applied after all effects of the
    /// current one.
    private func dispatchNested(_ events: [BackendMachine.Event], to backend: SupervisedBackend) {
        var events = events
        while !events.isEmpty {
            let event = events.removeFirst()
            // From here on the next generation begins.
            if event == .treeGone, backend.next != nil {
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
            // The daemon may have been out of descriptors when the last process of the tree was reaped.
            if event == .timerFired(.stopStep) || event == .shutdownForced, awaitsTree(backend) { trees.lookLater() }
        }
    }

    private func jitter() -> Double { Double(kernel.random() >> 11) * 0x1p-53 }

    /// Whether the leader has exited and others may remain.
    private func awaitsTree(_ backend: SupervisedBackend) -> Bool {
        guard case .stopping = backend.machine.state else { return false }
        return backend.child?.exit != nil
    }

    /// Performs one effect. Returns the event that it reports at once, if any.
    private func perform(
        _ effect: BackendMachine.Effect, for backend: SupervisedBackend
    ) -> BackendMachine.Event? {
        switch effect {
        case .acquireDependencies: return acquireDependencies(of: backend)
        case .releaseDependencies: releaseDependencies(of: backend)
        case .checkAddress: return checkAddress(of: backend)
        case .startProbing: return probe(backend, .begin(.readiness))
        case .stopProbing:
            backend.waitsForAddress = false
            _ = probe(backend, .stop)
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
            if let code = kernel.signal(treeOf: child.process, signal) { noteRefusedSignal(signal, code, backend) }
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

    /// Returns a ticket for a dependency request.
    func nextTicket() -> Ticket {
        lastTicket += 1
        return Ticket(ofBackend: lastTicket)
    }

    private func tryCloseGate(of backend: SupervisedBackend) -> BackendMachine.Event {
        let policy = backend.machine.policy
        if policy.hasUncountedConnections, let idle = policy.idleTimeout {
            let last = backend.gate.lastClientData
            guard last + idle <= kernel.now() else { return .clientDataSeen(at: last) }
        }
        return backend.gate.closeIfEmpty() ? .gateClosed : .gateBusy
    }

    /// Returns the retry time for a full queue: the usual end of this start.
    private func learnedRetry(of backend: SupervisedBackend, after refusal: Refusal) -> Duration? {
        guard case .queueFull = refusal, let child = backend.child else { return nil }
        return backend.history.startups.retryAfter(elapsed: kernel.now() - child.spawnedAt)
    }
}
