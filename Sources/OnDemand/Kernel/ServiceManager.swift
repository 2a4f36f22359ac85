import CLinux
import Glibc

/// The protocol of the service manager without its library (sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3)).
/// Missing variables mean that there is no service manager.
final class ServiceManager {
    private let socket: NotifiedSocket?
    /// Open descriptors from 3 on at startup, at most `LISTEN_FDS`.
    private let inheritedDescriptors: Int32

    /// Call before the daemon opens a descriptor of its own, because `LISTEN_FDS` may be too large. Opens the socket
    /// for notifications at once, so that a daemon out of descriptors can still notify.
    init() {
        inheritedDescriptors = Self.countInheritedDescriptors()
        socket = Self.openSocket()
    }

    deinit { if let socket { _ = Glibc.close(socket.raw) } }

    private struct NotifiedSocket {
        let raw: Int32
        /// A leading `@` stands for the zero byte of an abstract name (unix(7)).
        let path: String
    }

    private static func openSocket() -> NotifiedSocket? {
        // Other address kinds are for managers of virtual machines.
        guard let path = ProcessEnvironment.value(of: "NOTIFY_SOCKET"), path.hasPrefix("/") || path.hasPrefix("@")
        else { return nil }
        let raw = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        return raw >= 0 ? NotifiedSocket(raw: raw, path: path) : nil
    }

    func notify(_ message: String) {
        guard let socket else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(socket.path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if name[0] == UInt8(ascii: "@") { name[0] = 0 } else { name.append(0) }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bytes = Array(message.utf8)
        // Errors are ignored: a service manager that does not read is not the daemon's failure.
        unsafe withUnsafeBytes(of: &address) { address in
            let target = unsafe address.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            _ = unsafe sendto(socket.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL), target, length)
        }
    }

    var watchdogInterval: Duration? {
        guard let microseconds = ProcessEnvironment.value(of: "WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 0
        else {
            return nil
        }
        if let process = ProcessEnvironment.value(of: "WATCHDOG_PID"), Int32(process) != getpid() { return nil }
        return .microseconds(microseconds)
    }

    /// The variables are valid for this process and once only.
    func inheritedListeners(into listeners: inout ListenerTable) -> [InheritedListener] {
        guard Self.announcedDescriptors() != nil else { return [] }
        unsafe unsetenv("LISTEN_PID")
        let names = (ProcessEnvironment.value(of: "LISTEN_FDNAMES") ?? "").split(
            separator: ":", omittingEmptySubsequences: false)
        return (0..<inheritedDescriptors).map { number in
            let (raw, position) = (Self.firstInherited + number, Int(number))
            _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
            let name = position < names.count ? String(names[position]) : ""
            return InheritedListener(descriptor: Descriptor(raw: raw), name: name, address: listeners.adopt(raw))
        }
    }

    /// Number of open descriptors from 3 on without a gap.
    private static func countInheritedDescriptors() -> Int32 {
        guard let proxyProtocol = announcedDescriptors() else { return 0 }
        return (0..<proxyProtocol).prefix { fcntl(firstInherited + $0, F_GETFD) >= 0 }.last.map { $0 + 1 } ?? 0
    }

    private static let firstInherited = STDERR_FILENO + 1

    /// The number in the variables. nil: missing, or meant for another process (sd_listen_fds(3)).
    private static func announcedDescriptors() -> Int32? {
        guard ProcessEnvironment.value(of: "LISTEN_PID").flatMap({ Int32($0) }) == getpid(),
            let count = ProcessEnvironment.value(of: "LISTEN_FDS").flatMap({ Int32($0) }), count > 0
        else { return nil }
        return min(count, Int32.max - firstInherited)
    }
}
