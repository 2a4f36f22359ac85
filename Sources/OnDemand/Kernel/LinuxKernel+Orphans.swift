import Glibc

/// Processes that a daemon left behind because it was killed: found by what is written in their environment.
///
/// The parent-death signal ends the process that was spawned; its children it does not reach. Everything a backend
/// starts inherits its variables, so whoever names a supervisor that no longer lives is an orphan. A process that writes
/// over its environment to change its title hides from this; such servers watch their own parent.
extension LinuxKernel {
    private static let marker = "ONDEMANDD_SUPERVISOR="

    /// What every child of this daemon carries: the pid alone could be somebody else's by the time it is read.
    func supervisorMark() -> String { Self.marker + Self.mark(of: getpid()) }

    private static func mark(of process: Int32) -> String { "\(process):\(startTime(of: process) ?? 0)" }

    func endOrphans(within patience: Duration) -> [ProcessDescription] {
        let orphans = Self.orphans()
        guard !orphans.isEmpty else { return [] }
        for orphan in orphans { kill(orphan.process.number, SIGTERM) }
        let deadline = now() + patience
        // Before there is a reactor there is nothing else to do than to wait here.
        while now() < deadline, !Self.orphans().isEmpty { usleep(10_000) }
        for orphan in Self.orphans() { kill(orphan.process.number, SIGKILL) }
        return orphans
    }

    private static func orphans() -> [ProcessDescription] {
        processes().compactMap { number in
            guard number != getpid(), let mark = supervisorMark(of: number) else { return nil }
            let supervisor = mark.split(separator: ":").first.flatMap { Int32($0) } ?? 0
            guard Self.mark(of: supervisor) != mark else { return nil }
            return ProcessDescription(process: ProcessID(number: number), name: name(of: number))
        }
    }

    /// Unreadable for other users' processes, which are none of ours.
    private static func supervisorMark(of process: Int32) -> String? {
        guard let environment = bytes(of: "/proc/\(process)/environ"), !environment.isEmpty else { return nil }
        let entry = environment.split(separator: 0).first { $0.starts(with: marker.utf8) }
        return entry.map { String(decoding: $0.dropFirst(marker.utf8.count), as: UTF8.self) }
    }

    /// Field 22 of stat, in clock ticks since boot; the name in front of it may contain anything (proc(5)).
    private static func startTime(of process: Int32) -> UInt64? {
        guard let stat = contents(of: "/proc/\(process)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        // A zombie has ended already and only waits for its parent to look.
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return UInt64(fields[19])
    }
}
