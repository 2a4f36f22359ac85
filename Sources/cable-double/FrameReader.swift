import OnDemand

/// Takes complete client frames from a queue and unmasks them (RFC 6455, 5).
enum FrameReader {
    /// Size of the largest frame that is echoed, in bytes.
    static let payloadLimit: UInt64 = 16 << 20

    struct Frame {
        let opcode: FrameOpcode
        let isFinal: Bool
        let payload: [UInt8]
    }

    struct Refusal: Error {
        let code: CloseCode
        let reason: String
    }

    /// nil: the frame is incomplete.
    static func next(_ input: inout ByteQueue) throws(Refusal) -> Frame? {
        guard let header = input.frameHeader else { return nil }
        guard let opcode = header.start.opcode, header.start.reservedBits == 0, let key = header.maskingKey else {
            throw Refusal(code: .protocolError, reason: "unknown opcode, reserved bit or missing mask")
        }
        guard !opcode.isControl || (header.start.isFinal && header.payloadLength <= 125) else {
            throw Refusal(code: .protocolError, reason: "control frame too long or fragmented")
        }
        guard header.payloadLength <= payloadLimit else {
            throw Refusal(code: .messageTooBig, reason: "frame larger than 16 MiB")
        }
        guard input.count - header.byteCount >= Int(header.payloadLength) else { return nil }
        input.consume(header.byteCount)
        var payload = input.take(Int(header.payloadLength))
        for offset in payload.indices { payload[offset] ^= key[offset] }
        return Frame(opcode: opcode, isFinal: header.start.isFinal, payload: payload)
    }
}
