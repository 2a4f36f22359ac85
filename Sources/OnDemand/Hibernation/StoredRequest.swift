/// The request with which a client was accepted, as the backend got it, on its way to the client's relay.
///
/// It is a class, because copies of a value would keep what one of them wipes: `takeHead` leaves nothing, and what is
/// not taken is overwritten.
final class StoredRequest {
    private(set) var head: RepeatedHead

    /// nil: the head has no key of the usual length, or is too long to be kept.
    init?(head: [UInt8]) {
        guard let stored = RepeatedHead(head) else { return nil }
        self.head = stored
    }

    deinit { head.wipe() }

    /// The only copy from now on; its owner overwrites it.
    func takeHead() -> RepeatedHead {
        defer { head = .none }
        return head
    }
}

/// The head of a stored request. Later connections repeat it: path, query, cookies and forwarding fields are the
/// client's own, and only the WebSocket's key is new (RFC 6455, 4.1, item 7).
///
/// It holds cookies and tokens. It is kept in memory only, never written to a log, and overwritten when its last user
/// lets it go: the relay of a client that leaves, or a transfer that finds its client gone. It has one owner at a time.
struct RepeatedHead {
    /// The head with the key of the connection that it was made for.
    private var head: [UInt8]
    /// Of the key's value.
    private let keyStart: UInt32

    fileprivate static var none: RepeatedHead { RepeatedHead(head: [], keyStart: 0) }

    private init(head: [UInt8], keyStart: UInt32) { (self.head, self.keyStart) = (head, keyStart) }

    private static let keyField = Array("sec-websocket-key:".utf8)
    private static let agentField = Array("user-agent:".utf8)
    /// Sixteen bytes in Base64.
    static let keyByteCount = 24

    fileprivate init?(_ head: [UInt8]) {
        guard head.count <= Limits.storedRequestBytes, let key = Self.value(of: Self.keyField, in: head),
            key.count == Self.keyByteCount
        else { return nil }
        // Not the array of the request, which its connection goes on to use.
        self.init(head: head.withoutSpareCapacity, keyStart: UInt32(key.lowerBound))
    }

    var byteCount: Int { head.count }

    /// The head for another connection. `key` is in Base64, without line breaks.
    func with(key: [UInt8]) -> [UInt8] {
        precondition(key.count == Self.keyByteCount, "a key of another length")
        var head = head
        head.replaceSubrange(Int(keyStart)..<Int(keyStart) + key.count, with: key)
        return head
    }

    /// `User-Agent` for log lines; nil without one.
    var shownAgent: String? {
        Self.value(of: Self.agentField, in: head).map {
            String(decoding: head[$0].prefix(Limits.shownBytes), as: UTF8.self)
        }
    }

    /// Overwrites cookies and tokens.
    mutating func wipe() {
        for index in head.indices { head[index] = 0 }
        head = []
    }

    /// The value of the first field of this name, which ends with its colon, without the blanks around it.
    private static func value(of field: [UInt8], in head: [UInt8]) -> Range<Int>? {
        var lineStart = 0
        while let end = head[lineStart...].firstIndex(of: UInt8(ascii: "\n")) {
            let line = head[lineStart..<end]
            if line.count > field.count, zip(line, field).allSatisfy({ HTTPByte.folded($0) == $1 }) {
                var (start, last) = (lineStart + field.count, end)
                while start < last, isBlank(head[start]) { start += 1 }
                while start < last, isBlank(head[last - 1]) { last -= 1 }
                return start..<last
            }
            lineStart = end + 1
        }
        return nil
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == HTTPByte.space || byte == HTTPByte.tab || byte == UInt8(ascii: "\r")
    }
}
