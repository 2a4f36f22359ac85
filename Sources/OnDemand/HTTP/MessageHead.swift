/// What request and response heads have in common: fields one can look up, in order, duplicates kept.
protocol MessageHead {
    var fields: [HeaderField] { get }
    var version: HTTPVersion { get }
    var byteCount: Int { get }
}

extension MessageHead {
    /// The values of all fields with this name, case ignored, in order.
    func values(of name: String, in bytes: Span<UInt8>) -> [ByteRange] {
        var values: [ByteRange] = []
        for field in fields where bytes.equals(name, in: field.name) { values.append(field.value) }
        return values
    }

    /// The first of these values as text.
    func text(of name: String, in bytes: Span<UInt8>) -> String? {
        for field in fields where bytes.equals(name, in: field.name) { return String(bytes, field.value) }
        return nil
    }

    /// The list elements of all fields with this name: several fields read as one list (RFC 9110, 5.3).
    func elements(of name: String, in bytes: Span<UInt8>) -> [ByteRange] {
        Self.elements(of: name, among: fields, in: bytes)
    }

    /// Whether the list in these fields has this element, case ignored.
    func has(_ element: String, in name: String, of bytes: Span<UInt8>) -> Bool {
        for range in elements(of: name, in: bytes) where bytes.equals(element, in: range) { return true }
        return false
    }

    static func elements(of name: String, among fields: [HeaderField], in bytes: Span<UInt8>) -> [ByteRange] {
        var elements: [ByteRange] = []
        for field in fields where bytes.equals(name, in: field.name) {
            elements += bytes.listElements(of: field.value)
        }
        return elements
    }

    /// Whether the sender lets the connection live on (RFC 9112, 9.3).
    static func wantsKeepAlive(
        _ version: HTTPVersion, _ fields: [HeaderField], in bytes: Span<UInt8>
    ) -> Bool {
        var keepAlive = version == .http11
        for option in elements(of: "connection", among: fields, in: bytes) {
            if bytes.equals("close", in: option) { return false }
            if bytes.equals("keep-alive", in: option) { keepAlive = true }
        }
        return keepAlive
    }

    /// A field's whole line as it came, from its name to its CRLF.
    func line(of index: Int) -> ByteRange {
        let next = index + 1 < fields.count ? fields[index + 1].name.lower : byteCount - 2
        return ByteRange(fields[index].name.lower, next)
    }
}
