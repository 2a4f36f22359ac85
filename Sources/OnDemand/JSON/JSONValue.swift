/// One JSON value and its position; objects keep the order of their members.
struct JSONValue: Equatable, Sendable {
    enum Content: Equatable, Sendable {
        case null
        case boolean(Bool)
        case number(JSONNumber)
        case string(String)
        case array([JSONValue])
        case object([JSONMember])
    }

    let content: Content
    /// Position of the first character.
    let position: TextPosition
}

extension JSONValue {
    /// Returns the member; nil where there is none, or where this is not an object.
    func member(_ key: String) -> JSONValue? {
        guard case .object(let members) = content else { return nil }
        return members.first { $0.key == key }?.value
    }
}

/// A name and its value inside an object.
struct JSONMember: Equatable, Sendable {
    let key: String
    let keyPosition: TextPosition
    let value: JSONValue
}

/// A number in its original digits.
struct JSONNumber: Equatable, Sendable {
    let text: String

    /// The exact value of a number without fraction and exponent; nil for any other and beyond 64 bits.
    var integer: Int? { Int(text) }
}
