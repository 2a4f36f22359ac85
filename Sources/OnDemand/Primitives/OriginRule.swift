/// An Origin that may open a WebSocket (RFC 6454, 6.2), or a pattern for several.
enum OriginRule: Equatable, Sendable {
    /// Every Origin, and clients without one.
    case any
    /// In lower case, without the default port of its scheme.
    case exact(String)
    /// Every host below a domain at any depth, but not the domain itself; the parts before and behind the star.
    case below(scheme: String, domain: String)

    /// Returns whether the Origin matches.
    func matches(_ origin: String) -> Bool {
        switch self {
        case .any:
            return true
        case .exact(let text):
            return origin.utf8.elementsEqual(text.utf8)
        case .below(let scheme, let domain):
            let bytes = Array(origin.utf8)
            guard bytes.count > scheme.utf8.count + domain.utf8.count, bytes.starts(with: scheme.utf8),
                bytes.suffix(domain.utf8.count).elementsEqual(domain.utf8)
            else { return false }
            // Only labels may replace the star: a port or a user name would change the host.
            let labels = bytes[scheme.utf8.count..<(bytes.count - domain.utf8.count)]
            return labels.first != UInt8(ascii: ".") && labels.allSatisfy(Self.isHostByte)
        }
    }

    /// Whether the byte may occur in a lower-case host name.
    static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-._".utf8.contains(byte)
        }
    }
}

extension [OriginRule] {
    /// Returns whether an upgrade with these `Origin` fields is allowed. A browser sends exactly one (RFC 6455, 4.1);
    /// none or several are rejected.
    func admits(_ origins: [String]) -> Bool {
        if contains(.any) { return true }
        guard origins.count == 1, let origin = origins.first?.lowercased() else { return false }
        return contains { $0.matches(origin) }
    }
}
