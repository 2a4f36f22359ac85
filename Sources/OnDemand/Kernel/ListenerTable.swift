import CLinux
import Glibc

/// The listening sockets of this process: opened, taken over from a manager, and recognised.
///
/// It owns all facts about them, so that a socket file is removed only by the daemon that made it, and a connection
/// that would come back to the daemon is recognised.
struct ListenerTable {
    /// Socket files of this process's listeners, by descriptor.
    private var socketFiles: [Int32: SocketFile] = [:]
    /// Socket files that backends inherit (`readiness` of `socket`). The daemon accepts no connections there.
    private var childSocketFiles: [SocketFile] = []
    /// Of sockets that a manager opened for the daemon, by their descriptors: never removed, because they are not the
    /// daemon's.
    private var inheritedSocketFiles: [Int32: SocketFile] = [:]
    /// TCP listeners that the daemon accepts connections from, opened by itself or by a manager.
    private var tcpListeners: [(raw: Int32, address: ListenerAddress)] = []

    // MARK: Opening and closing

    mutating func listen(at address: SocketAddress, privately: Bool) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    ) {
        try listen(at: address, privately: privately, isForChild: false)
    }

    private mutating func listen(at address: SocketAddress, privately: Bool, isForChild: Bool) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    ) {
        if case .unix(let path) = address { try removeStaleSocket(at: path, address) }
        let raw = try StreamSocket.open(for: address)
        do throws(SystemError) {
            try prepareListener(raw, for: address, isForChild: isForChild)
            // The umask is per process, and no other thread creates files here. Setting the mode afterwards would leave
            // a gap.
            let mask = privately ? umask(0o177) : nil
            let bound = unsafe address.withSockaddr { unsafe Glibc.bind(raw, $0, $1) }
            if let mask { umask(mask) }
            guard bound == 0 else { throw SystemError(call: "bind", code: .current, subject: "\(address)") }
            guard Glibc.listen(raw, Int32(SOMAXCONN)) == 0 else {
                throw SystemError(call: "listen", code: .current, subject: "\(address)")
            }
            if case .unix(let path) = address, let file = SocketFile(at: path) {
                socketFiles[raw] = file
                if isForChild { childSocketFiles.append(file) }
            }
            let place = StreamSocket.localAddress(of: raw) ?? address
            if !isForChild, let own = ListenerAddress(place) { tcpListeners.append((raw, own)) }
            return (Descriptor(raw: raw), place)
        } catch {
            _ = Glibc.close(raw)
            throw error
        }
    }

    /// Accepted connections inherit the options of their listener (tcp(7)), so accept needs no further call.
    private func prepareListener(_ raw: Int32, for address: SocketAddress, isForChild: Bool) throws(SystemError) {
        switch address {
        case .unix: return
        case .ipv6: StreamSocket.set(raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 1)
        case .ipv4: break
        }
        StreamSocket.set(raw, SOL_SOCKET, SO_REUSEADDR, 1)
        if !isForChild { StreamSocket.setStreamOptions(raw) }
    }

    /// Removes a socket file that refuses connections, which a crash leaves. One that accepts belongs to a process.
    private func removeStaleSocket(at path: String, _ address: SocketAddress) throws(SystemError) {
        switch StreamSocket.connect(to: address) {
        case .connected(let descriptor), .inProgress(let descriptor):
            StreamSocket.close(descriptor)
            throw SystemError(call: "bind", code: .addressInUse, subject: "\(address)")
        case .failed(.connectionRefused):
            // A regular file refuses connections too (unix(7)) and must not be removed.
            if SocketFile(at: path) != nil { unsafe unlink(path) }
        case .failed:
            break  // Usually there is no such file. bind(2) reports other errors.
        }
    }

    mutating func listenForChild(
        at address: SocketAddress
    ) throws(SystemError) -> (descriptor: Descriptor, address: SocketAddress) {
        // A fixed port stays with its socket, also after a child shuts that down (tcp(7)).
        try listen(at: address.port == 0 ? freeAddress(at: address) : address, privately: false, isForChild: true)
    }

    func freeAddress(at address: SocketAddress) throws(SystemError) -> SocketAddress {
        let raw = try StreamSocket.open(for: address)
        defer { _ = Glibc.close(raw) }
        let bound = unsafe address.with(port: 0).withSockaddr { unsafe Glibc.bind(raw, $0, $1) }
        guard bound == 0, let chosen = StreamSocket.localAddress(of: raw) else {
            throw SystemError(call: "bind", code: .current, subject: "\(address)")
        }
        return chosen
    }

    mutating func stopListening(_ listener: Descriptor, at address: SocketAddress) {
        let own = socketFiles.removeValue(forKey: listener.raw)
        childSocketFiles.removeAll { $0 == own }
        inheritedSocketFiles[listener.raw] = nil
        tcpListeners.removeAll { $0.raw == listener.raw }
        if case .unix(let path) = address, let own, SocketFile(at: path) == own { unsafe unlink(path) }
        StreamSocket.close(listener)
    }

    // MARK: Sockets of a manager

    /// Takes over a listening socket that a manager opened for the daemon, and prepares it for use. nil: not a
    /// listening socket.
    mutating func adopt(_ raw: Int32) -> SocketAddress? {
        guard option(SO_ACCEPTCONN, of: raw) == 1, option(SO_TYPE, of: raw) == Int32(SOCK_STREAM.rawValue),
            let address = StreamSocket.localAddress(of: raw)
        else { return nil }
        _ = fcntl(raw, F_SETFL, fcntl(raw, F_GETFL) | O_NONBLOCK)
        if case .unix(let path) = address, let file = SocketFile(at: path) { inheritedSocketFiles[raw] = file }
        if address.port != nil {
            StreamSocket.setStreamOptions(raw)
            noteInheritedListener(raw, at: address)
        }
        return address
    }

    private func option(_ name: Int32, of raw: Int32) -> Int32? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return unsafe getsockopt(raw, SOL_SOCKET, name, &value, &length) == 0 ? value : nil
    }

    /// Enters a TCP listener that a manager opened. One that accepts in another network namespace (systemd,
    /// `PrivateNetwork=`) is reached by no connection of this process.
    private mutating func noteInheritedListener(_ raw: Int32, at address: SocketAddress) {
        var only: Int32 = 1
        var length = socklen_t(MemoryLayout<Int32>.size)
        if case .ipv6 = address { unsafe getsockopt(raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &only, &length) }
        guard let own = ListenerAddress(address, acceptsIPv4: only == 0) else { return }
        let probe = socket(address.family, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { if probe >= 0 { _ = Glibc.close(probe) } }
        guard probe < 0 || networkNamespace(of: probe) == networkNamespace(of: raw) else { return }
        tcpListeners.append((raw, own))
    }

    /// SO_NETNS_COOKIE, which headers older than Linux 5.14 do not have (asm-generic/socket.h).
    private static let namespaceCookie: Int32 = 71

    /// Which network namespace a socket belongs to (socket(7)); nil on systems older than Linux 5.14.
    private func networkNamespace(of raw: Int32) -> UInt64? {
        var cookie: UInt64 = 0
        var length = socklen_t(MemoryLayout<UInt64>.size)
        guard unsafe getsockopt(raw, SOL_SOCKET, Self.namespaceCookie, &cookie, &length) == 0 else { return nil }
        return cookie
    }

    // MARK: Own listeners

    func isOwnListener(_ address: SocketAddress) -> Bool {
        guard case .unix(let path) = address else { return isOwnTCPListener(address) }
        guard !socketFiles.isEmpty || !inheritedSocketFiles.isEmpty, let file = SocketFile(behind: path) else {
            return false
        }
        let isOwn = socketFiles.values.contains(file) && !childSocketFiles.contains(file)
        return isOwn || inheritedSocketFiles.values.contains(file)
    }

    private func isOwnTCPListener(_ address: SocketAddress) -> Bool {
        tcpListeners.contains { listener in
            switch listener.address.reach(from: address) {
            case .never: false
            case .always: true
            case .ifAddressIsLocal: isLocal(address)
            }
        }
    }

    /// Whether this is an address of the machine: only then the system sends from the address that it sends to
    /// (udp(7), connect(2)). Nothing is sent, and bind(2) would say nothing where `ip_nonlocal_bind` is set.
    private func isLocal(_ address: SocketAddress) -> Bool {
        let raw = socket(address.family, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { return false }
        defer { _ = Glibc.close(raw) }
        guard unsafe address.withSockaddr({ unsafe Glibc.connect(raw, $0, $1) }) == 0 else { return false }
        return StreamSocket.localAddress(of: raw)?.unmapped.octets == address.unmapped.octets
    }
}
