/// The header of a frame (RFC 6455, 5.2).
///
///      0                   1                   2                   3
///      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
///     +-+-+-+-+-------+-+-------------+-------------------------------+
///     |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
///     |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
///     |N|V|V|V|       |S|             |   (if payload len==126/127)   |
///     | |1|2|3|       |K|             |                               |
///     +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
///     |     Extended payload length continued, if payload len == 127  |
///     + - - - - - - - - - - - - - - - +-------------------------------+
///     |                               |Masking-key, if MASK set to 1  |
///     +-------------------------------+-------------------------------+
///     | Masking-key (continued)       |          Payload Data         |
///     +-------------------------------- - - - - - - - - - - - - - - - +
///     :                     Payload Data continued ...                :
///     + - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - +
///     |                     Payload Data continued ...                |
///     +---------------------------------------------------------------+
package struct FrameHeader: Hashable, Sendable {
    package let start: FrameStart
    package let payloadLength: UInt64
    package let maskingKey: MaskingKey?

    /// Parses the header at `offset` without checks; nil while it is incomplete.
    package init?(_ bytes: Span<UInt8>, at offset: Int = 0) {
        let available = bytes.count - offset
        guard available >= FrameStart.byteCount else { return nil }
        start = FrameStart(first: bytes[offset], second: bytes[offset + 1])
        guard available >= start.headerByteCount else { return nil }

        let keyOffset = offset + FrameStart.byteCount + start.extendedLengthByteCount
        if start.extendedLengthByteCount == 0 {
            payloadLength = UInt64(start.shortLength)
        } else {
            var length: UInt64 = 0
            for index in offset + FrameStart.byteCount..<keyOffset { length = length << 8 | UInt64(bytes[index]) }
            payloadLength = length
        }
        guard start.isMasked else {
            maskingKey = nil
            return
        }
        maskingKey = MaskingKey(
            bytes[keyOffset], bytes[keyOffset + 1], bytes[keyOffset + 2], bytes[keyOffset + 3])
    }

    package var byteCount: Int { start.headerByteCount }
}

/// The first two bytes of a frame; they determine the length of its header.
package struct FrameStart: Hashable, Sendable {
    package static let byteCount = 2

    package let first: UInt8
    package let second: UInt8

    package init(first: UInt8, second: UInt8) {
        self.first = first
        self.second = second
    }

    package var isFinal: Bool { first & 0x80 != 0 }
    /// RSV1, RSV2 and RSV3, in that order, as the low three bits.
    package var reservedBits: UInt8 { first >> 4 & 0b111 }
    /// nil for the ten reserved numbers.
    package var opcode: FrameOpcode? { FrameOpcode(rawValue: first & 0x0f) }
    /// Whether it is an unfragmented text or binary frame.
    package var beginsWholeMessage: Bool { first & 0x8f == 0x81 || first & 0x8f == 0x82 }
    package var isMasked: Bool { second & 0x80 != 0 }
    /// The payload's length; 126 and 127 stand for two or eight more bytes of length.
    package var shortLength: UInt8 { second & 0x7f }

    package var extendedLengthByteCount: Int {
        switch shortLength {
        case 126: 2
        case 127: 8
        default: 0
        }
    }

    package var headerByteCount: Int {
        Self.byteCount + extendedLengthByteCount + (isMasked ? MaskingKey.byteCount : 0)
    }
}

/// The opcode of a frame (RFC 6455, 5.2 and 11.8).
package enum FrameOpcode: UInt8, Sendable, CaseIterable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xa

    /// Control frames are short and unfragmented, and may occur between the fragments of a message (5.5).
    package var isControl: Bool { rawValue & 0x8 != 0 }
}

/// The masking key of a client's frame, which keeps caches from reading payload as HTTP (RFC 6455, 5.3).
package struct MaskingKey: Hashable, Sendable {
    package static let byteCount = 4

    package let bytes: [4 of UInt8]

    package init(_ first: UInt8, _ second: UInt8, _ third: UInt8, _ fourth: UInt8) {
        bytes = [first, second, third, fourth]
    }

    /// The byte to combine with the payload's byte at `offset`.
    package subscript(offset: Int) -> UInt8 { bytes[offset & 3] }

    package static func == (left: MaskingKey, right: MaskingKey) -> Bool {
        (0..<byteCount).allSatisfy { left.bytes[$0] == right.bytes[$0] }
    }

    package func hash(into hasher: inout Hasher) {
        for offset in 0..<Self.byteCount { hasher.combine(self[offset]) }
    }
}
