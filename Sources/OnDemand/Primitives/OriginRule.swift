/// Which pages may open a WebSocket here: an origin as browsers write it (RFC 6454, 6.2), or a pattern for several.
enum OriginRule: Equatable, Sendable {
    /// Every page, and clients that are no browsers.
    case any
    /// In lower case, without the port that its scheme means anyway.
    case exact(String)
    /// Every host below a domain, however deep, and not the domain itself: what stands before and behind the star.
    case below(scheme: String, domain: String)

    /// Whether a page of this origin is meant.
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
            // Nothing but labels may stand for the star: a port or a user name would make it another host.
            let labels = bytes[scheme.utf8.count..<(bytes.count - domain.utf8.count)]
            return labels.first != UInt8(ascii: ".") && labels.allSatisfy(Self.isHostByte)
        }
    }

    /// Of a name in the DNS, in lower case.
    static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "-._".utf8.contains(byte)
        }
    }
}

extension [OriginRule] {
    /// Whether an upgrade with these `Origin` fields may pass. A page always has exactly one (RFC 6455, 4.1); who has
    /// none is no page, and several would leave the choice to the next parser.
    func admits(_ origins: [String]) -> Bool {
        if contains(.any) { return true }
        guard origins.count == 1, let origin = origins.first?.lowercased() else { return false }
        return contains { $0.matches(origin) }
    }
}
