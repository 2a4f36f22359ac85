/// What request and response heads have in common: fields one can look up, in order, duplicates kept.
protocol MessageHead {
    var fields: [HeaderField] { get }
    var version: HTTPVersion { get }
    var byteCount: Int { get }
}

extension MessageHead {
    /// Whether there is a field with this name.
    func has(_ name: FieldName) -> Bool {
        for field in fields where field.known == name { return true }
        return false
    }

    /// The values of all fields with this name, in order.
    func values(of name: FieldName) -> [ByteRange] {
        var values: [ByteRange] = []
        for field in fields where field.known == name { values.append(field.value) }
        return values
    }

    /// The value of the field that must not be there twice; nil where it is, or is missing.
    func onlyValue(of name: FieldName) -> ByteRange? {
        var only: ByteRange?
        for field in fields where field.known == name {
            guard only == nil else { return nil }
            only = field.value
        }
        return only
    }

    /// The first of these values as text.
    func text(of name: FieldName, in bytes: Span<UInt8>) -> String? {
        for field in fields where field.known == name { return String(bytes, field.value) }
        return nil
    }

    /// The list elements of all fields with this name: several fields read as one list (RFC 9110, 5.3).
    func elements(of name: FieldName, in bytes: Span<UInt8>) -> [ByteRange] {
        var elements: [ByteRange] = []
        for field in fields where field.known == name {
            bytes.forEachListElement(of: field.value) { elements.append($0) }
        }
        return elements
    }

    /// Whether the list in these fields has this element, case ignored.
    func has(_ element: String, in name: FieldName, of bytes: Span<UInt8>) -> Bool {
        var isThere = false
        for field in fields where field.known == name {
            bytes.forEachListElement(of: field.value) { isThere = isThere || bytes.equals(element, in: $0) }
        }
        return isThere
    }

    /// Whether the sender lets the connection live on (RFC 9112, 9.3).
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

    /// A field's whole line as it came, from its name to its CRLF.
    func line(of index: Int) -> ByteRange {
        let next = index + 1 < fields.count ? fields[index + 1].name.lower : byteCount - 2
        return ByteRange(fields[index].name.lower, next)
    }
}

extension MessageHead {
    /// The values of all fields with a name that somebody configured, case ignored, in order.
    func values(of name: String, in bytes: Span<UInt8>) -> [ByteRange] {
        fields.filter { bytes.equals(name, in: $0.name) }.map(\.value)
    }
}
