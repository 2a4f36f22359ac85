/// Whole messages from the frames of a WebSocket peer (RFC 6455, 5 and 6.2).
///
/// The connection's driver reads into a buffer that all connections share and asks for the next message until there is
/// none. A message that lies in the buffer in one frame stays there: it is unmasked in place and returned as a range.
/// Everything else is collected: a frame that has not arrived whole, and a message in several frames.
///
/// States:
/// - *boundary*: between two messages, nothing stored. Eight bytes for each connection, no allocation.
/// - *partial*: inside a frame or between two frames of a message. One allocation, never more payload than
///   `MessageRules.maximumMessageBytes` and one control frame.
/// - *closed*: after a close frame or an error. Later bytes are discarded (5.5.1, 7.1.7).
///
/// Invariants: the verdict and the messages do not depend on where the stream was cut. `FrameTracker` judges every
/// byte, so a rule is written once. Text is checked for UTF-8 when its message is complete. Control frames are returned
/// in the order in which they end, also between the fragments of a message.
///
/// Example: a client sends `Hel` without FIN, a ping, and `lo` with FIN. The first call returns the ping, the second
/// one the text `Hello`, the third one nil.
package struct MessageAssembler: Sendable {
    /// Empty at a boundary; one element otherwise. An array, because an empty one costs a pointer.
    private var partial: [Partial] = []

    package init() {}

    /// No frame and no message is open, and the peer has not closed.
    package var isAtBoundary: Bool { partial.isEmpty }
    /// After a close frame or an error.
    package var isClosed: Bool { partial.first?.isClosed ?? false }
    /// Bytes that are stored for an incomplete message.
    package var storedBytes: Int { partial.first.map { $0.header.count + $0.message.count + $0.control.count } ?? 0 }

    /// Returns the next message or control frame; nil when more bytes are needed. `unread` is the part of `buffer` that
    /// was received and not yet looked at. After an error nothing more is returned.
    package mutating func next(
        in buffer: inout [UInt8], _ unread: inout Range<Int>, _ rules: MessageRules
    ) throws(MessageViolation) -> IncomingMessage? {
        while !unread.isEmpty, !isClosed {
            do throws(MessageViolation) {
                if partial.isEmpty, let whole = try wholeFrame(in: &buffer, &unread, rules) { return whole }
                if let completed = try takePiece(of: buffer, &unread, rules) { return completed }
            } catch {
                close()
                unread = unread.upperBound..<unread.upperBound
                throw error
            }
        }
        unread = unread.upperBound..<unread.upperBound
        return nil
    }

    private mutating func close() {
        partial = [Partial(rules: MessageRules(role: .fromClient, maximumMessageBytes: 0))]
        partial[0].isClosed = true
    }

    /// State of an incomplete frame or message.
    private struct Partial: Sendable {
        var tracker: FrameTracker
        /// Bytes of a frame header that has not arrived whole.
        var header: [UInt8] = []
        /// The frame whose payload is being read.
        var frame: FrameHeader?
        /// Payload bytes of that frame that were read.
        var payloadRead = 0
        /// Text or binary: kind of the message that is open.
        var kind = FrameOpcode.text
        var message: [UInt8] = []
        var control: [UInt8] = []
        var isMessageOpen = false
        var isClosed = false

        init(rules: MessageRules) { tracker = rules.tracker }
    }
}

/// Direction of the frames, and the longest message that is accepted.
package struct MessageRules: Hashable, Sendable {
    /// Sender of the frames: clients mask, servers do not (5.1).
    package enum Role: Sendable { case fromClient, fromServer }

    package let role: Role
    /// Payload bytes of one message, over all of its frames.
    package let maximumMessageBytes: Int

    package init(role: Role, maximumMessageBytes: Int) {
        self.role = role
        self.maximumMessageBytes = maximumMessageBytes
    }

    fileprivate var tracker: FrameTracker {
        FrameTracker(
            role: role == .fromClient ? .fromClient : .fromServer, maximumMessageBytes: UInt64(maximumMessageBytes))
    }
}

