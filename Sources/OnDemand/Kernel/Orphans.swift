import CLinux
import Glibc

/// Processes that a killed daemon and its guard left behind, found by their mark.
///
/// Only processes of this pid namespace count, and only if their daemon is proven to be dead. An invisible daemon
/// (another namespace, another user, hidepid) is not proven to be dead.
struct Orphans {
    /// The mark of this daemon.
    let identity: LaunchMark

    func kill(within timeout: Duration) -> [ProcessDescription] {
        guard identity.namespace != nil, ProcessTable.seesProcesses else { return [] }
        let orphans = found()
        guard !orphans.isEmpty else { return [] }
        let descriptions = orphans.map {
            ProcessDescription(process: ProcessID(number: $0.number), name: ProcessTable.name(of: $0.number))
        }
        for orphan in orphans { ProcessTable.send(SIGTERM, to: orphan) }
        let deadline = SystemClock.now() + timeout
        // The event loop does not run yet, so waiting here is safe.
        while SystemClock.now() < deadline, !found().isEmpty { usleep(10_000) }
        for orphan in found() { ProcessTable.send(SIGKILL, to: orphan) }
        return descriptions
    }

    private func found() -> [ProcessFacts] {
        ProcessTable.all().compactMap { number in
            guard number != getpid(), let facts = ProcessTable.facts(of: number), facts.isAlive, isOrphan(number) else {
                return nil
            }
            return facts
        }
    }

    private func isOrphan(_ process: Int32) -> Bool {
        if let mark = ProcessTable.environmentMark(of: process) {
            return mark.namespace == identity.namespace && Self.isGone(mark.daemon) { $0 == mark.start }
        }
        // The short form has no namespace. A process with pids in other namespaces may have been marked there.
        guard let mark = ProcessTable.shortMark(of: process), Self.isOfThisNamespace(process) else { return false }
        return Self.isGone(mark.daemon) { $0 & LaunchMark.lowBits == mark.start }
    }

    /// One pid means one namespace (proc(5), NSpid): that of /proc, and so this one.
    private static func isOfThisNamespace(_ process: Int32) -> Bool {
        guard let status = ProcFile.contents(of: "/proc/\(process)/status"),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("NSpid:") })
        else { return false }
        return line.dropFirst(6).split(whereSeparator: { $0 == "\t" || $0 == " " }).count == 1
    }

    /// Whether the daemon is proven to be dead: its pid is free, a zombie, or has another start time.
    private static func isGone(_ daemon: Int32, _ isStart: (UInt64) -> Bool) -> Bool {
        if Glibc.kill(daemon, 0) != 0, errno == ESRCH { return true }
        guard let facts = ProcessTable.facts(of: daemon) else { return false }
        return !facts.isAlive || !isStart(facts.start)
    }
}
