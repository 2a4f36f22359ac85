/// The owner of all backends: makes events of what happens to them, and starts, changes and stops them in order.
///
/// - Input: requests of the proxy (`handle`), exits (`reapChildren`), timers, readiness of pipes, probes and notify
///   sockets, operations, reloads and the shutdown.
/// - Events go to `BackendDriver`, which applies them. `GenerationDriver` has the processes, `BackendList` the order
///   of the backends.
///
/// Invariants: a child is reaped after all signals that its exit causes. The supervisor knows tickets, never client
/// sockets.
final class Supervisor<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    let replies: Mailbox<BackendReply>
    /// The owners of all processes, and the guard.
    let trees: ProcessTrees<K>
    /// The owner of the processes that are no backends.
    let runner: CommandRunner<K>
    /// In the order of their starts, and by ID.
    let backends: BackendList
    let generations: GenerationDriver<K>
    let driver: BackendDriver<K>
    /// Backends added or changed in the current reload.
    var pendingChanges: [PendingChange] = []
    private(set) var isShuttingDown = false
    private var isForcingShutdown = false
    /// Backends to which `shutdownRequested` was dispatched.
    private var shutdownSent: Set<BackendID> = []

    var kernel: K { reactor.kernel }
    var inOrder: [SupervisedBackend] { backends.inOrder }

    init(backends: [SupervisedBackend], runner: CommandRunner<K>, replies: Mailbox<BackendReply>) {
        (reactor, log, trees) = (runner.reactor, runner.log, runner.trees)
        self.runner = runner
        self.replies = replies
        self.backends = BackendList(backends)
        generations = GenerationDriver(reactor: reactor, log: log, replies: replies, trees: trees)
        driver = BackendDriver(
            reactor: reactor, log: log, backends: self.backends, generations: generations, trees: trees,
            replies: replies)
    }

    // MARK: Input

    /// Opens the sockets that backends inherit at startup, so that no other process can take their addresses.
    func openSockets() throws(SystemError) {
        for backend in inOrder { try generations.openSocket(of: backend) }
    }

    /// Logs the remaining output at the end of the daemon.
    func finishOutput() { generations.finishOutput() }

    func closeSockets() { inOrder.forEach(generations.closeSocket) }

    /// Starts the always-on backends.
    func begin() {
        for backend in inOrder { generations.beginHistory(of: backend) }
        for backend in inOrder where backend.machine.policy.alwaysOn && backend.machine.standing != .disabled {
            beginAlwaysOn(backend)
        }
    }

    func beginAlwaysOn(_ backend: SupervisedBackend) {
        generations.recordStartCause(of: .alwaysOn, for: backend)
        if backend.startDelay > .zero {
            reactor.arm(.startDelay(backend.id), at: kernel.now() + backend.startDelay)
        } else {
            driver.dispatch(backend, .startRequested)
        }
    }

    func handle(_ request: BackendRequest) {
        switch request {
        case .cableWork, .commandWork, .daemonWork:
            preconditionFailure("the daemon passes the messages of other drivers on")
        case .wanted(let id, let ticket, let cause, let mayWake, let visitor):
            // The request was on its way when the service was removed.
            guard let backend = backends[id] else {
                return replies.post(.refused(ticket, .disabled, retryAfter: nil))
            }
            if mayWake { generations.recordStartCause(of: cause, by: visitor, for: backend) }
            driver.dispatch(backend, mayWake ? .wanted(ticket) : .wantedIfAwake(ticket))
        case .listenerMissing(let id, let ticket, let generation, let wasSent):
            guard let backend = backends[id] else {
                return replies.post(.refused(ticket, .disabled, retryAfter: nil))
            }
            driver.dispatch(backend, .listenerMissing(ticket, generation, wasSent: wasSent))
        case .abandoned(let id, let ticket):
            guard let backend = backends[id] else { return }
            driver.withdraw(ticket, from: backend)
            driver.dispatch(backend, .abandoned(ticket))
        case .operation(let id, let operation, let ticket, let waits):
            execute(operation, for: ticket, waits: waits, on: known(id))
        case .lastLeaseReturned(let id, let generation):
            // Unmanaged services have leases but no process.
            if let backend = backends[id] { driver.dispatch(backend, .lastLeaseReturned(generation)) }
        case .tunnelsDrained(let id, let generation):
            if let backend = backends[id] { driver.dispatch(backend, .tunnelsDrained(generation)) }
        }
    }

    func known(_ id: BackendID) -> SupervisedBackend {
        guard let backend = backends[id] else { preconditionFailure("\(id) has no process to supervise") }
        return backend
    }

    // MARK: Exits

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
        let waiting = inOrder.filter(\.awaitsTree).compactMap(\.child?.process) + runner.awaitedTrees
        guard !waiting.isEmpty else { return }
        for leader in kernel.endedTrees(among: waiting) {
            switch trees.owner(of: leader) {
            case .backend(let id): driver.dispatch(known(id), .treeGone)
            case .run(let slot): runner.treeEnded(slot)
            case .processGuard, nil: preconditionFailure("a tree without an owner has ended")
            }
        }
    }

    private func exited(_ backend: SupervisedBackend, _ exit: Exit) {
        generations.exited(backend, exit)
        // No restart during a shutdown.
        if isShuttingDown { shutdownSent.insert(backend.id) }
        driver.dispatch(backend, [.exited(exit)] + (isShuttingDown ? [.shutdownRequested] : []))
    }

    // MARK: The shutdown

    func shutDown() {
        isShuttingDown = true
        proceedWithShutdown()
    }

    /// Stops every backend that is no longer required.
    func proceedWithShutdown() {
        guard isShuttingDown else { return }
        for (position, backend) in inOrder.enumerated().reversed() where !shutdownSent.contains(backend.id) {
            guard isForcingShutdown || backends.mayStop(backend, at: position) else { continue }
            shutdownSent.insert(backend.id)
            reactor.disarm(.startDelay(backend.id))
            driver.dispatch(backend, .shutdownRequested)
        }
    }

    /// Forces the shutdown: each stop plan advances to its next step, and no backend waits for another.
    func forceShutdown() {
        isForcingShutdown = true
        for backend in inOrder {
            if case .stopping = backend.machine.state { driver.dispatch(backend, .shutdownForced) }
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
}
