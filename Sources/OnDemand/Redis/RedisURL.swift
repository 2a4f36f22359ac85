/// Where a Redis server is, and how the daemon introduces itself: `redis://[user:password@]host[:port][/db]` or
/// `unix://[user:password@]/path[?db=N]`. User, password and path may be percent-encoded.
struct RedisURL: Equatable, Sendable {
    let address: SocketAddress
    /// nil: the server's default user.
    let user: [UInt8]?
    let password: [UInt8]?
    let database: Int

    static let defaultPort: UInt16 = 6379

    init(_ text: String) throws(RedisURLError) {
        guard !text.utf8.starts(with: "rediss://".utf8) else { throw .encrypted }
        let bytes = Array(text.utf8)
        if let rest = Self.rest(of: bytes, behind: "redis://") {
            try self.init(network: rest)
        } else if let rest = Self.rest(of: bytes, behind: "unix://") {
            try self.init(unix: rest)
        } else {
            throw .unknownScheme
        }
    }

    private init(network rest: ArraySlice<UInt8>) throws(RedisURLError) {
        guard !rest.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) else { throw .query }
        let slash = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        // A password with a bare slash would be taken for a host, and be repeated in an error.
        guard !rest[slash...].contains(UInt8(ascii: "@")) else { throw .bareSlash }
        let (userInfo, host) = Self.split(rest[..<slash])
        (user, password) = try Self.credentials(userInfo)
        address = try Self.address(host)
        database = try Self.database(rest[slash...].dropFirst(), mayBeEmpty: true)
    }

    private init(unix rest: ArraySlice<UInt8>) throws(RedisURLError) {
        let slash = rest.firstIndex(of: UInt8(ascii: "/")) ?? rest.endIndex
        let authority = rest[..<slash]
        let (userInfo, host) = Self.split(authority)
        guard host.isEmpty, slash < rest.endIndex else { throw .relativePath }
        (user, password) = try Self.credentials(userInfo)
        let question = rest[slash...].firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        let path = try Self.decoded(rest[slash..<question])
        guard path.count <= Self.unixPathLimit else { throw .longPath }
        guard path.count > 1, path.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }),
            let text = String(validating: path, as: UTF8.self)
        else { throw .invalidPath }
        address = .unix(path: text)
        let query = rest[question...].dropFirst()
        guard let digits = Self.rest(of: Array(query), behind: "db=") else {
            guard question == rest.endIndex else { throw .query }
            database = 0
            return
        }
        database = try Self.database(digits, mayBeEmpty: false)
    }

    /// The path and its final zero share 108 bytes (unix(7), sun_path).
    private static let unixPathLimit = 107

    // MARK: Parts

    private static func rest(of bytes: [UInt8], behind prefix: String) -> ArraySlice<UInt8>? {
        bytes.starts(with: prefix.utf8) ? bytes[prefix.utf8.count...] : nil
    }

    /// At the last `@`, because a password may have one that is not encoded.
    private static func split(
        _ authority: ArraySlice<UInt8>
    ) -> (userInfo: ArraySlice<UInt8>?, host: ArraySlice<UInt8>) {
        guard let at = authority.lastIndex(of: UInt8(ascii: "@")) else { return (nil, authority) }
        return (authority[..<at], authority[(at + 1)...])
    }

    private static func credentials(
        _ userInfo: ArraySlice<UInt8>?
    ) throws(RedisURLError) -> (user: [UInt8]?, password: [UInt8]?) {
        guard let userInfo else { return (nil, nil) }
        guard let colon = userInfo.firstIndex(of: UInt8(ascii: ":")) else { throw .missingPassword }
        let user = try decoded(userInfo[..<colon])
        let password = try decoded(userInfo[(colon + 1)...])
        guard !password.isEmpty else { throw .missingPassword }
        return (user.isEmpty ? nil : user, password)
    }

    private static func decoded(_ text: ArraySlice<UInt8>) throws(RedisURLError) -> [UInt8] {
        guard let decoded = PercentEncoding.decoded(text) else { throw .percentEncoding }
        return decoded
    }

    private static func address(_ text: ArraySlice<UInt8>) throws(RedisURLError) -> SocketAddress {
        guard text.first == UInt8(ascii: "[") else {
            let colon = text.firstIndex(of: UInt8(ascii: ":")) ?? text.endIndex
            guard !text[colon...].dropFirst().contains(UInt8(ascii: ":")) else { throw .invalidIPv6 }
            let host = String(decoding: text[..<colon], as: UTF8.self)
            let port = try port(text[colon...])
            if host == "localhost" { return .ipv4(octets: [127, 0, 0, 1], port: port) }
            guard let octets = IPAddressText.ipv4(host) else { throw host.isEmpty ? .missingHost : .hostName(host) }
            return .ipv4(octets: octets, port: port)
        }
        guard let bracket = text.firstIndex(of: UInt8(ascii: "]")),
            let octets = IPAddressText.ipv6(
                String(decoding: text[(text.startIndex + 1)..<bracket], as: UTF8.self))
        else { throw .invalidIPv6 }
        return .ipv6(octets: octets, port: try port(text[(bracket + 1)...]))
    }

    /// Nothing, or a colon and a number.
    private static func port(_ text: ArraySlice<UInt8>) throws(RedisURLError) -> UInt16 {
        guard !text.isEmpty else { return defaultPort }
        guard text.first == UInt8(ascii: ":"), let port = number(text.dropFirst()), (1...65_535).contains(port) else {
            throw .invalidPort
        }
        return UInt16(port)
    }

    private static func database(_ text: ArraySlice<UInt8>, mayBeEmpty: Bool) throws(RedisURLError) -> Int {
        if text.isEmpty, mayBeEmpty { return 0 }
        guard let number = number(text) else { throw .invalidDatabase }
        return number
    }

    /// One to nine digits.
    private static func number(_ digits: ArraySlice<UInt8>) -> Int? {
        guard (1...9).contains(digits.count), digits.allSatisfy({ $0 &- UInt8(ascii: "0") < 10 }) else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }
}

extension RedisURL {
    /// A valid URL as it is written, with `***` in place of the password.
    static func hidingPassword(in text: String) -> String {
        let bytes = Array(text.utf8)
        guard let scheme = ["redis://", "unix://"].first(where: { bytes.starts(with: $0.utf8) }) else { return "***" }
        let rest = bytes[scheme.utf8.count...]
        let authority = rest.prefix { $0 != UInt8(ascii: "/") }
        guard let at = authority.lastIndex(of: UInt8(ascii: "@")),
            let colon = authority.firstIndex(of: UInt8(ascii: ":")), colon < at
        else { return text }
        return String(decoding: bytes[...colon] + Array("***".utf8) + bytes[at...], as: UTF8.self)
    }
}

extension RedisURL: CustomStringConvertible {
    /// Without user and password, so that it may stand in a log.
    var description: String {
        switch address {
        case .unix(let path): "unix://\(path)" + (database == 0 ? "" : "?db=\(database)")
        case .ipv4, .ipv6: "redis://\(address)/\(database)"
        }
    }
}
