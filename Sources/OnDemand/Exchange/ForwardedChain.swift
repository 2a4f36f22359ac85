/// The path of a request through trusted proxies: its client, host and scheme.
///
/// Fields are read once from front to back, because each hop appends its element. The result is the element of the
/// farthest proxy in an unbroken row of trusted ones. Elements before it may have been written by the client.
struct ForwardedChain {
    /// The client: the last address that is not a trusted proxy; the first where all are trusted; nil without any.
    private(set) var client: IPAddress?
    /// `host` of `Forwarded`, possibly quoted.
    private(set) var host: ByteRange?
    private(set) var scheme: ByteRange?
    private(set) var isEmpty = true

    private let proxies: TrustedProxies

    init(trusting proxies: TrustedProxies) { self.proxies = proxies }

    /// Adds the next hop.
    mutating func add(_ node: IPAddress?, host: ByteRange? = nil, scheme: ByteRange? = nil) {
        isEmpty = false
        // A node that is not an address cannot be trusted.
        let isTrusted = node.map(proxies.includes) ?? false
        (client, self.host, self.scheme) =
            isTrusted ? (client ?? node, self.host ?? host, self.scheme ?? scheme) : (node, host, scheme)
    }
}

/// One element of `Forwarded`: the ranges of its parameters, values possibly quoted.
struct ForwardedElement: Equatable {
    var node: ByteRange?
    var host: ByteRange?
    var scheme: ByteRange?
}

/// The grammar of `Forwarded` (RFC 7239, 4), as far as a chain is read from it or continued in it.
enum ForwardedText {
    /// Reads each element in one pass and skips malformed parameters. Returns false where the last quote stays open:
    /// appended elements would become part of it.
    @discardableResult
    static func forEachElement(
        of value: ByteRange, in bytes: Span<UInt8>, _ body: (ForwardedElement) -> Void
    ) -> Bool {
        var element = ForwardedElement()
        var (isQuoted, hasParameters) = (false, false)
        var pairStart = value.lower
        var equals: Int?
        var index = value.lower
        while index <= value.upper {
            let byte = index < value.upper ? bytes[index] : HTTPByte.comma
            switch byte {
            case UInt8(ascii: "\\") where isQuoted && index + 1 < value.upper: index += 1
            case UInt8(ascii: "\"") where index < value.upper: isQuoted.toggle()
            case UInt8(ascii: "=") where !isQuoted: equals = equals ?? index
            case HTTPByte.semicolon where !isQuoted, HTTPByte.comma where !isQuoted || index == value.upper:
                if let equals {
                    hasParameters = true
                    let name = bytes.trimmed(ByteRange(pairStart, equals))
                    let content = bytes.trimmed(ByteRange(equals + 1, index))
                    if bytes.equals("for", in: name) { element.node = content }
                    if bytes.equals("host", in: name) { element.host = content }
                    if bytes.equals("proto", in: name) { element.scheme = content }
                }
                (pairStart, equals) = (index + 1, nil)
                if byte == HTTPByte.comma {
                    if hasParameters { body(element) }
                    (element, hasParameters) = (ForwardedElement(), false)
                }
            default: break
            }
            index += 1
        }
        return !isQuoted
    }

    /// Returns the content of a quoted value, still escaped.
    static func inside(_ value: ByteRange, in bytes: Span<UInt8>) -> ByteRange {
        guard value.count >= 2, bytes[value.lower] == UInt8(ascii: "\""), bytes[value.upper - 1] == UInt8(ascii: "\"")
        else { return value }
        return ByteRange(value.lower + 1, value.upper - 1)
    }

    /// Returns the unescaped value: a backslash quotes the next byte (RFC 9110, 5.6.4).
    static func unquoted(_ value: ByteRange, in bytes: Span<UInt8>) -> [UInt8] {
        let inside = inside(value, in: bytes)
        var plain: [UInt8] = []
        var isEscaped = false
        for index in inside.indices {
            isEscaped = inside != value && !isEscaped && bytes[index] == UInt8(ascii: "\\")
            if !isEscaped { plain.append(bytes[index]) }
        }
        return plain
    }

    /// Returns the address of a node without quotes, brackets and port (RFC 7239, 6).
    static func address(_ node: ByteRange, in bytes: Span<UInt8>) -> IPAddress? {
        let name = inside(node, in: bytes)
        guard !name.isEmpty else { return nil }
        if bytes[name.lower] == UInt8(ascii: "[") {
            guard let end = bytes.firstIndex(of: UInt8(ascii: "]"), in: name),
                end + 1 == name.upper || bytes[end + 1] == HTTPByte.colon
            else { return nil }
            return IPAddress(ByteRange(name.lower + 1, end), in: bytes)
        }
        if let address = IPAddress(name, in: bytes) { return address }
        guard let colon = bytes.firstIndex(of: HTTPByte.colon, in: name) else { return nil }
        return IPAddress(ByteRange(name.lower, colon), in: bytes).flatMap { $0.isIPv4 ? $0 : nil }
    }

    /// Writes a node of `Forwarded` as an element of `X-Forwarded-For`; other nodes than addresses become `unknown`.
    static func writeElement(_ node: ByteRange, in bytes: Span<UInt8>, to output: inout [UInt8]) {
        if let address = address(node, in: bytes) { return address.write(to: &output) }
        guard isToken(node, in: bytes) else {
            output += "unknown".utf8
            return
        }
        for index in node.indices { output.append(bytes[index]) }
    }

    /// Writes an element of `X-Forwarded-For` as a node: IPv6 in brackets and quotes (RFC 7239, 6).
    static func writeNode(_ element: ByteRange, in bytes: Span<UInt8>, to output: inout [UInt8]) {
        guard let address = address(element, in: bytes) else {
            let name = inside(element, in: bytes)
            guard isToken(name, in: bytes) else { return write(name.indices.map { bytes[$0] }[...], to: &output) }
            for index in name.indices { output.append(bytes[index]) }
            return
        }
        write(address, to: &output)
    }

    private static func isToken(_ text: ByteRange, in bytes: Span<UInt8>) -> Bool {
        for index in text.indices where !HTTPByte.isToken(bytes[index]) { return false }
        return !text.isEmpty
    }

    static func write(_ address: IPAddress, to output: inout [UInt8]) {
        if !address.isIPv4 { output += "\"[".utf8 }
        address.write(to: &output)
        if !address.isIPv4 { output += "]\"".utf8 }
    }

    /// Writes a token as it is, other values quoted.
    static func write(_ value: ArraySlice<UInt8>, to output: inout [UInt8]) {
        guard value.isEmpty || !value.allSatisfy(HTTPByte.isToken) else {
            output += value
            return
        }
        output.append(UInt8(ascii: "\""))
        for byte in value {
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") { output.append(UInt8(ascii: "\\")) }
            output.append(byte)
        }
        output.append(UInt8(ascii: "\""))
    }
}
