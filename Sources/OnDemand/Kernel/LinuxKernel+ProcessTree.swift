import CLinux
import Glibc

/// The process tree of a launch: the group of its leader and the descendants that left it (setsid(2)), including double
/// forks. How membership is proven: docs/decisions/0009.
extension LinuxKernel {
    /// The mark of a launch.
    func mark(ofLaunch launch: UInt64) -> LaunchMark {
        LaunchMark(namespace: identity.namespace, daemon: identity.daemon, start: identity.start, launch: launch)
    }

    /// The mark of this daemon without a launch.
    static func ownIdentity() -> LaunchMark {
        LaunchMark(namespace: ownNamespace(), daemon: getpid(), start: facts(of: getpid())?.start ?? 0, launch: 0)
    }

    @discardableResult
    func signal(treeOf leader: ProcessID, _ signal: StopSignal) -> Errno? {
        guard let launch = launches[leader] else { return nil }
        // Found before the group is signalled, because the exit of a parent hides its descendants.
        let tree = tree(of: leader)
        let reachesGroup =
            launch.mayBeSignalledAsGroup(tree, by: getpid())
            || !Self.seesProcesses && launch.groupNumber == .heldByOthers
                && ondemandd_has_child_in_group(leader.number) != 0
        var refusal: Errno?
        if reachesGroup, kill(-leader.number, signal.rawValue) != 0, errno != ESRCH { refusal = .current }
        for process in tree where process.isAlive && !(reachesGroup && process.group == leader.number) {
            if let code = Self.send(signal.rawValue, to: process) { refusal = refusal ?? code }
        }
        return refusal
    }

    func members(ofTreeOf leader: ProcessID, atMost limit: Int) -> [ProcessDescription] {
        tree(of: leader).filter(\.isAlive).prefix(limit).map { process in
            ProcessDescription(process: ProcessID(number: process.number), name: Self.name(of: process.number))
        }
    }

    func treeExists(of leader: ProcessID) -> Bool {
        guard let launch = launches[leader] else { return false }
        if launch.groupNumber == .ledByLeader { return true }
        if launch.groupNumber == .heldByOthers, kill(-leader.number, 0) != 0, errno == ESRCH {
            launches.groupAnsweredGone(leader)
        }
        // Without a free descriptor /proc is unreadable and the exit not provable. The next step of the stop checks
        // again.
        guard Self.canOpenFiles() else { return true }
        if tree(of: leader).contains(where: \.isAlive) { return true }
        if !Self.seesProcesses, ondemandd_has_child_in_group(leader.number) != 0 { return true }
        launches.ended(leader)
        return false
    }

    /// The leader until it is reaped, and its descendants: those below it and those adopted by this process
    /// (PR_SET_CHILD_SUBREAPER). Includes zombies.
    func tree(of leader: ProcessID) -> [ProcessFacts] {
        guard let launch = launches[leader] else { return [] }
        var unseen = Self.children(of: getpid()).compactMap { child -> ProcessFacts? in
            if let other = launches.leader(child) { return other == leader ? Self.factsOfChild(child) : nil }
            guard child != guardProcess, let facts = Self.factsOfChild(child) else { return nil }
            return launch.isMember(facts, mark: mark(on: child)) ? facts : nil
        }
        unseen += launch.known.compactMap { identity in
            Self.facts(of: identity.number).flatMap { $0.start == identity.start ? $0 : nil }
        }
        var tree: [ProcessFacts] = []
        var numbers: Set<Int32> = []
        while let process = unseen.popLast() {
            guard numbers.insert(process.number).inserted else { continue }
            unseen += Self.children(of: process.number).compactMap { Self.facts(of: $0) }
            tree.append(process)
        }
        launches.remember(tree, of: leader)
        return tree
    }

    /// Signals exactly this process and not a later one with its pid. Returns the errno of a denial.
    @discardableResult
    static func send(_ signal: Int32, to process: ProcessFacts) -> Errno? {
        // A child keeps its pid until it is reaped.
        let isOwnChild = process.parent == getpid()
        let descriptor = isOwnChild ? -1 : ondemandd_open_process(process.number)
        defer { if descriptor >= 0 { _ = Glibc.close(descriptor) } }
        guard isOwnChild || facts(of: process.number)?.start == process.start else { return nil }
        if descriptor >= 0 {
            if ondemandd_signal_process(descriptor, signal) == 0 || errno == ESRCH { return nil }
            guard errno == ENOSYS else { return .current }
        }
        // Before Linux 5.3, or if forbidden, only pids are available.
        return kill(process.number, signal) == 0 || errno == ESRCH ? nil : .current
    }

