import CLinux
import Glibc

/// A thread of this process with a name for tools (ps -L, top -H).
///
/// The daemon's signals are blocked before the first thread starts, and threads inherit the mask (signalfd(2)).
struct LinuxThread {
    private let thread: pthread_t

    /// Runs `body` on a new thread. The name is cut at 15 bytes (pthread_setname_np(3)).
    static func start(named name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) -> LinuxThread {
        var attributes = pthread_attr_t()
        unsafe pthread_attr_init(&attributes)
        defer { unsafe pthread_attr_destroy(&attributes) }
        unsafe pthread_attr_setstacksize(&attributes, Limits.threadStackBytes)
        let work = unsafe Unmanaged.passRetained(Work(body))
        var thread = pthread_t()
        let code = unsafe pthread_create(
            &thread, &attributes,
            { work in
                unsafe Unmanaged<Work>.fromOpaque(work!).takeRetainedValue().body()
                return nil
            }, work.toOpaque())
        guard code == 0 else {
            unsafe work.release()
            throw SystemError(call: "pthread_create", code: Errno(number: code), subject: name)
        }
        _ = unsafe pthread_setname_np(thread, String(name.prefix(15)))
        return LinuxThread(thread: thread)
    }

    /// Waits until the thread has ended.
    func join() { pthread_join(thread, nil) }

    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
}
