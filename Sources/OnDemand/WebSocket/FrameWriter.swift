/// Writes frames: a server's unmasked, a client's masked with its key (RFC 6455, 5).
package enum FrameWriter {
    /// Bytes of a close frame's reason: 125 without the code (5.5, 5.5.1).
    package static let longestCloseReason = 123
    /// Two bytes, eight of length and a masking key (5.2).
    static let longestHeader = 14

    /// Returns a close frame; the reason is cut at the end of a character, because it must be UTF-8 (5.5.1).
    package static func close(_ code: CloseCode, reason: String = "", key: MaskingKey? = nil) -> [UInt8] {
        precondition(code.isValidOnTheWire, "close code \(code) must not be sent")
        let payload = [UInt8(code.number >> 8), UInt8(code.number & 0xff)] + cut(reason, to: longestCloseReason)
        return frame(.close, payload, key: key)
    }

    package static func text(_ text: String, key: MaskingKey? = nil) -> [UInt8] {
        frame(.text, Array(text.utf8), key: key)
    }

    package static func binary(_ payload: [UInt8], key: MaskingKey? = nil) -> [UInt8] {
        frame(.binary, payload, key: key)
    }

    package static func ping(_ payload: [UInt8] = [], key: MaskingKey? = nil) -> [UInt8] {
        frame(.ping, payload, key: key)
    }

    package static func pong(_ payload: [UInt8] = [], key: MaskingKey? = nil) -> [UInt8] {
        frame(.pong, payload, key: key)
    }

    package static func frame(
        _ opcode: FrameOpcode, _ payload: [UInt8], isFinal: Bool = true, key: MaskingKey? = nil
    ) -> [UInt8] {
        precondition(
            !opcode.isControl || (isFinal && payload.count <= 125),
            "a control frame has at most 125 bytes and no fragments")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(longestHeader + payload.count)
        appendHeader(opcode, payloadByteCount: payload.count, isFinal: isFinal, masked: key != nil, to: &bytes)
        guard let key else { return bytes + payload }
        for offset in 0..<MaskingKey.byteCount { bytes.append(key[offset]) }
        for (offset, byte) in payload.enumerated() { bytes.append(byte ^ key[offset]) }
        return bytes
    }

    /// Appends opcode and length, the header up to the masking key.
    static func appendHeader(
        _ opcode: FrameOpcode, payloadByteCount: Int, isFinal: Bool = true, masked: Bool = false,
        to bytes: inout [UInt8]
    ) {
        bytes.append((isFinal ? 0x80 : 0) | opcode.rawValue)
        appendLength(payloadByteCount, masked: masked, to: &bytes)
    }

    /// Appends the length in as few bytes as possible (5.2).
    private static func appendLength(_ length: Int, masked: Bool, to bytes: inout [UInt8]) {
        let mask: UInt8 = masked ? 0x80 : 0
        switch length {
        case ...125:
            bytes.append(mask | UInt8(length))
        case ...Int(UInt16.max):
            bytes.append(mask | 126)
            for shift in [8, 0] { bytes.append(UInt8(length >> shift & 0xff)) }
        default:
            bytes.append(mask | 127)
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(length >> shift & 0xff)) }
        }
    }

    private static func cut(_ text: String, to limit: Int) -> [UInt8] {
        let bytes = Array(text.utf8)
        guard bytes.count > limit else { return bytes }
        var end = limit
        while end > 0, bytes[end] & 0xc0 == 0x80 { end -= 1 }
        return Array(bytes[..<end])
    }
}
