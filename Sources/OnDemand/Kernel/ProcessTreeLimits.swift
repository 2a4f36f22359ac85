import CLinux
import Glibc

/// Limits of this system for tracking process trees, as sentences for the log.
enum ProcessTreeLimits {
    static func sentences(marksByLimit: Bool) -> [String] {
        guard ProcessTable.seesProcesses else {
            let cause =
                ProcessTable.isProcMounted ? "/proc does not show this pid namespace" : "/proc is not mounted"
            return [
                "\(cause): a process that leaves the group of its backend is not found, and a listener whose owner "
                    + "cannot be shown does not count as the backend's"
            ]
        }
        var limits: [String] = []
        if !ProcessTable.listsEveryProcess {
            limits.append(
                "/proc hides processes of other users (hidepid): those of a backend are found only once their parent "
                    + "has ended"
            )
        }
        if !marksByLimit {
            limits.append(
                "the limit of file locks is fixed (RLIMIT_LOCKS): a process that leaves the session of its backend is "
                    + "found by its environment only")
        }
        if geteuid() == 0, !hasCapability(.ptrace), !hasCapability(.setUser) {
            limits.append(
                "without CAP_SYS_PTRACE and CAP_SETUID the sockets of a backend that changes its user cannot be seen")
        }
        return limits
    }

    private enum Capability: UInt64 {
        case setUser = 7
        case ptrace = 19
    }

    private static func hasCapability(_ capability: Capability) -> Bool {
        guard
            let line = ProcFile.contents(of: "/proc/self/status")?.split(separator: "\n").first(where: {
                $0.hasPrefix("CapEff:")
            }),
            let effective = UInt64(line.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16)
        else { return true }
        return effective >> capability.rawValue & 1 == 1
    }
}
