/// Common parts of request and response heads: fields in order, with duplicates.
protocol MessageHead {
    var fields: [HeaderField] { get }
    var version: HTTPVersion { get }
    var byteCount: Int { get }
}

extension MessageHead {
    /// Returns whether there is a field of this name.
    func has(_ name: FieldName) -> Bool {
        for field in fields where field.known == name { return true }
        return false
    }

    /// Returns the values of all fields of this name, in order.
    func values(of name: FieldName) -> [ByteRange] {
        var values: [ByteRange] = []
        for field in fields where field.known == name { values.append(field.value) }
        return values
    }

    /// Returns the value of a field that must be unique; nil where it is missing or repeated.
    func onlyValue(of name: FieldName) -> ByteRange? {
        var only: ByteRange?
        for field in fields where field.known == name {
            guard only == nil else { return nil }
            only = field.value
        }
        return only
    }

    /// Returns the first value as text.
    func text(of name: FieldName, in bytes: Span<UInt8>) -> String? {
        for field in fields where field.known == name { return String(bytes, field.value) }
        return nil
    }

    /// Returns the list elements of all fields of this name; several fields form one list (RFC 9110, 5.3).
    func elements(of name: FieldName, in bytes: Span<UInt8>) -> [ByteRange] {
        var elements: [ByteRange] = []
        for field in fields where field.known == name {
            bytes.forEachListElement(of: field.value) { elements.append($0) }
        }
        return elements
    }

    /// Returns whether the list has this element, ignoring case.
    func has(_ element: String, in name: FieldName, of bytes: Span<UInt8>) -> Bool {
        var isThere = false
        for field in fields where field.known == name {
            bytes.forEachListElement(of: field.value) { isThere = isThere || bytes.equals(element, in: $0) }
        }
        return isThere
    }

    /// Returns whether the sender keeps the connection open (RFC 9112, 9.3).
    static func wantsKeepAlive(
        _ version: HTTPVersion, _ fields: [HeaderField], in bytes: Span<UInt8>
    ) -> Bool {
        var says = (close: false, keepAlive: false)
        for field in fields where field.known == .connection {
            bytes.forEachListElement(of: field.value) { option in
                says.close = says.close || bytes.equals("close", in: option)
                says.keepAlive = says.keepAlive || bytes.equals("keep-alive", in: option)
            }
        }
        return !says.close && (version == .http11 || says.keepAlive)
    }

    /// Returns a field's whole line from its name to its CRLF.
    func line(of index: Int) -> ByteRange {
        let next = index + 1 < fields.count ? fields[index + 1].name.lower : byteCount - 2
        return ByteRange(fields[index].name.lower, next)
    }
}

extension MessageHead {
    /// Returns the values of all fields of a configured name, ignoring case, in order.
    func values(of name: String, in bytes: Span<UInt8>) -> [ByteRange] {
        fields.filter { bytes.equals(name, in: $0.name) }.map(\.value)
    }
}
