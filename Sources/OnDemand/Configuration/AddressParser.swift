/// Parses addresses of `listen` and `target`.
enum AddressParser {
    /// Longest path of a Unix socket: 108 bytes with its final zero byte (unix(7), sun_path).
    static let unixPathLimit = 107

    /// Parses `host:port`, a port alone (all IPv4 interfaces), or `unix:/path`.
    static func listen(_ text: String) throws(ValueProblem) -> SocketAddress {
        if let path = rest(of: text, behind: "unix:") {
            guard !path.utf8.contains(UInt8(ascii: ":")) else {
                throw ValueProblem("has a colon in the path of its socket; only targets have something behind one")
            }
            return try unix(path)
        }
        let bare = rest(of: text, behind: ":") ?? text
        if !bare.isEmpty, bare.utf8.allSatisfy(isDigit) { return .ipv4(octets: [0, 0, 0, 0], port: try port(bare)) }
        let (host, portText) = try split(text)
        guard let portText else { throw ValueProblem("has no port; write it behind a colon, as in \"127.0.0.1:3000\"") }
        return try address(host: host, port: port(portText))
    }

    /// Parses `host:port` or `unix:/path` of a process, an address that accepts connections.
    static func process(_ text: String) throws(ValueProblem) -> SocketAddress {
        let address = try listen(text)
        switch address {
        case .unix: return address
        case .ipv4(let octets, let port), .ipv6(let octets, let port):
            guard port > 0 else { throw ValueProblem("has the port 0, which is not a valid destination") }
            guard octets.contains(where: { $0 != 0 }) else {
                throw ValueProblem("is not an address to connect to; write one, as in \"127.0.0.1:6379\"")
            }
            return address
        }
    }

    /// Parses `http://host:port/path` or `unix:/socket:/path`; the path is optional in both.
    static func target(_ text: String) throws(ValueProblem) -> Configuration.Target {
        if let rest = rest(of: text, behind: "unix:") { return try unixTarget(rest) }
        guard let rest = rest(of: text, behind: "http://") else { throw schemeProblem(text) }
        let slash = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
        let authority = String(rest[..<slash])
        guard !authority.contains("@") else { throw ValueProblem("has a user name, which is not sent to backends") }
        let (host, portText) = try split(authority)
        if portText == LaunchCommand.portPlaceholder {
            // The service's `port` fills it in.
            return Configuration.Target(
                address: try address(host: host, port: 0), authority: host, path: try path(String(rest[slash...])))
        }
        let port = try portText.map { text throws(ValueProblem) in try self.port(text) } ?? 80
        guard port > 0 else { throw ValueProblem("has the port 0, which is not a valid destination") }
        return Configuration.Target(
            address: try address(host: host, port: port), authority: authority, path: try path(String(rest[slash...])))
    }

    private static func unixTarget(_ rest: String) throws(ValueProblem) -> Configuration.Target {
        let colon = rest.firstIndex(of: ":") ?? rest.endIndex
        let behind = String(rest[colon...].dropFirst())
        guard colon == rest.endIndex || behind.hasPrefix("/") else {
            throw ValueProblem("has no path behind its second colon; write one, as in \"unix:/run/app.sock:/cable\"")
        }
        // A Unix socket has no host name; backends get this one as `Host`.
        return Configuration.Target(
            address: try unix(String(rest[..<colon])), authority: "localhost", path: try path(behind))
    }

    private static func schemeProblem(_ text: String) -> ValueProblem {
        if text.hasPrefix("https://") {
            return ValueProblem("uses TLS, which is not supported for backends; write http://")
        }
        if text.hasPrefix("ws://") || text.hasPrefix("wss://") {
            return ValueProblem("is written http://; WebSocket upgrades pass when \"websocket\" is true")
        }
        return ValueProblem("is not a target; write http://host:port/path or unix:/path/to.sock")
    }

