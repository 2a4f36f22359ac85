@testable import OnDemand

/// Messages are assembled alike however their frames arrive, and as a decoder sees them that has the whole stream.
enum MessageStreamProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        let cuts = Cuts(input)
        let isFromClient = cuts.choice & 0x80 == 0
        let limit = cuts.choice & 0x40 == 0 ? 1 << 20 : 100
        let rules = MessageRules(role: isFromClient ? .fromClient : .fromServer, maximumMessageBytes: limit)

        var assembler = MessageAssembler()
        let whole = AssembledMessage.all(of: [cuts.bytes], by: &assembler, rules)
        var other = MessageAssembler()
        var begin = 0
        let pieces = cuts.ends.map { end in
            defer { begin = end }
            return Array(cuts.bytes[begin..<end])
        }
        let cut = AssembledMessage.all(of: pieces, by: &other, rules)
        try promise(
            whole.messages == cut.messages && whole.violation == cut.violation
                && assembler.isAtBoundary == other.isAtBoundary, "whole: \(whole), in pieces: \(cut)")

        var reference = ReferenceDecoder(role: isFromClient ? .fromClient : .fromServer, limit: UInt64(limit))
        reference.decode(cuts.bytes)
        let expected = messages(of: reference)
        try promise(whole.messages == expected.messages, "\(whole), but the reference: \(expected)")
        try promise(whole.violation == expected.violation, "\(whole), but the reference: \(expected)")
    }

    private static func messages(
        of reference: ReferenceDecoder
    ) -> (messages: [AssembledMessage], violation: MessageViolation?) {
        var messages: [AssembledMessage] = []
        var open: (isText: Bool, payload: [UInt8])?
        for frame in reference.frames where frame.isWhole {
            switch frame.opcode {
            case .ping: messages.append(.ping(frame.payload))
            case .pong: messages.append(.pong)
            case .close:
                let violation = closed(with: frame.payload, &messages)
                return (messages, violation)
            case .text, .binary, .continuation:
                let (isText, before) = open ?? (frame.opcode == .text, [])
                let payload = before + frame.payload
                open = frame.isFinal ? nil : (isText, payload)
                guard frame.isFinal else { continue }
                guard isText else {
                    messages.append(.binary(payload))
                    continue
                }
                guard String(validating: payload, as: UTF8.self) != nil else { return (messages, .textNotUTF8) }
                messages.append(.text(payload))
            }
        }
        return (messages, reference.violation.map { .frame($0) })
    }

    private static func closed(with body: [UInt8], _ messages: inout [AssembledMessage]) -> MessageViolation? {
        guard body.count >= 2 else {
            messages.append(.close(1005, []))
            return nil
        }
        let code = CloseCode(UInt16(body[0]) * 256 + UInt16(body[1]))
        guard code.isValidOnTheWire else { return .closeCodeInvalid }
        guard String(validating: body.dropFirst(2), as: UTF8.self) != nil else { return .closeReasonNotUTF8 }
        messages.append(.close(code.number, Array(body.dropFirst(2))))
        return nil
    }
}
