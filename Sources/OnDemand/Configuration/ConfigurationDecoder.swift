/// Converts JSON values to the expected types and collects all errors instead of stopping at the first.
struct ConfigurationDecoder {
    let interpolation: Interpolation
    private(set) var errors: [ConfigurationError] = []
    private(set) var warnings: [ConfigurationWarning] = []

    init(environment: [String: String]) { interpolation = Interpolation(environment: environment) }

    mutating func report(_ node: ConfigurationNode, _ sentence: String) {
        report(path: node.path, node.value.position, sentence)
    }

    mutating func report(path: String, _ position: TextPosition, _ sentence: String) {
        errors.append(ConfigurationError(path: path, position: position, sentence: sentence))
    }

    mutating func warn(_ node: ConfigurationNode, _ sentence: String) { warnings.append(node.warning(sentence)) }

    /// Returns a suggestion, as long as errors are still shown: finding one compares the word with every candidate.
    func suggestion(for word: String, among candidates: [String]) -> String {
        errors.count < ConfigurationErrors.shownAtMost ? Suggestion.sentence(for: word, among: candidates) : ""
    }

    mutating func reportType(of node: ConfigurationNode, expected: String) {
        report(node, "expected \(expected), found \(node.value.content.described)")
    }
}

/// A value and its path from the top of the file.
struct ConfigurationNode {
    let path: String
    let value: JSONValue

    func path(of key: String) -> String {
        let isPlain = key.utf8.allSatisfy { (0x21...0x7E).contains($0) && !".[]\"".utf8.contains($0) }
        guard isPlain, (1...60).contains(key.utf8.count) else { return "\(path)[\(key.quoted)]" }
        return path.isEmpty ? key : "\(path).\(key)"
    }

    func item(_ index: Int, _ value: JSONValue) -> ConfigurationNode {
        ConfigurationNode(path: "\(path)[\(index)]", value: value)
    }

    func located<Value>(_ value: Value) -> Located<Value> {
        Located(value: value, path: path, position: self.value.position)
    }
}

extension JSONValue.Content {
    /// The found type or value, for error messages.
    fileprivate var described: String {
        switch self {
        case .null: "null"
        case .boolean(let value): value ? "true" : "false"
        case .number(let number): "the number \(number.text.prefix(40))"
        case .string(let text): "the string \(text.quoted)"
        case .array: "a list"
        case .object: "an object"
        }
    }
}

// MARK: - Objects and lists

extension ConfigurationDecoder {
    /// The members of an object with a fixed set of keys.
    struct Fields {
        let node: ConfigurationNode
        fileprivate var values: [String: ConfigurationNode] = [:]

        subscript(key: String) -> ConfigurationNode? { values[key] }
    }

    /// Returns the members and reports repeated and unknown keys; nil where the value is not an object.
    mutating func fields(of node: ConfigurationNode, as object: ConfigurationObject) -> Fields? {
        let keys = object.keyNames
        guard let members = members(of: node) else { return nil }
        var fields = Fields(node: node)
        for member in members {
            guard keys.contains(member.key) else {
                let suggestion = suggestion(for: member.key, among: keys)
                report(path: node.path, member.keyPosition, "unknown key \(member.key.quoted)\(suggestion)")
                continue
            }
            fields.values[member.key] = ConfigurationNode(path: node.path(of: member.key), value: member.value)
        }
        return fields
    }

    /// Returns the members with each key once; the first of several counts.
    mutating func members(of node: ConfigurationNode) -> [JSONMember]? {
        guard case .object(let members) = node.value.content else {
            reportType(of: node, expected: "an object")
            return nil
        }
        var positions: [[UInt8]: TextPosition] = [:]
        return members.filter { member in
            let key = Array(member.key.utf8)
            guard let first = positions[key] else {
                positions[key] = member.keyPosition
                return true
            }
            let error = JSONError(reason: .duplicateKey(member.key, first: first), position: member.keyPosition)
            report(path: node.path, error.position, error.sentence)
            return false
        }
    }

    /// Returns a required field or reports its absence; `purpose` explains it.
    mutating func required(_ key: String, in fields: Fields, purpose: String) -> ConfigurationNode? {
        if let field = fields[key] { return field }
        report(fields.node, "\(key.quoted) is missing; \(purpose)")
        return nil
    }

