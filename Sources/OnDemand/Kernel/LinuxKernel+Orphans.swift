import Glibc

/// Processes that a killed daemon and its guard left behind, found by their mark.
///
/// Only a process of this pid namespace is looked at, and only a daemon that is shown to be gone makes an orphan of it.
/// A daemon that cannot be seen (another namespace, another user, hidepid) is not shown to be gone.
extension LinuxKernel {
    func killOrphans(within patience: Duration) -> [ProcessDescription] {
        guard identity.namespace != nil, Self.seesProcesses else { return [] }
        let orphans = orphans()
        guard !orphans.isEmpty else { return [] }
        let descriptions = orphans.map {
            ProcessDescription(process: ProcessID(number: $0.number), name: Self.name(of: $0.number))
        }
        for orphan in orphans { Self.send(SIGTERM, to: orphan) }
        let deadline = now() + patience
        // Before there is a reactor there is nothing else to do than to wait here.
        while now() < deadline, !self.orphans().isEmpty { usleep(10_000) }
        for orphan in self.orphans() { Self.send(SIGKILL, to: orphan) }
        return descriptions
    }

    private func orphans() -> [ProcessFacts] {
        Self.processes().compactMap { number in
            guard number != getpid(), let facts = Self.facts(of: number), facts.isAlive, isOrphan(number) else {
                return nil
            }
            return facts
        }
    }

    private func isOrphan(_ process: Int32) -> Bool {
        if let mark = Self.environmentMark(of: process) {
            return mark.namespace == identity.namespace && Self.isGone(mark.daemon) { $0 == mark.start }
        }
        // The short form names no namespace: a process that has numbers in others may have been marked there.
        guard let mark = Self.shortMark(of: process), Self.isOfThisNamespace(process) else { return false }
        return Self.isGone(mark.daemon) { $0 & LaunchMark.lowBits == mark.start }
    }

    /// One number means one namespace (proc(5), NSpid), which is that of /proc and so this one.
    private static func isOfThisNamespace(_ process: Int32) -> Bool {
        guard let status = contents(of: "/proc/\(process)/status"),
            let line = status.split(separator: "\n").first(where: { $0.hasPrefix("NSpid:") })
        else { return false }
        return line.dropFirst(6).split(whereSeparator: { $0 == "\t" || $0 == " " }).count == 1
    }

    /// Shown to be gone: there is no such number, it is a zombie's, or a process has it that began at another time.
    private static func isGone(_ daemon: Int32, _ isStart: (UInt64) -> Bool) -> Bool {
        if kill(daemon, 0) != 0, errno == ESRCH { return true }
        guard let facts = facts(of: daemon) else { return false }
        return !facts.isAlive || !isStart(facts.start)
    }
}
