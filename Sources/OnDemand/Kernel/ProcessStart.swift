import CLinux
import Glibc

/// Process state that the daemon relies on and would otherwise inherit from its parent.
///
/// `execve(2)` keeps the signal mask, ignored signals and open descriptors. Each of them is set here or by
/// `SignalDescriptor`, so that the daemon behaves alike under a shell, a service manager, `nohup` and a container
/// engine.
enum ProcessStart {
    /// Sets the state. Call once, before the first file is opened.
    static func prepare() {
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
}