/// One message or control frame, complete and unmasked.
package enum IncomingMessage: Hashable, Sendable {
    case text(MessageContent)
    case binary(MessageContent)
    case ping([UInt8])
    case pong
    /// Code and reason; `noStatus` for a close frame without a body (7.1.5).
    case close(CloseCode, reason: [UInt8])
}

/// Payload of a message: in the buffer it was received into, or collected from several pieces.
package enum MessageContent: Hashable, Sendable {
    case inBuffer(Range<Int>)
    case collected([UInt8])

    /// `buffer` is the one that was passed to `next`, unchanged since.
    package func withSpan<Result>(in buffer: [UInt8], _ body: (Span<UInt8>) -> Result) -> Result {
        switch self {
        case .inBuffer(let range): body(buffer.span.extracting(range))
        case .collected(let bytes): body(bytes.span)
        }
    }

    /// A copy of the payload.
    package func bytes(in buffer: [UInt8]) -> [UInt8] {
        switch self {
        case .inBuffer(let range): Array(buffer[range])
        case .collected(let bytes): bytes
        }
    }
}

/// A peer's error that ends a WebSocket, with the close code to send (RFC 6455, 7.1.7 and 7.4.1).
package enum MessageViolation: Error, Hashable, Sendable {
    case frame(FrameViolation)
    case textNotUTF8
    case closeCodeInvalid
    case closeReasonNotUTF8

    package var closeCode: CloseCode {
        switch self {
        case .frame(let violation): violation.closeCode
        case .textNotUTF8, .closeReasonNotUTF8: .invalidPayload  // 8.1
        case .closeCodeInvalid: .protocolError
        }
    }

    /// One sentence for the log and the close frame.
    package var reason: String {
        switch self {
        case .frame(let violation): violation.reason
        case .textNotUTF8: "A text message must be UTF-8."
        case .closeCodeInvalid: "The close code must not be sent."  // 7.4
        case .closeReasonNotUTF8: "The reason of a close frame must be UTF-8."  // 5.5.1
        }
    }
}

// MARK: - Frames that arrived whole

extension MessageAssembler {
    /// The usual case: a control frame, or a message in one frame, whole in the buffer. Nil for everything else.
    private mutating func wholeFrame(
        in buffer: inout [UInt8], _ unread: inout Range<Int>, _ rules: MessageRules
    ) throws(MessageViolation) -> IncomingMessage? {
        let begin = unread.lowerBound
        guard let header = FrameHeader(buffer.span.extracting(..<unread.upperBound), at: begin), header.start.isFinal,
            header.payloadLength <= UInt64(unread.count - header.byteCount)
        else { return nil }
        let payload = begin + header.byteCount..<begin + header.byteCount + Int(header.payloadLength)
        var tracker = rules.tracker
        do throws(FrameError) {
            _ = try tracker.advance(buffer.span.extracting(begin..<payload.upperBound))
        } catch {
            throw .frame(error.violation)
        }
        header.maskingKey?.unmask(&buffer, payload)
        unread = payload.upperBound..<unread.upperBound
        switch header.start.opcode {
        case .text:
            guard buffer.span.extracting(payload).isUTF8 else { throw .textNotUTF8 }
            return .text(.inBuffer(payload))
        case .binary: return .binary(.inBuffer(payload))
        case .ping: return .ping(Array(buffer[payload]))
        case .pong: return .pong
        case .close: return try closed(with: Array(buffer[payload]))
        case .continuation, nil: preconditionFailure("the tracker accepts no such frame at a boundary")
        }
    }

    private mutating func closed(with body: [UInt8]) throws(MessageViolation) -> IncomingMessage {
        guard body.count >= 2 else {
            close()
            return .close(.noStatus, reason: [])
        }
        let code = CloseCode(UInt16(body[0]) << 8 | UInt16(body[1]))
        guard code.isValidOnTheWire else { throw .closeCodeInvalid }
        guard body.span.extracting(2...).isUTF8 else { throw .closeReasonNotUTF8 }
        close()
        return .close(code, reason: Array(body[2...]))
    }
}

// MARK: - Frames and messages in pieces

