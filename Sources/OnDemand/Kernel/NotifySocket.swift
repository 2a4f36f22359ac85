import CLinux
import Glibc

/// Notify sockets: readiness messages of children (sd_notify(3)).
enum NotifySocket {
    /// Uses an abstract name chosen by the kernel (unix(7), autobind): no file is left after a kill, and no directory
    /// has to be writable. Any local user may send to it. Therefore each message has the sender's pid, verified by the
    /// kernel.
    static func open() throws(SystemError) -> (descriptor: Descriptor, name: String) {
        let raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SystemError(call: "socket", code: .current, subject: "for notifications") }
        var wanted: Int32 = 1
        unsafe setsockopt(raw, SOL_SOCKET, SO_PASSCRED, &wanted, socklen_t(MemoryLayout<Int32>.size))
        guard let name = autobind(raw) else {
            let code = Errno.current
            _ = Glibc.close(raw)
            throw SystemError(call: "bind", code: code, subject: "a socket for notifications")
        }
        return (Descriptor(raw: raw), name)
    }

    /// The name for NOTIFY_SOCKET, with `@` for the leading zero byte.
    private static func autobind(_ raw: Int32) -> String? {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var length = socklen_t(MemoryLayout<sa_family_t>.size)
        return unsafe withUnsafeMutableBytes(of: &address) { bytes in
            let view = unsafe bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self)
            guard unsafe Glibc.bind(raw, view, length) == 0 else { return nil }
            length = socklen_t(MemoryLayout<sockaddr_un>.size)
            guard unsafe getsockname(raw, view, &length) == 0 else { return nil }
            let name = unsafe bytes[(MemoryLayout<sa_family_t>.size + 1)..<Int(length)]
            return unsafe "@" + String(decoding: name, as: UTF8.self)
        }
    }

    static func next(
        from descriptor: Descriptor, into buffer: inout [UInt8]
    ) -> (count: Int, sender: ProcessID?)? {
        while true {
            var sender: Int32 = 0
            let count = unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe ondemandd_receive_with_sender(descriptor.raw, bytes.baseAddress, bytes.count, &sender)
            }
            // 0: a process of another pid namespace.
            if count >= 0 { return (count, sender > 0 ? ProcessID(number: sender) : nil) }
            guard errno == EINTR else { return nil }
        }
    }
}
