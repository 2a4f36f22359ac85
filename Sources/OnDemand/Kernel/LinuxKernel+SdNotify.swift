import CLinux
import Glibc

/// The protocol of the service manager without its library (sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3)).
/// Missing variables mean that there is no service manager.
extension LinuxKernel {
    private static func variable(_ name: String) -> String? { unsafe getenv(name).map { unsafe String(cString: $0) } }

    /// Opens the socket for notifications.
    static func openManager() -> ManagerSocket? {
        // Other address kinds are for managers of virtual machines.
        guard let path = variable("NOTIFY_SOCKET"), path.hasPrefix("/") || path.hasPrefix("@") else { return nil }
        let raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        return raw >= 0 ? ManagerSocket(raw: raw, path: path) : nil
    }

    struct ManagerSocket {
        let raw: Int32
        /// A leading `@` stands for the zero byte of an abstract name (unix(7)).
        let path: String
    }

    func notifyServiceManager(_ message: String) {
        guard let manager else { return }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var name = Array(manager.path.utf8)
        guard name.count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        if name[0] == UInt8(ascii: "@") { name[0] = 0 } else { name.append(0) }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: name) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + name.count)
        let bytes = Array(message.utf8)
        // Errors are ignored: a service manager that does not read is not the daemon's failure.
        unsafe withUnsafeBytes(of: &address) { address in
            let target = unsafe address.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            _ = unsafe sendto(manager.raw, bytes, bytes.count, Int32(MSG_NOSIGNAL), target, length)
        }
    }

    var watchdogInterval: Duration? {
        guard let microseconds = Self.variable("WATCHDOG_USEC").flatMap({ Int64($0) }), microseconds > 0 else {
            return nil
        }
        if let process = Self.variable("WATCHDOG_PID"), Int32(process) != getpid() { return nil }
        return .microseconds(microseconds)
    }

    /// The variables are valid for this process and once only.
    func inheritedListeners() -> [InheritedListener] {
        guard Self.announcedDescriptors() != nil else { return [] }
        unsafe unsetenv("LISTEN_PID")
        let names = (Self.variable("LISTEN_FDNAMES") ?? "").split(separator: ":", omittingEmptySubsequences: false)
        return (0..<inheritedDescriptors).map { number in
            let (raw, position) = (Self.firstInherited + number, Int(number))
            _ = fcntl(raw, F_SETFD, FD_CLOEXEC)
            let name = position < names.count ? String(names[position]) : ""
            return InheritedListener(descriptor: Descriptor(raw: raw), name: name, address: listenerAddress(of: raw))
        }
    }

    /// Returns the address of a listening socket and prepares it for use. nil: not a listening socket.
    private func listenerAddress(of raw: Int32) -> SocketAddress? {
        guard option(SO_ACCEPTCONN, of: raw) == 1, option(SO_TYPE, of: raw) == Int32(SOCK_STREAM.rawValue),
            let address = localAddress(of: raw)
        else { return nil }
        _ = fcntl(raw, F_SETFL, fcntl(raw, F_GETFL) | O_NONBLOCK)
        if case .unix(let path) = address, let file = SocketFile(at: path) { inheritedSocketFiles[raw] = file }
        if address.port != nil {
            setStreamOptions(raw)
            noteInheritedListener(raw, at: address)
        }
        return address
    }

    private func option(_ name: Int32, of raw: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return unsafe getsockopt(raw, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }
}
