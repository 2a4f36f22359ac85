/// What a request is called in logs, here and in every process it passes: `X-Request-Id`.
enum RequestIdentity {
    /// Longer ones are nobody's identifier.
    static let maximumBytes = 128

    /// The client's own, if it has exactly one that can stand in any log, else `made`. It is a label and no credential,
    /// so anybody may bring one.
    static func of(_ head: RequestHead, in bytes: Span<UInt8>, made: @autoclosure () -> String) -> String {
        guard let only = head.onlyValue(of: .xRequestID), (1...maximumBytes).contains(only.count) else { return made() }
        for index in only.indices where !isPlain(bytes[index]) { return made() }
        return String(bytes, only)
    }

    /// The connection's number and the request's place on it.
    static func made(connection: UInt64, request: Int) -> String {
        let digits = String(connection, radix: 16)
        return "\(String(repeating: "0", count: 16 - digits.count))\(digits)-\(request + 1)"
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        HTTPByte.isLetter(byte) || HTTPByte.isDigit(byte) || "-._~+/=@:".utf8.contains(byte)
    }
}
