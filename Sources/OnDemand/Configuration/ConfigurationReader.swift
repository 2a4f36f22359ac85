/// Reads JSON values as what the decoders expect, and collects all errors instead of stopping at the first.
///
/// The decoders of one file share one reader. It owns the variables, the errors and the warnings; a decoder of one
/// object of the configuration has no state of its own.
final class ConfigurationReader {
    let interpolation: Interpolation
    private(set) var errors: [ConfigurationError] = []
    private(set) var warnings: [ConfigurationWarning] = []

    init(environment: [String: String]) { interpolation = Interpolation(environment: environment) }

    func report(_ node: ConfigurationNode, _ sentence: String) {
        report(path: node.path, node.value.position, sentence)
    }

    func report(_ located: Located<some Any>, _ sentence: String) {
        report(path: located.path, located.position, sentence)
    }

    func report(path: String, _ position: TextPosition, _ sentence: String) {
        errors.append(ConfigurationError(path: path, position: position, sentence: sentence))
    }

    func warn(_ node: ConfigurationNode, _ sentence: String) { warnings.append(node.warning(sentence)) }

    /// Returns a suggestion, as long as errors are still shown: finding one compares the word with every candidate.
    func suggestion(for word: String, among candidates: [String]) -> String {
        errors.count < ConfigurationErrors.shownAtMost ? Suggestion.sentence(for: word, among: candidates) : ""
    }

    func reportType(of node: ConfigurationNode, expected: String) {
        report(node, "expected \(expected), found \(node.value.content.described)")
    }
}

/// The members of an object with a fixed set of keys.
struct ConfigurationFields {
    let node: ConfigurationNode
    fileprivate var values: [String: ConfigurationNode] = [:]

    subscript(key: String) -> ConfigurationNode? { values[key] }
}

// MARK: - Objects and lists

extension ConfigurationReader {
    /// Returns the members and reports repeated and unknown keys; nil where the value is not an object.
    func fields(of node: ConfigurationNode, as object: ConfigurationObject) -> ConfigurationFields? {
        let keys = object.keyNames
        guard let members = members(of: node) else { return nil }
        var fields = ConfigurationFields(node: node)
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
    func members(of node: ConfigurationNode) -> [JSONMember]? {
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
    func required(_ key: String, in fields: ConfigurationFields, purpose: String) -> ConfigurationNode? {
        if let field = fields[key] { return field }
        report(fields.node, "\(key.quoted) is missing; \(purpose)")
        return nil
    }

    func items(of node: ConfigurationNode, expected: String) -> [ConfigurationNode]? {
        guard case .array(let items) = node.value.content else {
            reportType(of: node, expected: expected)
            return nil
        }
        return items.enumerated().map { node.item($0.offset, $0.element) }
    }

    /// Returns the items of a list with at least one item, or a single value as such a list.
    func oneOrMore(_ node: ConfigurationNode) -> [ConfigurationNode] {
        guard case .array(let items) = node.value.content else { return [node] }
        if items.isEmpty { report(node, "the list is empty; it needs at least one item") }
        return items.enumerated().map { node.item($0.offset, $0.element) }
    }
}
