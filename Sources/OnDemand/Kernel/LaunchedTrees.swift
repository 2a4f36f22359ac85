import CLinux
import Glibc

/// The process trees of the daemon: the group of each leader and the descendants that left it (setsid(2)), including
/// double forks. How membership is proven: docs/decisions/0009.
final class LaunchedTrees {
    /// The mark of this daemon. Constant.
    let identity: LaunchMark
    /// Whether a limit marks launches too. It is readable without access to the environment.
    let marksByLimit: Bool
    /// Only the main thread starts and ends launches.
    private(set) var launches = LaunchRegistry()
    /// The process that ends the process trees of this daemon when it dies; no member of any.
    private var guardProcess: Int32?
    /// Valid until the end of the turn or the next exit.
    private var census = ProcessCensus()

    init() {
        identity = LaunchMark(
            namespace: ProcessTable.ownNamespace(), daemon: getpid(),
            start: ProcessTable.facts(of: getpid())?.start ?? 0,
            launch: 0)
        marksByLimit = ondemandd_can_mark_by_limit() != 0
    }

    /// The mark of a launch.
    func mark(ofLaunch launch: UInt64) -> LaunchMark {
        LaunchMark(namespace: identity.namespace, daemon: identity.daemon, start: identity.start, launch: launch)
    }

    /// Notes a launch with the next number.
    func began(_ leader: Int32) { launches.began(leader, start: ProcessTable.facts(of: leader)?.start) }

    func guardBegan(_ process: Int32) { guardProcess = process }

    @discardableResult
    func signal(treeOf leader: ProcessID, _ signal: StopSignal) -> Errno? {
        guard let launch = launches[leader] else { return nil }
        // Found before the group is signalled, because the exit of a parent hides its descendants.
        let tree = tree(of: leader)
        let reachesGroup =
            launch.mayBeSignalledAsGroup(tree, by: getpid())
            || !ProcessTable.seesProcesses && launch.groupNumber == .heldByOthers
                && ondemandd_has_child_in_group(leader.number) != 0
        var refusal: Errno?
        if reachesGroup, kill(-leader.number, signal.rawValue) != 0, errno != ESRCH { refusal = .current }
        for process in tree where process.isAlive && !(reachesGroup && process.group == leader.number) {
            if let code = ProcessTable.send(signal.rawValue, to: process) { refusal = refusal ?? code }
        }
        return refusal
    }

    func members(ofTreeOf leader: ProcessID, atMost limit: Int) -> [ProcessDescription] {
        tree(of: leader).filter(\.isAlive).prefix(limit).map { process in
            ProcessDescription(process: ProcessID(number: process.number), name: ProcessTable.name(of: process.number))
        }
    }

    func endedTrees(among leaders: [ProcessID]) -> [ProcessID] { leaders.filter { !treeExists(of: $0) } }

    private func treeExists(of leader: ProcessID) -> Bool {
        guard let launch = launches[leader] else { return false }
        if launch.groupNumber == .ledByLeader { return true }
        if launch.groupNumber == .heldByOthers, kill(-leader.number, 0) != 0, errno == ESRCH {
            launches.groupAnsweredGone(leader)
        }
        takeCensus()
        // Without a free descriptor /proc is unreadable and the exit not provable. The next step of the stop checks
        // again. A zombie is left until it is reaped.
        guard census.isComplete, census.members(of: launch.number).isEmpty else { return true }
        if launch.known.contains(where: Self.isAlive) { return true }
        if !ProcessTable.seesProcesses, ondemandd_has_child_in_group(leader.number) != 0 { return true }
        launches.ended(leader)
        return false
    }

    private static func isAlive(_ process: ProcessIdentity) -> Bool {
        guard let facts = ProcessTable.facts(of: process.number) else { return false }
        return facts.start == process.start && facts.isAlive
    }

    /// The leader until it is reaped, and its descendants: those below it and those adopted by this process
    /// (PR_SET_CHILD_SUBREAPER). Includes zombies.
    func tree(of leader: ProcessID) -> [ProcessFacts] {
        guard let launch = launches[leader] else { return [] }
        takeCensus()
        let children = (launch.groupNumber == .ledByLeader ? [leader.number] : []) + census.members(of: launch.number)
        var numbers = Set(children)
        var unseen = children.compactMap { ProcessTable.factsOfChild($0) }
        for identity in launch.known where !numbers.contains(identity.number) {
            // Another process may have the pid by now, and be found below as a child.
            guard let facts = ProcessTable.facts(of: identity.number), facts.start == identity.start else { continue }
            numbers.insert(identity.number)
            unseen.append(facts)
        }
        var tree: [ProcessFacts] = []
        while let process = unseen.popLast() {
            tree.append(process)
            for child in ProcessTable.children(of: process.number) where numbers.insert(child).inserted {
                if let facts = ProcessTable.facts(of: child) { unseen.append(facts) }
            }
        }
        launches.remember(tree, of: leader)
        return tree
    }

    /// Takes a census of the adopted children, unless that of this turn is current.
    private func takeCensus() {
        guard !census.isCurrent else { return }
        let others = ProcessTable.children(of: getpid()).filter { $0 != guardProcess && launches.leader($0) == nil }
        census.take(others, isReadable: ProcessTable.canOpenFiles(), read: membership)
    }

    private func membership(of child: Int32) -> ProcessCensus.Membership {
        guard let facts = ProcessTable.factsOfChild(child) else { return .unknown }
        let membership = launches.membership(of: facts, mark: mark(on: child))
        // What could not be read proves nothing.
        return membership == .untold && !ProcessTable.canOpenFiles() ? .unknown : membership
    }

    /// Processes may begin and end until the next turn.
    func turnEnds() { census.expire() }

    private func mark(on process: Int32) -> LaunchedTree.Mark {
        if let mark = ProcessTable.shortMark(of: process), mark.daemon == identity.daemon,
            mark.start == identity.start & LaunchMark.lowBits
        {
            return .own(launch: mark.launch)
        }
        guard let mark = ProcessTable.environmentMark(of: process), mark.namespace == identity.namespace,
            mark.daemon == identity.daemon, mark.start == identity.start
        else { return .untold }
        return .own(launch: mark.launch & LaunchMark.lowBits)
    }

    func process(_ process: ProcessID, belongsToTreeOf leader: ProcessID) -> Bool {
        process.number == leader.number && launches[leader]?.groupNumber == .ledByLeader
            || tree(of: leader).contains { $0.number == process.number }
    }

    // MARK: Exits

    func nextExited() -> ExitedProcess? {
        // The daemon has adopted the children of what has ended.
        census.expire()
        var information = unsafe siginfo_t()
        while unsafe waitid(P_ALL, 0, &information, WEXITED | WNOHANG | WNOWAIT) != 0 {
            guard errno == EINTR else { return nil }  // ECHILD: no children.
        }
        let child = unsafe information._sifields._sigchld
        guard child.si_pid != 0 else { return nil }
        let exited = unsafe information.si_code == Int32(CLD_EXITED)
        return ExitedProcess(
            process: launches.leader(child.si_pid) ?? ProcessID(number: child.si_pid),
            exit: exited ? .status(child.si_status) : .signal(child.si_status))
    }

    func reap(_ process: ProcessID) {
        while waitpid(process.number, nil, WNOHANG) < 0, errno == EINTR {}
        launches.reaped(process)
        census.reaped(process.number)
        if process.number == guardProcess { guardProcess = nil }
    }
}
