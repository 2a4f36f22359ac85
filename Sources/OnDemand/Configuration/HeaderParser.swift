/// Checks fields that the configuration sets on forwarded requests.
enum HeaderParser {
    /// Variables that are filled in per request.
    static let variables = ["remote_addr", "scheme", "host"]

    /// Fields for routing, framing or a single connection (RFC 9110, 7.6.1; RFC 6455, 4.1).
    private static let reserved: Set<String> = [
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]

    /// Checks that the name is a token.
    static func checkToken(_ name: String) throws(ValueProblem) {
        guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte) else {
            throw ValueProblem("is not a header name (RFC 9110, 5.1)")
        }
    }

    static func checkName(_ name: String) throws(ValueProblem) {
        try checkToken(name)
        let lowercased = name.lowercased()
        guard !reserved.contains(lowercased), !lowercased.hasPrefix("sec-websocket-") else {
            throw ValueProblem("cannot be set; the daemon needs this header itself to route and delimit messages")
        }
    }

    /// Parses a value: each dollar begins a variable or is doubled to stand for itself.
    static func parts(of value: String) throws(ValueProblem) -> [HeaderTemplate.Part] {
        guard !value.utf8.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 == 0x7F }) else {
            throw ValueProblem("has a control character, which no header can carry (RFC 9110, 5.5)")
        }
        var parts: [HeaderTemplate.Part] = []
        var literal: [UInt8] = []
        var rest = Array(value.utf8)[...]
        while let byte = rest.popFirst() {
            if byte != UInt8(ascii: "$") {
                literal.append(byte)
            } else if rest.first == byte {
                literal.append(rest.removeFirst())
            } else {
                let word = rest.prefix(while: isWordByte)
                rest = rest[word.endIndex...]
                if !literal.isEmpty { parts.append(.literal(String(decoding: literal, as: UTF8.self))) }
                literal = []
                parts.append(try variable(String(decoding: word, as: UTF8.self)))
            }
        }
        return literal.isEmpty ? parts : parts + [.literal(String(decoding: literal, as: UTF8.self))]
    }

    private static func variable(_ word: String) throws(ValueProblem) -> HeaderTemplate.Part {
        switch word {
        case "remote_addr": return .remoteAddress
        case "scheme": return .scheme
        case "host": return .host
        case "": throw ValueProblem("has a dollar without a name; a literal one is written \"$$\"")
        default: throw ValueProblem("has the unknown variable $\(word); \(hint(for: word))")
        }
    }

    private static func hint(for word: String) -> String {
        Suggestion.nearest(to: word, among: variables).map { "did you mean $\($0)?" }
            ?? "there are $remote_addr, $scheme and $host, and a literal dollar is written \"$$\""
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        isTokenByte(byte) && !"!#$%&'*+-.^`|~".utf8.contains(byte)
    }

    /// Returns whether the byte is a `tchar` (RFC 9110, 5.6.2).
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
