/// The rules for fields that the configuration sets on forwarded requests.
enum HeaderText {
    /// Filled in per request.
    static let variables = ["remote_addr", "scheme", "host"]

    /// Fields that say where a message goes or ends, or belong to one connection only (RFC 9110, 7.6.1; RFC 6455, 4.1).
    private static let reserved: Set<String> = [
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]

    static func checkName(_ name: String) throws(ValueProblem) {
        guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte) else {
            throw ValueProblem("is no header name (RFC 9110, 5.1)")
        }
        let lowercased = name.lowercased()
        guard !reserved.contains(lowercased), !lowercased.hasPrefix("sec-websocket-") else {
            throw ValueProblem("cannot be set; the daemon needs this header itself to route and delimit messages")
        }
    }

    /// Each dollar begins one of the variables, or is doubled to stand for itself.
    static func checkValue(_ value: String) throws(ValueProblem) {
        guard !value.utf8.contains(where: { $0 < 0x20 && $0 != UInt8(ascii: "\t") || $0 == 0x7F }) else {
            throw ValueProblem("has a control character, which no header can carry (RFC 9110, 5.5)")
        }
        var rest = Array(value.utf8)[...]
        while let dollar = rest.firstIndex(of: UInt8(ascii: "$")) {
            rest = rest[(dollar + 1)...]
            if rest.first == UInt8(ascii: "$") {
                rest = rest.dropFirst()
                continue
            }
            let word = rest.prefix(while: isWordByte)
            try checkVariable(String(decoding: word, as: UTF8.self))
            rest = rest[word.endIndex...]
        }
    }

    private static func checkVariable(_ word: String) throws(ValueProblem) {
        guard !word.isEmpty else { throw ValueProblem("has a dollar without a name; a literal one is written \"$$\"") }
        guard !variables.contains(word) else { return }
        let suggestion = Suggestion.nearest(to: word, among: variables).map { "did you mean $\($0)?" }
        throw ValueProblem(
            "has the unknown variable $\(word); "
                + (suggestion ?? "there are $remote_addr, $scheme and $host, and a literal dollar is written \"$$\""))
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        isTokenByte(byte) && !"!#$%&'*+-.^`|~".utf8.contains(byte)
    }

    /// RFC 9110, 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }
}
