/// Strings that several objects of the configuration have: names, paths, addresses, secrets.
extension ConfigurationReader {
    /// Decodes a name; it needs no quotes in log lines and commands.
    func name(_ node: ConfigurationNode, expected: String = "a name in quotes") -> Located<String>? {
        parsed(node, expected: expected, by: Self.plainName)
    }

    private static let nameByteLimit = 64

    static func plainName(_ text: String) throws(ValueProblem) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isPlain, (1...nameByteLimit).contains(text.utf8.count) else {
            throw ValueProblem(
                "is not a valid name; names are 1 to \(nameByteLimit) letters, digits, dots, dashes, underscores")
        }
        return text
    }

    func pattern(_ node: ConfigurationNode) -> Located<PathPattern>? {
        parsed(node, expected: "a path such as \"/cable\"") { text throws(ValueProblem) in
            do throws(PathPatternError) {
                return try PathPattern(parsing: text)
            } catch {
                throw ValueProblem(error.sentence)
            }
        }
    }

    /// Decodes an address; a bare number is a port, as in `"listen": 3000`.
    func address(_ node: ConfigurationNode) -> Located<SocketAddress>? {
        if case .number = node.value.content {
            guard let port = integer(node, in: KeyRange.port) else { return nil }
            return node.located(.ipv4(octets: [0, 0, 0, 0], port: UInt16(port)))
        }
        return parsed(node, expected: "an address such as \"127.0.0.1:3000\"", by: AddressParser.listen)
    }

    /// Parses `fd:NAME`; the name matches a socket unit's `FileDescriptorName=NAME` (systemd.socket(5)).
    func inheritedName(_ node: ConfigurationNode) -> Located<String>? {
        parsed(node, expected: "a name behind \"fd:\"") { text throws(ValueProblem) in
            let name = String(text.dropFirst(3))
            guard (1...255).contains(name.utf8.count),
                name.utf8.allSatisfy({ (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ":") })
            else {
                throw ValueProblem(
                    "is not the name of an inherited socket; write its FileDescriptorName behind \"fd:\"")
            }
            return name
        }
    }

    /// Decodes a string for the kernel, which ends it at its first zero byte (execve(2)).
    func systemText(_ node: ConfigurationNode, isEmptyAllowed: Bool = true) -> String? {
        parsed(node, expected: "a string in quotes") { text throws(ValueProblem) in
            guard !text.utf8.contains(0) else { throw ValueProblem("has a zero byte, which no process can be given") }
            guard isEmptyAllowed || !text.isEmpty else { throw ValueProblem("is empty") }
            return text
        }?.value
    }

    /// A string that no message repeats, and where it comes from, such as ` from ${NAME}`.
    func secretText(
        _ node: ConfigurationNode, expected: String
    ) -> (value: String, source: String)? {
        guard case .string(let template) = node.value.content else {
            report(node, "expected \(expected)")
            return nil
        }
        do throws(ValueProblem) {
            let expanded = try interpolation.expand(template)
            let origins = expanded.origins.map { "${\($0)}" }.joined(separator: ", ")
            return (expanded.text, origins.isEmpty ? "" : " from \(origins)")
        } catch {
            report(node, error.predicate)
            return nil
        }
    }

    /// An empty one is a mistake: without a key every program on this machine may broadcast.
    func accessKey(_ node: ConfigurationNode) -> BearerToken? {
        guard let text = secretText(node, expected: "a key in quotes") else { return nil }
        let range = Limits.accessKeyBytes
        guard range.contains(text.value.utf8.count) else {
            report(
                node,
                "the key\(text.source) has \(text.value.utf8.count) bytes; write \(range.lowerBound) to"
                    + " \(range.upperBound), as `openssl rand -hex 32` does")
            return nil
        }
        if let key = BearerToken.accessKey(text.value) { return key }
        report(node, "the key\(text.source) has a space or control character, which no Authorization header can have")
        return nil
    }
}
