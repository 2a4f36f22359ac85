/// Applies events to the machines of backends, and performs their effects.
///
/// - `dispatch` applies one event and performs its effects. An effect may report a further event, which is applied
///   next.
/// - Effects on other backends are deferred until the event is finished (`DeferredEvent`).
/// - `GenerationDriver` has the processes, and `DependencyLeases` the leases between backends.
/// - Output: replies to the proxy (`BackendReply`).
///
/// Invariant: `dispatch` is never entered twice.
final class BackendDriver<K: Kernel> {
    /// An effect on another backend, deferred until the current event is finished.
    enum DeferredEvent {
        case event(SupervisedBackend, BackendMachine.Event)
        /// Replies to a dependency request.
        case granted(Ticket, Generation, by: SupervisedBackend)
        case refused(Ticket, Refusal, retryAfter: Duration)
        /// A process has exited and may have released its address.
        case roomMade
    }

    let reactor: Reactor<K>
    let backends: BackendList
    private let replies: Mailbox<BackendReply>
    private let log: Log
    private let trees: ProcessTrees<K>
    private let generations: GenerationDriver<K>
    private(set) var dependencies = DependencyLeases()
    private var deferredEvents: [DeferredEvent] = []
    private var isDeliveringDeferredEvents = false
    /// Backends whose start waits until another one's process has released the address.
    private var waitingForAddress: Set<BackendID> = []
    /// Operations whose result a connection waits for. A backend at rest has none.
    private var pendingOperations: [BackendID: [PendingOperation]] = [:]

    private var kernel: K { reactor.kernel }

    init(
        reactor: Reactor<K>, log: Log, backends: BackendList, generations: GenerationDriver<K>, trees: ProcessTrees<K>,
        replies: Mailbox<BackendReply>
    ) {
        self.reactor = reactor
        self.log = log
        self.backends = backends
        self.generations = generations
        self.trees = trees
        self.replies = replies
    }

    // MARK: Events

    func dispatch(_ backend: SupervisedBackend, _ event: BackendMachine.Event) { dispatch(backend, [event]) }

    /// Applies events, then the deferred events that they caused.
    func dispatch(_ backend: SupervisedBackend, _ events: [BackendMachine.Event]) {
        precondition(!isDeliveringDeferredEvents, "an event in the middle of another one")
        isDeliveringDeferredEvents = true
        defer { isDeliveringDeferredEvents = false }
        dispatchNested(events, to: backend)
        while !deferredEvents.isEmpty {
            switch deferredEvents.removeFirst() {
            case .event(let backend, let event): dispatchNested([event], to: backend)
            case .granted(let ticket, let generation, let required): granted(ticket, generation, by: required)
            case .refused(let ticket, let refusal, let retryAfter): refused(ticket, refusal, retryAfter: retryAfter)
            case .roomMade: resumeStarts()
            }
        }
    }

