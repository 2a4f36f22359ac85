/// Follows the frames in one direction of a WebSocket without keeping, changing or delaying a byte (RFC 6455, 5).
///
/// Most calls see one whole small frame, or the middle of a large payload. Both cost arithmetic only: a header that
/// arrived whole is read in one go, and a payload is skipped unseen, except for the two bytes of a close code.
/// A header that arrives in pieces is read byte by byte; each rule is judged in the order of the bytes it depends on,
/// so the verdict is the same however the stream was cut.
struct FrameTracker: Sendable {
    enum Role: Sendable { case fromClient, fromServer }

    /// Payload bytes still to come; inside a header, the length read so far.
    private var remaining: UInt64 = 0
    /// Payload bytes of the current message's fragments; never above the limit.
    private var messageBytes: UInt64 = 0
    private let messageLimit: UInt64
    private var start = FrameStart(first: 0, second: 0)
    private var headerBytesRead: UInt8 = 0
    private var flags: Flags
    /// First half of the masking key, XORed with the first two bytes of a close frame to get the code.
    private var closeBits: UInt16 = 0

    /// `maximumMessageBytes` counts payload as sent; an extension may make the message larger.
    init(role: Role, maximumMessageBytes: UInt64?, extensionsNegotiated: Bool = false) {
        messageLimit = maximumMessageBytes ?? .max
        flags = role == .fromClient ? .masked : []
        if extensionsNegotiated { flags.insert(.extensions) }
    }

    /// Whether the stream is between two frames, where a frame may be inserted.
    var isAtBoundary: Bool { headerBytesRead == 0 && remaining == 0 }

    /// Whether the peer has sent its close frame, after which it sends nothing more (5.5.1).
    var hasSeenClose: Bool { flags.contains(.closeSeen) }

    /// Follows the next bytes. After an error the stream has no frame boundaries, so no further call is allowed.
    mutating func advance(_ bytes: Span<UInt8>) throws(FrameError) -> FrameSummary {
        precondition(!flags.contains(.broken), "advance was called after an error")
        return isOneMessage(bytes) ? .oneMessage : try advancePiecewise(bytes)
    }

    /// Returns whether the bytes are one whole message in one frame, the most common case.
    private func isOneMessage(_ bytes: Span<UInt8>) -> Bool {
        guard isAtBoundary, !flags.contains(.insideMessage), bytes.count >= 4 else { return false }
        let start = FrameStart(first: bytes[0], second: bytes[1])
        guard start.beginsWholeMessage, start.isMasked == flags.contains(.masked),
            start.reservedBits == 0 || flags.contains(.extensions)
        else { return false }
        var length = Int(start.shortLength)
        if length == 126 {
            length = Int(bytes[2]) << 8 | Int(bytes[3])
            guard length > 125 else { return false }
        }
        return start.shortLength < 127 && bytes.count == start.headerByteCount + length && length <= messageLimit
    }

    private mutating func advancePiecewise(_ bytes: Span<UInt8>) throws(FrameError) -> FrameSummary {
        var summary = FrameSummary()
        var position = 0
        var frameBegin = 0
        while position < bytes.count {
            if headerBytesRead == 0 {
                if remaining > 0 {
                    position += skipPayload(bytes, at: position, &summary)
                    continue
                }
                frameBegin = position
            }
            do {
                position += try readHeader(bytes, at: position, &summary)
            } catch {
                flags.insert(.broken)
                throw FrameError(violation: error, validPrefix: frameBegin, summaryBefore: summary)
            }
        }
        return summary
    }

    private struct Flags: OptionSet {
        let rawValue: UInt8
        static let masked = Flags(rawValue: 1)
        static let extensions = Flags(rawValue: 2)
        static let insideMessage = Flags(rawValue: 4)
        static let closeSeen = Flags(rawValue: 8)
        static let broken = Flags(rawValue: 16)
    }
}

// MARK: - Headers

extension FrameTracker {
    /// Reads a whole header, or one byte of it; returns how many bytes that were.
    private mutating func readHeader(
        _ bytes: Span<UInt8>, at position: Int, _ summary: inout FrameSummary
    ) throws(FrameViolation) -> Int {
        guard headerBytesRead == 0, let header = FrameHeader(bytes, at: position) else {
            try readHeaderByte(bytes[position], &summary)
            return 1
        }
        start = header.start
        try judgeFirstByte()
        try judgeSecondByte()
        if let key = header.maskingKey {
            closeBits = UInt16(key[0]) << 8 | UInt16(key[1])
        } else {
            closeBits = 0
        }
        try beginFrame(payloadLength: header.payloadLength, &summary)
        return header.byteCount
    }

