import CLinux
import Glibc

/// Recognition of the daemon's own listeners: a connection to one of them would come back to the daemon.
extension LinuxKernel {
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
        return localAddress(of: raw)?.unmapped.octets == address.unmapped.octets
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

    /// Enter a TCP listener that a manager opened. One that accepts in another network namespace (systemd,
    /// `PrivateNetwork=`) is reached by no connection of this process.
    func noteInheritedListener(_ raw: Int32, at address: SocketAddress) {
        var only: Int32 = 1
        var length = socklen_t(MemoryLayout<Int32>.size)
        if case .ipv6 = address { unsafe getsockopt(raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &only, &length) }
        guard let own = ListenerAddress(address, acceptsIPv4: only == 0) else { return }
        let probe = socket(address.family, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { if probe >= 0 { _ = Glibc.close(probe) } }
        guard probe < 0 || networkNamespace(of: probe) == networkNamespace(of: raw) else { return }
        tcpListeners.append((raw, own))
    }
}
