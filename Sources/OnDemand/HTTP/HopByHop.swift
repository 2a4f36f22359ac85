/// The hop-by-hop fields of a message (RFC 9110, 7.6.1).
struct HopByHop {
    /// Names in `Connection` beyond the fixed ones, sorted and unique, so that the cost of a head does not grow with
    /// options times fields.
    private let options: [Option]

    init(_ head: some MessageHead, in bytes: Span<UInt8>) {
        var options: [Option] = []
        for field in head.fields where field.known == .connection {
            bytes.forEachListElement(of: field.value) { name in
                if !FieldName(name, in: bytes).isHopByHop { options.append(Option(name, in: bytes)) }
            }
        }
        if options.count > 1 { options.sort { $0.precedes($1, in: bytes) } }
        self.options = options
    }

    /// Returns whether the field is hop-by-hop.
    func covers(_ field: HeaderField, in bytes: Span<UInt8>) -> Bool {
        if field.known.isHopByHop { return true }
        guard !options.isEmpty, contains(Option(field.name, in: bytes), in: bytes) else { return false }
        return !Self.isEssential(field.name, in: bytes)
    }

    private func contains(_ name: Option, in bytes: Span<UInt8>) -> Bool {
        var (lower, upper) = (0, options.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if options[middle].precedes(name, in: bytes) { lower = middle + 1 } else { upper = middle }
        }
        return lower < options.count && !name.precedes(options[lower], in: bytes)
    }

    /// Returns the names in `Connection`, as `HTTPByte.folded` writes them: trailer fields of these names are dropped
    /// too.
    static func names(_ head: some MessageHead, in bytes: Span<UInt8>) -> [[UInt8]] {
        var names: [[UInt8]] = []
        for option in HopByHop(head, in: bytes).options where names.count < maximumTrailerNames {
            let name = option.name.indices.map { HTTPByte.folded(bytes[$0]) }
            if name != names.last { names.append(name) }
        }
        return names
    }

    /// Each trailer field is compared with all of them; more names are ignored.
    private static let maximumTrailerNames = 32

    /// A name prepared for comparison: its length, then its first letters.
    private struct Option {
        let name: ByteRange
        private let key: UInt64

        init(_ name: ByteRange, in bytes: Span<UInt8>) {
            self.name = name
            var key = UInt64(min(name.count, 0xff))
            for offset in 0..<7 {
                key = key << 8 | (offset < name.count ? UInt64(HTTPByte.lowercased(bytes[name.lower + offset])) : 0)
            }
            self.key = key
        }

        func precedes(_ other: Option, in bytes: Span<UInt8>) -> Bool {
            guard key == other.key else { return key < other.key }
            guard name.count == other.name.count else { return name.count < other.name.count }
            for offset in 0..<name.count {
                let (mine, its) = (bytes[name.lower + offset], bytes[other.name.lower + offset])
                guard mine != its else { continue }
                let (left, right) = (HTTPByte.lowercased(mine), HTTPByte.lowercased(its))
                if left != right { return left < right }
            }
            return false
        }
    }

    /// Names that `Connection` cannot remove. RFC 9110, 7.6.1 forbids listing end-to-end fields; clients that do so try
    /// to hide credentials, origins or forwarding fields from a backend that decides by them.
    static let essential = [
        "host", "transfer-encoding", "trailer", "expect", "authorization", "proxy-authorization", "cookie",
        "set-cookie", "origin", "referer", "cache-control", "pragma", "vary", "date", "age", "etag", "expires",
        "last-modified", "location", "range", "via", "forwarded", "x-real-ip", "x-request-id", "x-csrf-token",
        "strict-transport-security", "x-frame-options", "www-authenticate", "user-agent",
    ]
    static let essentialPrefixes = ["content-", "sec-", "x-forwarded-", "access-control-", "if-"]

    private static func isEssential(_ name: ByteRange, in bytes: Span<UInt8>) -> Bool {
        for kept in essential where bytes.equals(kept, in: name) { return true }
        for prefix in essentialPrefixes where bytes.hasPrefix(prefix, in: name) { return true }
        return false
    }
}

extension FieldName {
    /// Whether the field is always hop-by-hop.
    ///
    /// `TE` is: its one useful word, `trailers`, would be a promise about our connection, and trailers pass anyway.
    /// `HTTP2-Settings` has no meaning without the h2c upgrade, which is never forwarded (RFC 9113, 3.1). `Close` is a
    /// reserved name (RFC 9110, 18.4) that `Connection: close` would name.
    var isHopByHop: Bool {
        switch self {
        case .connection, .keepAlive, .proxyConnection, .te, .upgrade, .http2Settings, .close: true
        default: false
        }
    }
}