    private mutating func readHeaderByte(_ byte: UInt8, _ summary: inout FrameSummary) throws(FrameViolation) {
        let keyOffset = FrameStart.byteCount + start.extendedLengthByteCount
        switch Int(headerBytesRead) {
        case 0:
            start = FrameStart(first: byte, second: 0)
            try judgeFirstByte()
        case 1:
            start = FrameStart(first: start.first, second: byte)
            try judgeSecondByte()
            remaining = start.extendedLengthByteCount == 0 ? UInt64(start.shortLength) : 0
            closeBits = 0
        case ..<keyOffset:
            remaining = remaining << 8 | UInt64(byte)
        case ..<(keyOffset + 2):
            closeBits = closeBits << 8 | UInt16(byte)
        default:
            break  // The second half of the key unmasks nothing we look at.
        }
        headerBytesRead += 1
        guard headerBytesRead == start.headerByteCount else { return }
        headerBytesRead = 0
        try beginFrame(payloadLength: remaining, &summary)
    }

    private func judgeFirstByte() throws(FrameViolation) {
        guard start.reservedBits == 0 || flags.contains(.extensions) else { throw .reservedBits }
        switch start.opcode {
        case nil:
            throw .unknownOpcode
        case .continuation:
            guard flags.contains(.insideMessage) else { throw .continuationWithoutStart }
        case .text, .binary:
            guard !flags.contains(.insideMessage) else { throw .startInsideMessage }
        case .close, .ping, .pong:
            guard start.isFinal else { throw .fragmentedControlFrame }
        }
    }

    private func judgeSecondByte() throws(FrameViolation) {
        guard start.isMasked == flags.contains(.masked) else {
            throw start.isMasked ? .maskedFromServer : .unmaskedFromClient
        }
        guard let opcode = start.opcode, opcode.isControl else { return }
        guard start.shortLength <= 125 else { throw .longControlFrame }
        guard opcode != .close || start.shortLength != 1 else { throw .closeBodyOfOneByte }
    }

    private func judgeLength(_ length: UInt64) throws(FrameViolation) {
        switch start.extendedLengthByteCount {
        case 2:
            guard length > 125 else { throw .lengthNotMinimal }
        case 8:
            guard length >> 63 == 0 else { throw .lengthOutOfRange }
            guard length > UInt16.max else { throw .lengthNotMinimal }
        default:
            break
        }
    }
}

// MARK: - Frames

extension FrameTracker {
    private mutating func beginFrame(payloadLength: UInt64, _ summary: inout FrameSummary) throws(FrameViolation) {
        try judgeLength(payloadLength)
        switch start.opcode {
        case .continuation, .text, .binary:
            guard payloadLength <= messageLimit - messageBytes else { throw .messageTooBig }
            messageBytes += payloadLength
            flags.insert(.insideMessage)
            summary.dataFrames += 1
        case .ping:
            summary.pings += 1
        case .pong:
            summary.pongs += 1
        case .close:
            flags.insert(.closeSeen)
            if payloadLength == 0 { summary.closeCode = summary.closeCode ?? .noStatus }
        case nil:
            preconditionFailure("a frame without an opcode was let through")
        }
        summary.frames += 1
        remaining = payloadLength
        if remaining == 0 { endFrame(&summary) }
    }

    private mutating func skipPayload(_ bytes: Span<UInt8>, at position: Int, _ summary: inout FrameSummary) -> Int {
        let count = Int(min(remaining, UInt64(bytes.count - position)))
        if start.opcode == .close { readCloseCode(bytes, in: position..<position + count, &summary) }
        remaining -= UInt64(count)
        if remaining == 0 { endFrame(&summary) }
        return count
    }

    private mutating func endFrame(_ summary: inout FrameSummary) {
        guard start.isFinal, start.opcode?.isControl == false else { return }
        summary.messages += 1
        messageBytes = 0
        flags.remove(.insideMessage)
    }

    private mutating func readCloseCode(_ bytes: Span<UInt8>, in range: Range<Int>, _ summary: inout FrameSummary) {
        // A control frame's length is always the short one, so the payload's position needs no field of its own.
        var offset = UInt64(start.shortLength) - remaining
        for position in range where offset < 2 {
            closeBits ^= UInt16(bytes[position]) << (offset == 0 ? 8 : 0)
            offset += 1
            if offset == 2 { summary.closeCode = summary.closeCode ?? CloseCode(closeBits) }
        }
    }
}
