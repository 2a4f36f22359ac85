import Glibc

/// Conversion to and from socket addresses (ip(7), ipv6(7), unix(7)).
extension SocketAddress {
    var family: Int32 {
        switch self {
        case .ipv4: AF_INET
        case .ipv6: AF_INET6
        case .unix: AF_UNIX
        }
    }

    func withSockaddr<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch self {
        case .ipv4(let octets, let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            unsafe withUnsafeMutableBytes(of: &address.sin_addr) { unsafe $0.copyBytes(from: octets) }
            return unsafe Self.view(&address, body)
        case .ipv6(let octets, let port):
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = port.bigEndian
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { unsafe $0.copyBytes(from: octets) }
            return unsafe Self.view(&address, body)
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            // One byte stays zero. The configuration rejects longer paths.
            let room = MemoryLayout.size(ofValue: address.sun_path) - 1
            unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8.prefix(room)) }
            return unsafe Self.view(&address, body)
        }
    }

    private static func view<Address, Result>(
        _ address: inout Address, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        unsafe withUnsafeBytes(of: &address) { bytes in
            unsafe body(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
        }
    }

    /// Returns the address written by a call such as accept4. nil: the call failed or the family is unsupported.
    static func filled(
        by call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = unsafe withUnsafeMutableBytes(of: &storage) { bytes in
            unsafe call(bytes.baseAddress!.assumingMemoryBound(to: sockaddr.self), &length)
        }
        guard status >= 0 else { return nil }
        return unsafe withUnsafeBytes(of: &storage) { unsafe decode($0, length: Int(length)) }
    }

    private static func decode(_ bytes: UnsafeRawBufferPointer, length: Int) -> SocketAddress? {
        switch Int32(unsafe bytes.load(as: sa_family_t.self)) {
        case AF_INET:
            let address = unsafe bytes.load(as: sockaddr_in.self)
            let octets = unsafe withUnsafeBytes(of: address.sin_addr) { unsafe Array($0) }
            return .ipv4(octets: octets, port: UInt16(bigEndian: address.sin_port))
        case AF_INET6:
            let address = unsafe bytes.load(as: sockaddr_in6.self)
            let octets = unsafe withUnsafeBytes(of: address.sin6_addr) { unsafe Array($0) }
            return .ipv6(octets: octets, port: UInt16(bigEndian: address.sin6_port))
        case AF_UNIX:
            let path = unsafe bytes[MemoryLayout<sa_family_t>.size..<max(length, MemoryLayout<sa_family_t>.size)]
            return .unix(path: unsafe String(decoding: path.prefix { $0 != 0 }, as: UTF8.self))
        default:
            return nil
        }
    }
}
