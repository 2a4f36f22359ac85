import Glibc

/// Processes that a daemon left behind because it was killed: found by what is written in their environment.
///
/// The parent-death signal ends the process that was spawned; its children it does not reach. Everything a backend
/// starts inherits its variables, so whoever names a supervisor that no longer lives is an orphan. A process that
/// writes over its environment to change its title hides from this; such servers watch their own parent.
extension LinuxKernel {
    private static let marker = "ONDEMANDD_SUPERVISOR="

    /// What every child of this daemon carries: `pid:start time:launch`. The pid alone could be somebody else's by the
    /// time it is read.
    func mark(ofLaunch launch: UInt64, named: Bool = true) -> String {
        "\(named ? Self.marker : "")\(identity):\(launch)"
    }

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
            let parts = mark.split(separator: ":")
            guard parts.count == 3, let supervisor = Int32(parts[0]) else { return nil }
            guard identity(of: supervisor) != "\(parts[0]):\(parts[1])" else { return nil }
            return ProcessDescription(process: ProcessID(number: number), name: name(of: number))
        }
    }

    /// Unreadable for other users' processes, which are none of ours; empty for a zombie.
    static func supervisorMark(of process: Int32) -> String? {
        guard let environment = bytes(of: "/proc/\(process)/environ"), !environment.isEmpty else { return nil }
        let entry = environment.split(separator: 0).first { $0.starts(with: marker.utf8) }
        return entry.map { String(decoding: $0.dropFirst(marker.utf8.count), as: UTF8.self) }
    }

    /// `pid:start time`; nil when there is no such process, or only what is left of one.
    static func identity(of process: Int32) -> String? {
        guard let status = statusFields(of: process), status.count > 19, status[0] != "Z" else { return nil }
        return "\(process):\(status[19])"
    }

    /// Neither gone nor a zombie, which only waits for its parent to look.
    static func isAlive(_ process: Int32) -> Bool { statusFields(of: process).map { $0.first != "Z" } ?? false }

    /// The fields of stat from the third on; the name in front of them may contain anything (proc(5)).
    private static func statusFields(of process: Int32) -> [Substring]? {
        guard let stat = contents(of: "/proc/\(process)/stat"), let end = stat.lastIndex(of: ")") else { return nil }
        return stat[stat.index(after: end)...].split(separator: " ")
    }
}
