/// Decodes which clients of a cable are accepted: `allowed_origins` and `jwt`.
struct CableAccessDecoder {
    let reader: ConfigurationReader

    func origins(_ node: ConfigurationNode) -> Configuration.Cable.Origins {
        let items = reader.oneOrMore(node)
        let expected = "\"same_origin\", or an origin such as \"https://example.com\""
        let found = items.compactMap { reader.parsed($0, expected: expected, by: Self.origin) }
        let rules = found.compactMap(\.value)
        guard rules.count < found.count else { return .listed(rules) }
        if items.count > 1 { reader.report(node, "\"same_origin\" stands alone; list the cable's own origin instead") }
        return .sameOrigin
    }

    /// nil for the word `same_origin`.
    private static func origin(_ text: String) throws(ValueProblem) -> OriginRule? {
        guard text != sameOrigin else { return nil }
        // A word that is almost this one is no origin with a mistake in it.
        let suggestion = Suggestion.sentence(for: text, among: [sameOrigin])
        guard suggestion.isEmpty else { throw ValueProblem("is not an origin\(suggestion)") }
        return try OriginParser.parse(text)
    }

    private static let sameOrigin = "same_origin"

    func tokens(_ node: ConfigurationNode) -> Configuration.Cable.Tokens? {
        guard let fields = reader.fields(of: node, as: .cableTokens) else { return nil }
        var tokens = Configuration.Cable.Tokens(secret: [])
        if let secret = reader.required("secret", in: fields, purpose: "it is the key of the tokens' signatures"),
            let text = reader.secretText(secret, expected: "a secret in quotes")
        {
            tokens.secret = Array(text.value.utf8)
            if tokens.secret.isEmpty {
                reader.report(secret, "the secret\(text.source) is empty; without \"jwt\" clients need no token")
            } else if tokens.secret.count < KeyRange.tokenSecretBytes {
                reader.warn(
                    secret,
                    "the secret\(text.source) has \(tokens.secret.count) bytes; HS256 needs"
                        + " \(KeyRange.tokenSecretBytes) or more (RFC 7518, 3.2)")
            }
        }
        if let parameter = fields["parameter"] {
            tokens.parameter =
                reader.parsed(parameter, expected: "the name of a query parameter", by: Self.parameterName)?
                .value ?? tokens.parameter
        }
        if let isRequired = fields["required"] { tokens.isRequired = reader.flag(isRequired) ?? tokens.isRequired }
        return tokens
    }

    /// What stands in a query as it is, so that it is found without decoding.
    private static func parameterName(_ text: String) throws(ValueProblem) -> String {
        let isPlain = text.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "-._~".utf8.contains(byte)
            }
        }
        guard isPlain, KeyRange.parameterNameBytes.contains(text.utf8.count) else {
            let most = KeyRange.parameterNameBytes.upperBound
            throw ValueProblem(
                "is not a parameter name; names have 1 to \(most) letters, digits, dots, dashes, underscores, tildes")
        }
        return text
    }
}
