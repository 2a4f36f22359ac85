/// Decodes `wake_on`: which requests may start a backend.
struct WakeRuleDecoder {
    let reader: ConfigurationReader

    /// Decodes `"any"`, or alternatives such as `["upgrade", {"header": "X-Wake"}, {"path": "/cable"}]`.
    func wakeRule(_ node: ConfigurationNode) -> Located<WakeRule>? {
        guard case .string = node.value.content else {
            return node.located(WakeRule(conditions: reader.oneOrMore(node).compactMap { wakeCondition($0) }))
        }
        return reader.parsed(node, expected: "a word") { text throws(ValueProblem) in
            text == "any" ? .any : WakeRule(conditions: [try Self.wakeWord(text)])
        }
    }

    private static func wakeWord(_ text: String) throws(ValueProblem) -> WakeRule.Condition {
        switch text {
        case "upgrade": return .upgrade
        case "any": throw ValueProblem("means every request, so it stands alone and not in a list")
        default: throw ValueProblem("is neither any nor upgrade; other conditions are written {\"header\": \"X-Wake\"}")
        }
    }

    private func wakeCondition(_ node: ConfigurationNode) -> WakeRule.Condition? {
        guard case .object = node.value.content else {
            let expected = "\"upgrade\", {\"header\": NAME} or {\"path\": PATH}"
            return reader.parsed(node, expected: expected, by: Self.wakeWord)?.value
        }
        guard let fields = reader.fields(of: node, as: .wakeCondition) else { return nil }
        switch (fields["header"], fields["path"]) {
        case (let header?, nil):
            return reader.parsed(header, expected: "the name of a header") { text throws(ValueProblem) in
                try HeaderParser.checkToken(text)
                return .header(text)
            }?.value
        case (nil, let path?): return reader.pattern(path).map { .path($0.value) }
        default:
            reader.report(
                node, "one condition is a \"header\" or a \"path\"; several stand next to each other in a list")
            return nil
        }
    }
}