    // MARK: Marks

    private func mark(on process: Int32) -> Launch.Mark {
        if let mark = Self.shortMark(of: process), mark.daemon == identity.daemon,
            mark.start == identity.start & LaunchMark.lowBits
        {
            return .own(launch: mark.launch)
        }
        guard let mark = Self.environmentMark(of: process), mark.namespace == identity.namespace,
            mark.daemon == identity.daemon, mark.start == identity.start
        else { return .untold }
        return .own(launch: mark.launch & LaunchMark.lowBits)
    }

    /// From the limits, which every user can read.
    static func shortMark(of process: Int32) -> ShortMark? {
        bytes(of: "/proc/\(process)/limits").flatMap { ShortMark(limits: $0) }
    }

    /// From the environment. Empty for a zombie.
    static func environmentMark(of process: Int32) -> LaunchMark? {
        let path = "/proc/\(process)/environ"
        guard let environment = bytes(of: path) ?? asOwner(of: process, { bytes(of: path) }) else { return nil }
        let marker = "\(LaunchMark.variable)="
        let entry = environment.split(separator: 0).first { $0.starts(with: marker.utf8) }
        return entry.flatMap { LaunchMark(text: String(decoding: $0, as: UTF8.self).dropFirst(marker.utf8.count)) }
    }

    /// Reads as the owner of a process. Without CAP_SYS_PTRACE root may not read a process that has changed its user.
    /// With CAP_SETUID it may do so as that user (ptrace(2), PTRACE_MODE_READ_FSCREDS).
    static func asOwner<Result>(of process: Int32, _ read: () -> Result?) -> Result? {
        var information = stat()
        let (user, group) = (geteuid(), getegid())
        guard unsafe stat("/proc/\(process)", &information) == 0,
            information.st_uid != user || information.st_gid != group
        else { return nil }
        defer { _ = ondemandd_open_files_as(user, group) }
        return ondemandd_open_files_as(information.st_uid, information.st_gid) != 0 ? read() : nil
    }

    // MARK: /proc

    /// Whether /proc shows this pid namespace.
    static var seesProcesses: Bool { linkTarget(of: "/proc/self", atMost: 16) == "\(getpid())" }

    static var isProcMounted: Bool { unsafe access("/proc/self", F_OK) == 0 || !processes().isEmpty }

    static func ownNamespace() -> UInt64? {
        var information = stat()
        return unsafe stat("/proc/self/ns/pid", &information) == 0 ? UInt64(information.st_ino) : nil
    }

    static func facts(of process: Int32) -> ProcessFacts? {
        bytes(of: "/proc/\(process)/stat").flatMap { ProcessFacts(process, stat: $0) }
    }

    /// Also works for a child that /proc hides (proc(5), hidepid). Its start time is 0.
    private static func factsOfChild(_ child: Int32) -> ProcessFacts? {
        if let facts = facts(of: child) { return facts }
        let (group, session) = (getpgid(child), getsid(child))
        guard group > 0, session > 0 else { return nil }
        return ProcessFacts(
            number: child, state: UInt8(ascii: "?"), parent: getpid(), group: group, session: session, start: 0)
    }

    /// Children of all threads (proc(5), /proc/PID/task/TID/children). Without that file every process is checked.
    static func children(of process: Int32) -> [Int32] {
        var isTold = false
        let children = entries(of: "/proc/\(process)/task").flatMap { thread in
            let text = contents(of: "/proc/\(process)/task/\(thread)/children")
            isTold = isTold || text != nil
            return (text ?? "").split(separator: " ").compactMap { Int32($0) }
        }
        guard !isTold, !hasChildrenFiles else { return children }
        return processes().filter { facts(of: $0)?.parent == process }
    }

    private static let hasChildrenFiles = unsafe access("/proc/self/task/\(getpid())/children", R_OK) == 0
}