    mutating func items(of node: ConfigurationNode, expected: String) -> [ConfigurationNode]? {
        guard case .array(let items) = node.value.content else {
            reportType(of: node, expected: expected)
            return nil
        }
        return items.enumerated().map { node.item($0.offset, $0.element) }
    }

    /// Returns the items of a list with at least one item, or a single value as such a list.
    mutating func oneOrMore(_ node: ConfigurationNode) -> [ConfigurationNode] {
        guard case .array(let items) = node.value.content else { return [node] }
        if items.isEmpty { report(node, "the list is empty; it needs at least one item") }
        return items.enumerated().map { node.item($0.offset, $0.element) }
    }
}

// MARK: - Single values

extension ConfigurationDecoder {
    /// A string with variables filled in, and the form that messages show.
    struct Text {
        let value: String
        let shown: String
    }

    mutating func text(
        _ node: ConfigurationNode, expected: String, dollars: Interpolation.Dollars = .plain
    ) -> Text? {
        guard case .string(let template) = node.value.content else {
            reportType(of: node, expected: expected)
            return nil
        }
        do {
            let expanded = try interpolation.expand(template, dollars: dollars)
            let origins = expanded.origins.map { "${\($0)}" }.joined(separator: ", ")
            let shown = expanded.text.quoted + (origins.isEmpty ? "" : " from \(origins)")
            return Text(value: expanded.text, shown: shown)
        } catch {
            report(node, error.predicate)
            return nil
        }
    }

    /// Parses a string; reports an error together with the string.
    mutating func parsed<Value>(
        _ node: ConfigurationNode, expected: String, dollars: Interpolation.Dollars = .plain,
        by parse: (String) throws(ValueProblem) -> Value
    ) -> Located<Value>? {
        guard let text = text(node, expected: expected, dollars: dollars) else { return nil }
        do {
            return node.located(try parse(text.value))
        } catch {
            report(node, "\(text.shown) \(error.predicate)")
            return nil
        }
    }

    mutating func boolean(_ node: ConfigurationNode) -> Bool? {
        if case .boolean(let value) = node.value.content { return value }
        reportType(of: node, expected: "true or false")
        return nil
    }

    /// Decodes a switch; strings of the environment such as `"1"` or `"off"` count too.
    mutating func flag(_ node: ConfigurationNode) -> Bool? {
        if case .boolean(let value) = node.value.content { return value }
        return parsed(node, expected: "true or false, or a string such as \"${ENABLE_IT:-false}\"") {
            text throws(ValueProblem) in
            switch text.lowercased() {
            case "true", "1", "yes", "on": return true
            case "false", "0", "no", "off", "": return false
            default: throw ValueProblem("is neither true, 1, yes, on nor false, 0, no, off, empty")
            }
        }?.value
    }

    mutating func integer(_ node: ConfigurationNode, in range: ClosedRange<Int>) -> Int? {
        guard case .number(let number) = node.value.content else {
            reportType(of: node, expected: "a whole number")
            return nil
        }
        guard let integer = number.integer, range.contains(integer) else {
            reportType(of: node, expected: "a whole number from \(range.lowerBound) to \(range.upperBound)")
            return nil
        }
        return integer
    }

    mutating func duration(_ node: ConfigurationNode) -> Located<Duration>? {
        parsed(node, expected: "a duration in quotes such as \"30s\"", by: DurationParser.parse)
    }

    /// Decodes a duration that must not be zero.
    mutating func span(_ node: ConfigurationNode) -> Duration? {
        guard let duration = duration(node) else { return nil }
        guard duration.value > .zero else {
            report(node, "a duration of zero has no meaning here")
            return nil
        }
        return duration.value
    }

    /// Decodes one of an enumeration's words.
    mutating func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ node: ConfigurationNode, of type: Choice.Type
    ) -> Choice? {
        let words = type.allCases.map(\.rawValue)
        return parsed(node, expected: "one of \(words.joined(separator: ", "))") { text throws(ValueProblem) in
            if let choice = Choice(rawValue: text) { return choice }
            let suggestion = Suggestion.sentence(for: text, among: words)
            throw ValueProblem("is not one of \(words.joined(separator: ", "))\(suggestion)")
        }?.value
    }
}
