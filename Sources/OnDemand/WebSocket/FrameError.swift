/// A frame that must not be forwarded, and how many of the bytes before it may be.
struct FrameError: Error, Hashable {
    let violation: FrameViolation
    /// Bytes of the span before the offending frame: whole frames, or the rest of one. 0 where that frame began in an
    /// earlier span.
    let validPrefix: Int
    /// Summary of the valid prefix.
    let summaryBefore: FrameSummary

    var closeCode: CloseCode { violation.closeCode }
    var reason: String { violation.reason }
}

/// The rules of RFC 6455 that need no look into the payload, and the operator's limit.
package enum FrameViolation: Error, Hashable, CaseIterable, Sendable {
    case reservedBits
    case unknownOpcode
    case fragmentedControlFrame
    case continuationWithoutStart
    case startInsideMessage
    case unmaskedFromClient
    case maskedFromServer
    case longControlFrame
    case closeBodyOfOneByte
    case lengthOutOfRange
    case lengthNotMinimal
    case messageTooBig

    package var closeCode: CloseCode { self == .messageTooBig ? .messageTooBig : .protocolError }

    /// One sentence for the log and the close frame; short enough for a control frame (5.5).
    package var reason: String {
        switch self {
        case .reservedBits: "A reserved bit is set although no extension was negotiated."  // 5.2
        case .unknownOpcode: "The frame's opcode has no meaning."  // 5.2
        case .fragmentedControlFrame: "A control frame must not be fragmented."  // 5.5
        case .continuationWithoutStart: "A continuation frame has no message to continue."  // 5.4
        case .startInsideMessage: "A new message begins inside a fragmented one."  // 5.4
        case .unmaskedFromClient: "A client must mask its frames."  // 5.1
        case .maskedFromServer: "A server must not mask its frames."  // 5.1
        case .longControlFrame: "A control frame's payload must not exceed 125 bytes."  // 5.5
        case .closeBodyOfOneByte: "A close frame's body must begin with two bytes of code."  // 5.5.1
        case .lengthOutOfRange: "The highest bit of a 64-bit payload length must be zero."  // 5.2
        case .lengthNotMinimal: "A payload length must be written in as few bytes as possible."  // 5.2
        case .messageTooBig: "The message is larger than this service accepts."  // 7.4.1
        }
    }
}
