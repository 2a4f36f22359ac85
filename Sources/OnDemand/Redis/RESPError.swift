/// Why the bytes of a server are not RESP2, or more than is kept. The connection cannot go on.
enum RESPError: Error, Equatable, Sendable {
    /// The first byte of a value is none of `+-:$*`.
    case unknownType(UInt8)
    case invalidNumber
    /// A line that ends in anything but a carriage return and a line feed.
    case invalidLineEnd
    case lineTooLong
    case replyTooLong
    case tooManyItems
    case tooDeep

    var sentence: String {
        switch self {
        case .unknownType(let byte): "unknown reply type \(byte); this is not a Redis server"
        case .invalidNumber: "invalid number in a reply"
        case .invalidLineEnd: "invalid line end in a reply"
        case .lineTooLong: "a line of a reply is longer than \(Limits.redisLineBytes) bytes"
        case .replyTooLong: "a reply is longer than \(Limits.redisReplyBytes) bytes"
        case .tooManyItems: "a reply has more than \(Limits.redisArrayItems) items"
        case .tooDeep: "a reply is nested deeper than \(Limits.redisArrayDepth) levels"
        }
    }
}
