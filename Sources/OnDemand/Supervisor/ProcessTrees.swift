/// The process trees that the daemon has started: the owner of each, and the guard that covers them all.
///
/// A driver reports the begin, a change and the end of a tree. An exit is looked up by process: the owner gets it.
///
/// The *guard* is a process that kills the trees if the daemon dies. It runs while there is any tree, knows every one,
/// and is replaced after an unexpected exit. Its own side: Kernel/ProcessGuard.swift. The channel is closed only after
/// every tree was reported as ended: to the guard its end means that the daemon died.
final class ProcessTrees<K: Kernel> {
    enum Owner: Equatable {
        case backend(BackendID)
        /// A run of a command, by its slot.
        case run(Int)
        case processGuard
    }

    private struct Tree {
        /// The process that the daemon has started.
        let leader: ProcessID
        let owner: Owner
        let stopPlan: StopPlan
        /// The tree has changed since the last message to the guard.
        var isNewsForGuard = true
    }

    private enum GuardPhase: Equatable {
        case none
        case running(ProcessID, channel: Descriptor, since: Instant)
        /// Released and not yet exited.
        case leaving(ProcessID)
    }

    private let reactor: Reactor<K>
    private let log: Log
    /// In the order of their starts.
    private var trees: [Tree] = []
    private var processGuard = GuardPhase.none
    /// A failure of the guard was logged. The next one is logged only after a guard has run.
    private var hasComplained = false

    private var kernel: K { reactor.kernel }

    init(reactor: Reactor<K>, log: Log) {
        self.reactor = reactor
        self.log = log
    }

    // MARK: Trees

    func began(_ leader: ProcessID, of owner: Owner, stopPlan: StopPlan) {
        trees.append(Tree(leader: leader, owner: owner, stopPlan: stopPlan))
        armGuard(after: Limits.guardDelay)
    }

    /// Schedules a message to the guard. The `guardDelay` keeps it off the path of a client.
    func changed(_ leader: ProcessID) {
        guard let position = trees.firstIndex(where: { $0.leader == leader }) else { return }
        trees[position].isNewsForGuard = true
        armGuard(after: Limits.guardDelay)
    }

    /// No process of the tree is left.
    func ended(_ leader: ProcessID) {
        guard let position = trees.firstIndex(where: { $0.leader == leader }) else { return }
        trees.remove(at: position)
        if case .running(_, let channel, _) = processGuard, !kernel.tellGuard(channel, of: leader, steps: nil) {
            // The guard only kills processes that still exist.
            armGuard(after: Limits.guardPause)
        }
        if trees.isEmpty { reactor.arm(.processGuard, at: kernel.now()) }
    }

    /// nil: an adopted orphan.
    func owner(of process: ProcessID) -> Owner? {
        switch processGuard {
        case .running(process, _, _), .leaving(process): .processGuard
        case .none, .running, .leaving: trees.first { $0.leader == process }?.owner
        }
    }

    /// Schedules a look for exits and ended trees, once for all requests of this turn.
    func lookLater() { reactor.resumeLater(Token(SupervisorToken.trees, index: 0, generation: 0)) }

    // MARK: The guard

    private func armGuard(after delay: Duration) {
        guard !reactor.isArmed(.processGuard) else { return }
        reactor.arm(.processGuard, at: kernel.now() + delay)
    }

    /// Starts, informs or releases the guard.
    func settleGuard() {
        switch processGuard {
        case .none where !trees.isEmpty: startGuard()
        case .none, .leaving: return
        case .running where trees.isEmpty: letGuardGo()
        case .running(_, let channel, _):
            for position in trees.indices where trees[position].isNewsForGuard {
                guard tellGuard(channel, of: trees[position]) else { return armGuard(after: Limits.guardPause) }
                trees[position].isNewsForGuard = false
            }
        }
    }

    /// Releases the guard if no process tree is left.
    func letGuardGo() {
        guard case .running(let process, let channel, _) = processGuard, trees.isEmpty else { return }
        kernel.close(channel)
        processGuard = .leaving(process)
    }

    private func startGuard() {
        do throws(SystemError) {
            let (process, channel) = try kernel.startGuard()
            processGuard = .running(process, channel: channel, since: kernel.now())
            hasComplained = false
            for position in trees.indices { trees[position].isNewsForGuard = true }
            settleGuard()
        } catch {
            if !hasComplained { log(.guardFailed, LogField("detail", error.description)) }
            hasComplained = true
            armGuard(after: Limits.guardPause)
        }
    }

    private func tellGuard(_ channel: Descriptor, of tree: Tree) -> Bool {
        let steps = tree.stopPlan.steps.map { (signal: $0.signal, timeout: $0.timeout) }
        return kernel.tellGuard(channel, of: tree.leader, steps: steps)
    }

    /// Handles the exit of the guard.
    func guardEnded(_ exit: Exit) {
        defer { if !trees.isEmpty { armGuard(after: Limits.guardDelay) } }
        guard case .running(let process, let channel, let since) = processGuard else {
            processGuard = .none
            return
        }
        processGuard = .none
        kernel.close(channel)
        log(.guardFailed, LogField("pid", process.number), LogField("exit", exit.word))
        // A guard that exits at once is restarted after a pause.
        if kernel.now() - since < Limits.guardPause { armGuard(after: Limits.guardPause) }
    }
}
