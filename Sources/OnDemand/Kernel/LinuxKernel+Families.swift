import Glibc

/// Everybody a spawned process brought into the world: its group, and those who left the group for a session of
/// their own (setsid(2)), the classic double fork included.
extension LinuxKernel {
    /// Numbers the spawns of this daemon: the number is in every descendant's environment.
    struct Launches {
        private(set) var next: UInt64 = 1
        private(set) var byLeader: [Int32: UInt64] = [:]

        mutating func began(_ leader: Int32) {
            byLeader[leader] = next
            next += 1
        }

        mutating func ended(_ leader: Int32) { byLeader[leader] = nil }
    }

    @discardableResult
    func signal(familyOf leader: ProcessID, _ signal: StopSignal) -> Errno? {
        // Found before the group is signalled, because the end of a parent hides them.
        let receivers = [-leader.number] + strays(of: leader.number)
        var refusal: Errno?
        for receiver in receivers where kill(receiver, signal.rawValue) != 0 && errno != ESRCH {
            refusal = refusal ?? .current
        }
        return refusal
    }

    func members(ofFamilyOf leader: ProcessID, atMost limit: Int) -> [ProcessDescription] {
        let group = Self.processes().filter { getpgid($0) == leader.number && Self.isAlive($0) }
        return (group + strays(of: leader.number)).prefix(limit).map { number in
            ProcessDescription(process: ProcessID(number: number), name: Self.name(of: number))
        }
    }

    /// Zombies count in a group until they are reaped, so a group that does not exist can never come back.
    func familyExists(of leader: ProcessID) -> Bool {
        if kill(-leader.number, 0) == 0 || errno != ESRCH { return true }
        // Without a descriptor to look with, nobody can say that they are gone; the next step of the stop asks again.
        guard Self.canOpenFiles() else { return true }
        if !strays(of: leader.number).isEmpty { return true }
        launches.ended(leader.number)
        return false
    }

    /// Descendants outside the group.
    private func strays(of leader: Int32) -> [Int32] {
        family(of: leader).filter { getpgid($0) != leader && Self.isAlive($0) }
    }

    /// The leader and its descendants: below it while it lives, else below ourselves, who adopt orphans
    /// (PR_SET_CHILD_SUBREAPER). An adopted one is known by the launch number in its environment.
    func family(of leader: Int32) -> [Int32] {
        guard let launch = launches.byLeader[leader] else { return [] }
        let adopted = Self.children(of: getpid()).filter { child in
            launches.byLeader[child] == nil && Self.supervisorMark(of: child) == mark(ofLaunch: launch, named: false)
        }
        var unseen = [leader] + adopted
        var family: [Int32] = []
        while let process = unseen.popLast() {
            unseen += Self.children(of: process)
            family.append(process)
        }
        return family
    }

    /// All threads may have children (proc(5), /proc/PID/task/TID/children).
    private static func children(of process: Int32) -> [Int32] {
        entries(of: "/proc/\(process)/task").flatMap { thread in
            let text = contents(of: "/proc/\(process)/task/\(thread)/children") ?? ""
            return text.split(separator: " ").compactMap { Int32($0) }
        }
    }
}
