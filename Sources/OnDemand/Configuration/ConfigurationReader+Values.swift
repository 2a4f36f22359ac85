/// Single values: strings, switches, numbers, durations and sizes.
extension ConfigurationReader {
    /// A string with variables filled in, and the form that messages show.
    struct Text {
        let value: String
        let shown: String
    }

    func text(
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
    func parsed<Value>(
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

    func boolean(_ node: ConfigurationNode) -> Bool? {
        if case .boolean(let value) = node.value.content { return value }
        reportType(of: node, expected: "true or false")
        return nil
    }

    /// Decodes a switch; strings of the environment such as `"1"` or `"off"` count too.
    func flag(_ node: ConfigurationNode) -> Bool? {
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

    func integer(_ node: ConfigurationNode, in range: ClosedRange<Int>) -> Int? {
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

    func duration(_ node: ConfigurationNode) -> Located<Duration>? {
        parsed(node, expected: "a duration in quotes such as \"30s\"", by: DurationParser.parse)
    }

    /// Decodes a duration that must not be zero.
    func span(_ node: ConfigurationNode) -> Duration? {
        guard let duration = duration(node) else { return nil }
        guard duration.value > .zero else {
            report(node, "a duration of zero has no meaning here")
            return nil
        }
        return duration.value
    }

    /// Decodes one of an enumeration's words.
    func choice<Choice: RawRepresentable<String> & CaseIterable>(
        _ node: ConfigurationNode, of type: Choice.Type
    ) -> Choice? {
        let words = type.allCases.map(\.rawValue)
        return parsed(node, expected: "one of \(words.joined(separator: ", "))") { text throws(ValueProblem) in
            if let choice = Choice(rawValue: text) { return choice }
            let suggestion = Suggestion.sentence(for: text, among: words)
            throw ValueProblem("is not one of \(words.joined(separator: ", "))\(suggestion)")
        }?.value
    }

    /// Decodes a duration within a range.
    func duration(_ node: ConfigurationNode, in range: ClosedRange<Duration>) -> Duration? {
        guard let duration = duration(node)?.value else { return nil }
        guard range.contains(duration) else {
            report(node, "expected a duration from \(range.lowerBound.shortText) to \(range.upperBound.shortText)")
            return nil
        }
        return duration
    }

    /// Decodes bytes: a number, or a string with a unit.
    func size(_ node: ConfigurationNode, in range: ClosedRange<UInt64>) -> UInt64? {
        let size: UInt64?
        if case .number(let number) = node.value.content {
            size = number.integer.flatMap(UInt64.init(exactly:))
        } else if let text = parsed(
            node, expected: "a size such as \"16KiB\", or a number of bytes", by: SizeParser.parse)
        {
            size = text.value
        } else {
            return nil
        }
        guard let size, range.contains(size) else {
            report(node, "expected a size from \(range.lowerBound) to \(range.upperBound) bytes")
            return nil
        }
        return size
    }

    /// Decodes a limit that `"off"` removes: the outer nil is an error, the inner nil is `"off"`.
    func bound<Value>(
        _ node: ConfigurationNode, _ read: (ConfigurationNode) -> Value?
    ) -> Value?? {
        if case .string(let template) = node.value.content,
            (try? interpolation.expand(template))?.text == "off"
        {
            return .some(nil)
        }
        return read(node).map { .some($0) }
    }
}
