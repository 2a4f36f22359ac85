import CLinux
import Glibc

/// The signals of the daemon, which arrive on a descriptor (signalfd(2)).
enum SignalDescriptor {
    private static let expected = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD]

    static func open() throws(SystemError) -> Descriptor {
        // Adopt orphans of backends instead of leaving them to init (PR_SET_CHILD_SUBREAPER).
        _ = ondemandd_become_child_subreaper()
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        for number in expected { unsafe sigaddset(&signals, number) }
        unsafe sigprocmask(SIG_BLOCK, &signals, nil)
        restoreExpected()
        let raw = unsafe signalfd(-1, &signals, Int32(SFD_NONBLOCK | SFD_CLOEXEC))
        guard raw >= 0 else { throw SystemError(call: "signalfd", code: .current, subject: "") }
        return Descriptor(raw: raw)
    }

    static func next(from descriptor: Descriptor) -> DaemonSignal? {
        var information = signalfd_siginfo()
        let size = MemoryLayout<signalfd_siginfo>.size
        while unsafe Glibc.read(descriptor.raw, &information, size) != size {
            guard errno == EINTR else { return nil }
        }
        return switch Int32(information.ssi_signo) {
        case SIGTERM: .terminate
        case SIGINT: .interrupt
        case SIGHUP: .hangUp
        case SIGUSR1: .reopenLog
        default: .childChanged
        }
    }

    /// Ignores signals that would end the daemon: a closed connection, and a file at its size limit (setrlimit(2),
    /// RLIMIT_FSIZE). Both are reported as errors of the call.
    static func ignoreErrorSignals() {
        for number in [SIGPIPE, SIGXFSZ] { Glibc.signal(number, SIG_IGN) }
    }

    /// The kernel reaps the children of a process that ignores SIGCHLD and reports none of them (waitid(2)).
    private static func restoreExpected() {
        for number in expected { Glibc.signal(number, SIG_DFL) }
    }
}