    private func deferEvent(_ event: DeferredEvent) { deferredEvents.append(event) }

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
            let effects = backend.apply(event, at: kernel.now(), jitter: jitter())
            generations.note(event, from: before, of: backend)
            answerOperations(on: backend)
            for effect in effects {
                if let report = perform(effect, for: backend) { events.append(report) }
            }
            if backend.machine.state.name != before { renewDependencies(on: backend) }
            if event == .operation(.enable) { startDependents(backend) }
            // The daemon may have been out of descriptors when the last process of the tree was reaped.
            if event == .timerFired(.stopStep) || event == .shutdownForced, backend.awaitsTree { trees.lookLater() }
        }
    }

    private func jitter() -> Double { Double(kernel.random() >> 11) * 0x1p-53 }

    // MARK: Effects

    /// Performs one effect. Returns the event that it reports at once, if any.
    private func perform(
        _ effect: BackendMachine.Effect, for backend: SupervisedBackend
    ) -> BackendMachine.Event? {
        switch effect {
        case .acquireDependencies: return acquireDependencies(of: backend)
        case .releaseDependencies: ask(dependencies.release(backend))
        case .checkAddress: return checkAddress(of: backend)
        case .startProbing: return generations.probe(backend, .begin(.readiness))
        case .stopProbing: stopProbing(backend)
        case .spawn: return generations.spawn(backend) { backends.isTaken($0, besides: backend) }
        case .probeAgain: generations.probeAgain(backend)
        case .suspendGate: backend.gate.close()
        case .openGate(let generation, let leases): generations.openGate(of: backend, generation, leases: leases)
        case .enterGate:
            guard backend.gate.enter() != nil else { preconditionFailure("a ready backend has a closed gate") }
        case .tryCloseGate: return generations.tryCloseGate(of: backend)
        case .closeTunnels(let generation, let reason, let window):
            guard backend.kind == .service else { return .tunnelsDrained(generation) }
            replies.post(.closeTunnels(backend.id, generation, reason, over: window))
        case .closeGate:
            backend.gate.close()
            loseDependencies(on: backend)
        case .closeGateByForce:
            backend.gate.closeByForce()
            loseDependencies(on: backend)
        case .admit(let tickets, let generation): admit(tickets, generation, to: backend)
        case .refuse(let tickets, let refusal, let retryAfter):
            refuse(tickets, refusal, retryAfter: learnedRetry(of: backend, after: refusal) ?? retryAfter)
        case .arm(let timer, let instant): reactor.arm(.backend(backend.id, timer), at: instant)
        case .disarm(let timer): reactor.disarm(.backend(backend.id, timer))
        case .signal(let signal): generations.signal(signal, to: backend)
        case .endGeneration(let generation):
            generations.end(generation, of: backend, isLast: backends.isRemoved(backend))
            // A generation that has lost its listener ends without an effect that closes its gate.
            loseDependencies(on: backend)
            deferEvent(.roomMade)
        }
        return nil
    }

    private func admit(_ tickets: [Ticket], _ generation: Generation, to backend: SupervisedBackend) {
        for ticket in tickets {
            if ticket.isOfBackend {
                deferEvent(.granted(ticket, generation, by: backend))
            } else {
                replies.post(.admitted(backend.id, ticket, generation))
            }
        }
    }

    private func refuse(_ tickets: [Ticket], _ refusal: Refusal, retryAfter: Duration?) {
        for ticket in tickets {
            if ticket.isOfBackend {
                deferEvent(.refused(ticket, refusal, retryAfter: retryAfter ?? Refusal.dependencyRetry))
            } else {
                replies.post(.refused(ticket, refusal, retryAfter: retryAfter))
            }
        }
    }

    /// Returns the retry time for a full queue: the usual end of this start.
    private func learnedRetry(of backend: SupervisedBackend, after refusal: Refusal) -> Duration? {
        guard case .queueFull = refusal, let child = backend.child else { return nil }
        return backend.history.startups.retryAfter(elapsed: kernel.now() - child.spawnedAt)
    }

    // MARK: Pending operations

    /// Sends the result of an operation when it has ended, which may be now.
    func awaitEnd(of operation: PendingOperation, on backend: SupervisedBackend) {
        pendingOperations[backend.id, default: []].append(operation)
        answerOperations(on: backend)
    }

    /// The connection that waits for the result is closed.
    func withdraw(_ ticket: Ticket, from backend: SupervisedBackend) {
        pendingOperations[backend.id]?.removeAll { $0.ticket == ticket }
    }

    /// Sends the results of the operations that the last event has completed.
    private func answerOperations(on backend: SupervisedBackend) {
        guard !pendingOperations.isEmpty, var pending = pendingOperations.removeValue(forKey: backend.id) else {
            return
        }
        pending.removeAll { operation in
            guard let verdict = operation.verdict(on: backend.machine) else { return false }
            let result = OperationOutcome(of: backend).result(verdict, of: operation.operation)
            replies.post(.operationEnded(operation.ticket, result))
            return true
        }
        if !pending.isEmpty { pendingOperations[backend.id] = pending }
    }

    // MARK: Dependencies

    /// Requests the leases that are missing. Returns an event if nothing is to be waited for.
    private func acquireDependencies(of backend: SupervisedBackend) -> BackendMachine.Event? {
        let (requests, missing) = dependencies.acquire(for: backend, find: backends.named)
        ask(requests)
        if let missing { return .dependencyRefused(missing, .disabled, retryAfter: Refusal.dependencyRetry) }
        return dependencies.areComplete(for: backend) ? .dependenciesReady : nil
    }

    private func ask(_ requests: [DependencyLeases.Request]) {
        for request in requests {
            switch request {
            case .want(let required, let ticket):
                generations.recordStartCause(of: .required, for: required)
                deferEvent(.event(required, .wanted(ticket)))
            case .abandon(let required, let ticket): deferEvent(.event(required, .abandoned(ticket)))
            case .unused(let required, let generation): deferEvent(.event(required, .lastLeaseReturned(generation)))
            }
        }
    }

    private func granted(_ ticket: Ticket, _ generation: Generation, by required: SupervisedBackend) {
        let (dependent, request) = dependencies.granted(ticket, generation, by: required)
        ask(request.map { [$0] } ?? [])
        guard let backend = dependent.flatMap({ backends[$0] }), backend.awaitsDependencies,
            dependencies.areComplete(for: backend)
        else { return }
        dispatchNested([.dependenciesReady], to: backend)
    }

    private func refused(_ ticket: Ticket, _ refusal: Refusal, retryAfter: Duration) {
        guard let (dependent, required) = dependencies.refused(ticket), let backend = backends[dependent],
            backend.awaitsDependencies
        else { return }
        dispatchNested([.dependencyRefused(required, refusal, retryAfter: retryAfter)], to: backend)
    }

    private func loseDependencies(on required: SupervisedBackend) {
        if backends.anyRequires { ask(dependencies.lose(required, of: backends.inOrder)) }
    }

    private func renewDependencies(on required: SupervisedBackend) {
        if backends.anyRequires { ask(dependencies.renew(required, of: backends.inOrder)) }
    }

    /// Starts dependents that would run by themselves, after a required backend is enabled.
    private func startDependents(_ required: SupervisedBackend) {
        guard backends.anyRequires else { return }
        var missed: Set = [required.name]
        // In start order, because a dependent may have missed it through another.
        for backend in backends.inOrder where !missed.isDisjoint(with: backend.machine.policy.requires) {
            missed.insert(backend.name)
            let isToBegin = backend.machine.comesBack && !reactor.isArmed(.startDelay(backend.id))
            guard isToBegin, backend.machine.state == .asleep, !backends.isRemoved(backend) else { continue }
            deferEvent(.event(backend, .startRequested))
        }
    }

    // MARK: Definitions

    /// Applies the definition of the next start. Dependency leases belong to the ended generation.
    func applyPendingDefinition(of backend: SupervisedBackend) {
        guard let next = backend.next else { return }
        if next.policy.requires != backend.machine.policy.requires { ask(dependencies.release(backend)) }
        if next.target != backend.target || next.policy.readiness != .socket { generations.closeSocket(of: backend) }
        backend.applyPendingDefinition()
        backends.arrange()
    }

    /// Opens the inherited socket. On failure the next start opens it, after the previous owner has released the
    /// address.
    func openSocketIfFree(of backend: SupervisedBackend) {
        do throws(SystemError) {
            try generations.openSocket(of: backend)
        } catch {
            log(.systemError, LogField("service", backend.name), LogField("detail", error.description))
        }
    }

    // MARK: Two backends at one address

    /// Checks the address of a start. Waits until the previous owner of this address has exited, if that is a backend.
    private func checkAddress(of backend: SupervisedBackend) -> BackendMachine.Event? {
        guard !backends.usesAddress(of: backend) else {
            waitingForAddress.insert(backend.id)
            return nil
        }
        waitingForAddress.remove(backend.id)
        return generations.probe(backend, .begin(.checkAddress))
    }

    /// Ends the check of the address or of the readiness.
    func stopProbing(_ backend: SupervisedBackend) {
        waitingForAddress.remove(backend.id)
        _ = generations.probe(backend, .stop)
    }

    /// Resumes starts that wait for an address, after a process has exited.
    private func resumeStarts() {
        guard !waitingForAddress.isEmpty else { return }
        for backend in backends.inOrder where waitingForAddress.contains(backend.id) {
            if let event = checkAddress(of: backend) { dispatchNested([event], to: backend) }
        }
    }
}