extension MessageAssembler {
    /// Takes what the buffer has of one header or one payload; returns what that completes.
    private mutating func takePiece(
        of buffer: [UInt8], _ unread: inout Range<Int>, _ rules: MessageRules
    ) throws(MessageViolation) -> IncomingMessage? {
        if partial.isEmpty { partial = [Partial(rules: rules)] }
        if partial[0].frame == nil {
            try takeHeader(of: buffer, &unread)
            guard partial[0].frame != nil else { return nil }
        }
        return try takePayload(of: buffer, &unread)
    }

    private mutating func takeHeader(of buffer: [UInt8], _ unread: inout Range<Int>) throws(MessageViolation) {
        while !unread.isEmpty {
            let stored = partial[0].header
            let size = stored.count < 2 ? 2 : FrameStart(first: stored[0], second: stored[1]).headerByteCount
            let piece = unread.prefix(size - stored.count)
            try follow(buffer, piece)
            partial[0].header += buffer[piece]
            unread = piece.upperBound..<unread.upperBound
            let header = partial[0].header
            if let whole = FrameHeader(header.span) { return begin(whole) }
        }
    }

    private mutating func begin(_ header: FrameHeader) {
        partial[0].header = []
        partial[0].frame = header
        partial[0].payloadRead = 0
        guard let opcode = header.start.opcode, opcode == .text || opcode == .binary else { return }
        partial[0].kind = opcode
        partial[0].isMessageOpen = true
    }

    private mutating func takePayload(
        of buffer: [UInt8], _ unread: inout Range<Int>
    ) throws(MessageViolation) -> IncomingMessage? {
        guard let frame = partial[0].frame, let opcode = frame.start.opcode else {
            preconditionFailure("payload without a frame")
        }
        let missing = Int(frame.payloadLength) - partial[0].payloadRead
        let piece = unread.prefix(missing)
        try follow(buffer, piece)
        var bytes = Array(buffer[piece])
        frame.maskingKey?.unmask(&bytes, bytes.indices, offset: partial[0].payloadRead)
        if opcode.isControl { partial[0].control += bytes } else { partial[0].message += bytes }
        partial[0].payloadRead += piece.count
        unread = piece.upperBound..<unread.upperBound
        return piece.count == missing ? try end(frame.start, opcode) : nil
    }

    private mutating func end(_ start: FrameStart, _ opcode: FrameOpcode) throws(MessageViolation) -> IncomingMessage? {
        partial[0].frame = nil
        guard !opcode.isControl else { return try endControl(opcode) }
        guard start.isFinal else { return nil }
        let (kind, message) = (partial[0].kind, partial[0].message)
        partial = []
        guard kind == .text else { return .binary(.collected(message)) }
        guard message.span.isUTF8 else { throw .textNotUTF8 }
        return .text(.collected(message))
    }

    private mutating func endControl(_ opcode: FrameOpcode) throws(MessageViolation) -> IncomingMessage {
        let body = partial[0].control
        partial[0].control = []
        if !partial[0].isMessageOpen { partial = [] }
        switch opcode {
        case .ping: return .ping(body)
        case .pong: return .pong
        default: return try closed(with: body)
        }
    }

    private mutating func follow(_ buffer: [UInt8], _ piece: Range<Int>) throws(MessageViolation) {
        do throws(FrameError) {
            _ = try partial[0].tracker.advance(buffer.span.extracting(piece))
        } catch {
            throw .frame(error.violation)
        }
    }
}

extension Range<Int> {
    /// Its first `count` numbers, or all of them.
    fileprivate func prefix(_ count: Int) -> Range<Int> { lowerBound..<Swift.min(lowerBound + count, upperBound) }
}

extension Span<UInt8> {
    fileprivate var isUTF8: Bool {
        do {
            _ = try UTF8Span(validating: self)
            return true
        } catch {
            return false
        }
    }
}

extension MaskingKey {
    /// Unmasks bytes in place; the first of them is the payload's byte at `offset` (5.3).
    package func unmask(_ bytes: inout [UInt8], _ range: Range<Int>, offset: Int = 0) {
        var span = bytes.mutableSpan
        for index in range { span[index] ^= self[offset &+ index &- range.lowerBound] }
    }
}
