import CLinux
import Glibc

/// Process state that the daemon relies on and would otherwise inherit from its parent.
///
/// `execve(2)` keeps the signal mask, ignored signals and open descriptors. Each of them is set here, so that the
/// daemon behaves alike under a shell, a service manager, `nohup` and a container engine.
extension LinuxKernel {
    /// Sets the state. Call once, before the first file is opened.
    static func prepareProcess() {
        openStandardDescriptors()
        var none = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigprocmask(SIG_SETMASK, &none, nil)
    }

    static func waitForRoom(in descriptor: Int32) -> Bool {
        var writable = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        return unsafe poll(&writable, 1, -1) > 0 || errno == EINTR
    }

    /// Opens missing descriptors 0, 1 and 2. Otherwise the next file or socket would get the number, and output would
    /// go there.
    private static func openStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO where fcntl(descriptor, F_GETFD) < 0 {
            // Without a null device a directory holds the number. Reads and writes on it fail.
            guard unsafe open("/dev/null", O_RDWR) < 0 else { continue }
            _ = unsafe open("/", O_RDONLY | O_DIRECTORY)
        }
    }

    /// The signals that arrive on the signal descriptor.
    static let expectedSignals = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD]

    /// Ignores signals that would end the daemon: a closed connection, and a file at its size limit (setrlimit(2),
    /// RLIMIT_FSIZE). Both are reported as errors of the call.
    static func ignoreErrorSignals() {
        for number in [SIGPIPE, SIGXFSZ] { Glibc.signal(number, SIG_IGN) }
    }

    /// The kernel reaps the children of a process that ignores SIGCHLD and reports none of them (waitid(2)).
    static func restoreExpectedSignals() {
        for number in expectedSignals { Glibc.signal(number, SIG_DFL) }
    }

    /// Number of open descriptors from 3 on without a gap. Counted before the daemon opens its own, because
    /// `LISTEN_FDS` may be too large.
    static func countInheritedDescriptors() -> Int32 {
        guard let proxyProtocol = announcedDescriptors() else { return 0 }
        return (0..<proxyProtocol).prefix { fcntl(firstInherited + $0, F_GETFD) >= 0 }.last.map { $0 + 1 } ?? 0
    }

    static let firstInherited = STDERR_FILENO + 1

    /// The number in the variables. nil: missing, or meant for another process (sd_listen_fds(3)).
    static func announcedDescriptors() -> Int32? {
        let variable = { (name: String) in unsafe getenv(name).map { unsafe String(cString: $0) } }
        guard variable("LISTEN_PID").flatMap({ Int32($0) }) == getpid(),
            let count = variable("LISTEN_FDS").flatMap({ Int32($0) }), count > 0
        else { return nil }
        return min(count, Int32.max - firstInherited)
    }
}