    /// Parses the path of a target; it replaces the path that the route matched, so a single slash counts.
    private static func path(_ text: String) throws(ValueProblem) -> String? {
        guard !text.isEmpty else { return nil }
        guard !text.utf8.contains(where: { "?#".utf8.contains($0) }) else {
            throw ValueProblem("has a query or a fragment; the request brings its own query")
        }
        guard !text.utf8.contains(where: { "{}*".utf8.contains($0) }) else {
            throw ValueProblem("has a placeholder or a star, which mean something in \"path\" only")
        }
        guard text.utf8.allSatisfy(PathSyntax.isPathByte), PathSyntax.hasWholeEscapes(text) else {
            throw ValueProblem("has a character that a path cannot have; write it percent-encoded")
        }
        guard !PathSyntax.hasDotSegment(text.utf8Span.span) else {
            throw ValueProblem("has a \".\" or \"..\" segment in its path")
        }
        return text
    }

    private static func unix(_ path: String) throws(ValueProblem) -> SocketAddress {
        guard !path.isEmpty else {
            throw ValueProblem("has no socket path; write its path, as in \"unix:/run/app.sock\"")
        }
        guard path.utf8.count <= unixPathLimit else {
            throw ValueProblem("names a socket by more than \(unixPathLimit) bytes, which the system cannot hold")
        }
        guard !path.utf8.contains(0) else { throw ValueProblem("has a zero byte in the path of its socket") }
        guard !path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
            throw ValueProblem("has a control character in the path of its socket")
        }
        return .unix(path: path)
    }
}

// MARK: - Hosts and ports

extension AddressParser {
    /// Splits `host`, `host:port` or `[host]:port`.
    private static func split(_ text: String) throws(ValueProblem) -> (host: String, port: String?) {
        let bytes = Array(text.utf8)
        var hostEnd = bytes.firstIndex(of: UInt8(ascii: ":")) ?? bytes.count
        if bytes.first == UInt8(ascii: "[") {
            guard let bracket = bytes.firstIndex(of: UInt8(ascii: "]")) else {
                throw ValueProblem("has no bracket that closes the address")
            }
            hostEnd = bracket + 1
            guard hostEnd == bytes.count || bytes[hostEnd] == UInt8(ascii: ":") else {
                throw ValueProblem("has something other than a port behind the bracket")
            }
        } else if bytes[hostEnd...].dropFirst().contains(UInt8(ascii: ":")) {
            throw ValueProblem("has several colons; IPv6 addresses stand in brackets, as in \"[::1]:3000\"")
        }
        let host = String(decoding: bytes[..<hostEnd], as: UTF8.self)
        guard hostEnd < bytes.count else { return (host, nil) }
        return (host, String(decoding: bytes[(hostEnd + 1)...], as: UTF8.self))
    }

    static func port(_ text: String) throws(ValueProblem) -> UInt16 {
        guard !text.isEmpty, text.utf8.allSatisfy(isDigit) else {
            throw ValueProblem("has no number for a port")
        }
        guard text.utf8.count <= 5, let port = UInt16(text) else { throw ValueProblem("has a port beyond 65535") }
        return port
    }

    private static func address(host: String, port: UInt16) throws(ValueProblem) -> SocketAddress {
        if host == "localhost" { return .ipv4(octets: [127, 0, 0, 1], port: port) }
        if let octets = IPAddressText.ipv4(host) { return .ipv4(octets: octets, port: port) }
        if host.hasPrefix("["), host.hasSuffix("]") {
            let inside = String(host.dropFirst().dropLast())
            if let octets = IPAddressText.ipv6(inside) { return .ipv6(octets: octets, port: port) }
            let hint = inside.contains("%") ? "; zones are not known" : ""
            throw ValueProblem("has no IPv6 address in its brackets\(hint)")
        }
        if host.isEmpty { throw ValueProblem("has no host") }
        if host == "*" { throw ValueProblem("is written with \"0.0.0.0\" for all interfaces, or with the port alone") }
        let looksNumeric = host.utf8.allSatisfy { isDigit($0) || $0 == UInt8(ascii: ".") }
        guard !looksNumeric else {
            throw ValueProblem("has no IPv4 address; write four numbers up to 255, without leading zeros")
        }
        throw ValueProblem(
            "has the host name \(host.quoted); addresses are numeric or localhost, because a static executable has no"
                + " name service")
    }

    private static func rest(of text: String, behind prefix: String) -> String? {
        guard text.utf8.starts(with: prefix.utf8) else { return nil }
        return String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
