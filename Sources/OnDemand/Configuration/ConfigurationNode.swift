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
    var described: String {
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
