/// The keys that a message may have, looked up in one pass over its text.
///
///     static let keys = JSONKeys<3>(["command", "identifier", "data"])
///     let values = try keys.values(of: text.span)   // values[0] is the command, nil where there is none
struct JSONKeys<let count: Int>: Sendable {
    private let keys: InlineArray<count, [UInt8]>

    init(_ keys: InlineArray<count, String>) {
        self.keys = InlineArray { Array(keys[$0].utf8) }
    }

    /// The values of an object that is a whole text, in the order of the keys. Of a repeated key the last one counts.
    func values(of text: Span<UInt8>) throws(JSONScanError) -> InlineArray<count, JSONSlice?> {
        var values = InlineArray<count, JSONSlice?>(repeating: nil)
        try JSONScanner.forEachMember(of: text) { key, value in
            if let index = index(of: key, in: text) { values[index] = value }
        }
        return values
    }

    /// The same for an object inside a text that was scanned before.
    func values(of object: JSONSlice, in text: Span<UInt8>) throws(JSONScanError) -> InlineArray<count, JSONSlice?> {
        var values = InlineArray<count, JSONSlice?>(repeating: nil)
        try JSONScanner.forEachMember(of: object, in: text) { key, value in
            if let index = index(of: key, in: text) { values[index] = value }
        }
        return values
    }

    private func index(of key: JSONSlice, in text: Span<UInt8>) -> Int? {
        for index in keys.indices where key.isString(keys[index], in: text) { return index }
        return nil
    }
}
