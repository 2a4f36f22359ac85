/// The stream of a channel that only streams (`streams.channels`): `live-scores-{database}`, filled from the
/// identifier of a subscription.
///
/// The identifier comes from the client, so a template grants every value of its parameters, as a pattern does:
///
/// - A value is a string or a number. A number is copied as it is written; nothing is rounded.
/// - Any character may occur in a string but control characters: also separators, braces and `*`, which mean nothing in
///   a name. With two parameters `a-b` and `c` therefore name the same stream as `a` and `b-c`, as in Ruby's
///   `"#{x}-#{y}"`.
/// - What results is a valid name and not a reserved one. The text before the first parameter always stays, so keep
///   it: `{room}` alone grants every stream there is.
struct StreamTemplate: Equatable, Sendable {
    private enum Piece: Equatable, Sendable {
        case text([UInt8])
        /// An index into `parameters`.
        case parameter(Int)
    }

    private var pieces: [Piece] = []
    private var parameters: [[UInt8]] = []

    init(_ text: String) throws(StreamTemplateError) {
        guard !text.isEmpty else { throw .empty }
        var rest = Array(text.utf8)[...]
        while let first = rest.first {
            switch first {
            case UInt8(ascii: "{"):
                guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else { throw .unclosedBrace }
                try append(parameter: rest[rest.startIndex + 1..<end])
                rest = rest[(end + 1)...]
            case UInt8(ascii: "}"): throw .strayBrace
            default:
                let end = rest.firstIndex { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") } ?? rest.endIndex
                pieces.append(.text(Array(rest[..<end])))
                rest = rest[end...]
            }
        }
    }

    /// As written.
    var text: String {
        let texts = pieces.map { piece in
            switch piece {
            case .text(let text): String(decoding: text, as: UTF8.self)
            case .parameter(let index): "{\(String(decoding: parameters[index], as: UTF8.self))}"
            }
        }
        return texts.joined()
    }

    /// Begins with a parameter: any stream may be named.
    var isOpen: Bool {
        guard case .parameter = pieces.first else { return false }
        return true
    }

    private mutating func append(parameter: ArraySlice<UInt8>) throws(StreamTemplateError) {
        guard !parameter.isEmpty else { throw .emptyParameter }
        guard !parameter.contains(UInt8(ascii: "{")) else { throw .strayBrace }
        let name = Array(parameter)
        guard name != Array("channel".utf8) else { throw .channelParameter }
        let index = parameters.firstIndex(of: name) ?? parameters.count
        if index == parameters.count { parameters.append(name) }
        pieces.append(.parameter(index))
    }

    /// The stream of a subscription with this identifier, which is the JSON text of an object; nil rejects it.
    func streamName(for identifier: Span<UInt8>) -> [UInt8]? {
        var values = [JSONSlice?](repeating: nil, count: parameters.count)
        do throws(JSONScanError) {
            try JSONScanner.forEachMember(of: identifier) { key, value in
                for index in parameters.indices where key.isString(parameters[index], in: identifier) {
                    values[index] = value
                }
            }
        } catch {
            return nil
        }
        var name: [UInt8] = []
        for piece in pieces {
            switch piece {
            case .text(let text): name += text
            case .parameter(let index):
                guard let value = values[index], let text = Self.text(of: value, in: identifier) else { return nil }
                name += text
            }
        }
        return StreamName.isValid(name) && !StreamName.isReserved(name) ? name : nil
    }

    private static func text(of value: JSONSlice, in identifier: Span<UInt8>) -> [UInt8]? {
        switch value.kind {
        case .number: return [UInt8](copying: identifier.extracting(value.range.indices))
        case .string:
            guard let text = value.string(in: identifier), !containsControl(text) else { return nil }
            return text
        case .object, .array, .boolean, .null: return nil
        }
    }

    /// C0 and DEL, and C1, which UTF-8 writes as C2 80 to C2 9F.
    private static func containsControl(_ text: [UInt8]) -> Bool {
        text.indices.contains { index in
            text[index] < 0x20 || text[index] == 0x7f
                || text[index] == 0xc2 && index + 1 < text.count && text[index + 1] < 0xa0
        }
    }
}
