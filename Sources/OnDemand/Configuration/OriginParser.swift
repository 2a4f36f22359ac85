/// Parses Origins: `https://example.com`, `https://*.example.com:8443`, `*`.
enum OriginParser {
    static func parse(_ text: String) throws(ValueProblem) -> OriginRule {
        if text == "*" { return .any }
        let bytes = Array(text.lowercased().utf8)
        let separator = Array("://".utf8)
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: separator) }), end > 0,
            bytes[..<end].allSatisfy({ OriginRule.isHostByte($0) || $0 == UInt8(ascii: "+") })
        else {
            throw ValueProblem("is not an origin; write one such as \"https://example.com\"")
        }
        let scheme = String(decoding: bytes[..<(end + 3)], as: UTF8.self)
        let rest = Array(bytes[(end + 3)...])
        let (host, port) = try split(rest)
        let place = String(decoding: host, as: UTF8.self) + suffix(port: port, scheme: scheme)
        guard host.first == UInt8(ascii: "*") else {
            try check(host)
            return .exact(scheme + place)
        }
        guard host.count > 2, host[1] == UInt8(ascii: ".") else {
            throw ValueProblem("has a star that is not a whole first label, as in \"https://*.example.com\"")
        }
        try check(Array(host[2...]))
        return .below(scheme: scheme, domain: String(place.dropFirst()))
    }

    private static func split(_ rest: [UInt8]) throws(ValueProblem) -> (host: [UInt8], port: String?) {
        guard !rest.contains(where: { "/?#@".utf8.contains($0) }) else {
            throw ValueProblem("has more than a scheme, a host and a port; that is all an origin has")
        }
        let bracket = rest.lastIndex(of: UInt8(ascii: "]")) ?? 0
        guard let colon = rest[bracket...].firstIndex(of: UInt8(ascii: ":")) else { return (rest, nil) }
        let port = String(decoding: rest[(colon + 1)...], as: UTF8.self)
        return (Array(rest[..<colon]), String(try AddressParser.port(port)))
    }

    /// Returns the port as suffix; browsers omit a scheme's default port (RFC 6454, 6.2).
    private static func suffix(port: String?, scheme: String) -> String {
        guard let port else { return "" }
        let isUsual = (scheme == "https://" && port == "443") || (scheme == "http://" && port == "80")
        return isUsual ? "" : ":\(port)"
    }

    private static func check(_ host: [UInt8]) throws(ValueProblem) {
        guard let first = host.first else { throw ValueProblem("has no host") }
        if first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") {
            let inside = String(decoding: host.dropFirst().dropLast(), as: UTF8.self)
            guard IPAddressText.ipv6(inside) != nil else { throw ValueProblem("has no IPv6 address in its brackets") }
            return
        }
        guard first != UInt8(ascii: "."), host.allSatisfy(OriginRule.isHostByte) else {
            throw ValueProblem("has a character that a host cannot have")
        }
    }
}
