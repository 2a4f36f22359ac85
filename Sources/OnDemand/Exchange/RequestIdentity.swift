/// The request ID (`X-Request-Id`), the same in the daemon's logs and in every process behind it.
enum RequestIdentity {
    /// Range of the client's own ID in the head.
    case brought(ByteRange)
    /// Generated: the connection's number and the request's index on it.
    case made(connection: UInt64, request: Int)

    /// Longest accepted ID of a client, in bytes.
    static let maximumBytes = 128

    /// Takes the client's ID where there is exactly one and it is safe in any log; generates one otherwise. It is a
    /// label and not a credential, so any client may set it.
    init(of head: RequestHead, in bytes: Span<UInt8>, connection: UInt64, request: Int) {
        self = .made(connection: connection, request: request)
        guard let only = head.onlyValue(of: .xRequestID), (1...Self.maximumBytes).contains(only.count) else { return }
        for index in only.indices where !Self.isPlain(bytes[index]) { return }
        self = .brought(only)
    }

    /// Appends the ID; `bytes` are the head's.
    func write(to output: inout [UInt8], in bytes: [UInt8]) {
        switch self {
        case .brought(let range):
            output += bytes[range.indices]
        case .made(let connection, let request):
            for place in 1...16 { output.append(Self.digit(UInt8(connection >> UInt64(64 - 4 * place) & 0xf))) }
            output.append(UInt8(ascii: "-"))
            output.appendDecimal(request + 1)
        }
    }

    private static func digit(_ number: UInt8) -> UInt8 {
        number < 10 ? UInt8(ascii: "0") + number : UInt8(ascii: "a") + number - 10
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        HTTPByte.isLetter(byte) || HTTPByte.isDigit(byte) || "-._~+/=@:".utf8.contains(byte)
    }
}
