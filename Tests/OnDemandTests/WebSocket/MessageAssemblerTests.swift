import Testing

@testable import OnDemand

struct MessageAssemblerTests {
    private let key = MaskingKey(0x37, 0xfa, 0x21, 0x3d)
    private static let rules = MessageRules(role: .fromClient, maximumMessageBytes: 100)

    /// Assembles a stream of bytes, with every payload copied.
    private func assembled(
        _ pieces: [[UInt8]], _ rules: MessageRules = Self.rules
    ) -> ([AssembledMessage], MessageViolation?) {
        var assembler = MessageAssembler()
        return AssembledMessage.all(of: pieces, by: &assembler, rules)
    }

    @Test("the masked Hello of RFC 6455 is a text that stays in the buffer")
    func hello() throws {
        var buffer: [UInt8] = [0, 0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0]
        var unread = 1..<12
        var assembler = MessageAssembler()
        let message = try assembler.next(in: &buffer, &unread, Self.rules)
        #expect(message == .text(.inBuffer(7..<12)))
        #expect(Array(buffer[7..<12]) == Array("Hello".utf8) && buffer[12] == 0)
        #expect(unread.isEmpty && assembler.isAtBoundary)
    }

    @Test("a connection between two messages stores one pointer")
    func idleSize() {
        #expect(MemoryLayout<MessageAssembler>.size == 8)
        var assembler = MessageAssembler()
        _ = AssembledMessage.all(of: [FrameWriter.text("a", key: key)], by: &assembler, Self.rules)
        _ = AssembledMessage.all(
            of: FrameWriter.text("b", key: key).map { [$0] }, by: &assembler, Self.rules)
        #expect(assembler.isAtBoundary && assembler.storedBytes == 0)
    }

    @Test("fragments become one message, and control frames between them are returned first, at every cut")
    func fragments() {
        let stream =
            FrameWriter.frame(.text, Array("Hé".utf8.prefix(2)), isFinal: false, key: key)
            + FrameWriter.ping([1, 2], key: key) + FrameWriter.frame(.continuation, [], isFinal: false, key: key)
            + FrameWriter.pong(key: key) + FrameWriter.frame(.continuation, [0xa9, 0x21], key: key)
            + FrameWriter.binary([0xff], key: key) + FrameWriter.close(.goingAway, reason: "bye", key: key)
        for pieces in Splits.all(of: stream) {
            let (messages, violation) = assembled(pieces)
            #expect(violation == nil)
            let expected: [AssembledMessage] = [
                .ping([1, 2]), .pong, .text(Array("Hé!".utf8)), .binary([0xff]), .close(1001, Array("bye".utf8)),
            ]
            #expect(messages == expected)
        }
    }

    @Test("nothing is returned after a close frame")
    func afterClose() {
        let stream = FrameWriter.frame(.close, [], key: key) + FrameWriter.text("late", key: key) + [0xff, 0xff]
        for pieces in Splits.all(of: stream) {
            let (messages, violation) = assembled(pieces)
            #expect(messages == [.close(1005, [])] && violation == nil)
        }
    }

    @Test("the longest message is accepted in any number of frames, and one byte more gets 1009 with its header")
    func limit() {
        let half = [UInt8](repeating: 0x61, count: 50)
        let first = FrameWriter.frame(.text, half, isFinal: false, key: key)
        let (messages, _) = assembled([first + FrameWriter.frame(.continuation, half, key: key)])
        #expect(messages == [.text(half + half)])
        let tooLong = FrameWriter.frame(.continuation, half + [0x61], key: key)
        let (none, violation) = assembled([first, Array(tooLong.prefix(6))])
        #expect(none.isEmpty && violation == .frame(.messageTooBig) && violation?.closeCode == .messageTooBig)
    }

    @Test("every error of a client has its close code, at every cut, and messages before it are returned")
    func violations() {
        let good = FrameWriter.text("ok", key: key)
        let cases: [([UInt8], MessageViolation, UInt16)] = [
            ([0xc1, 0x80, 1, 2, 3, 4], .frame(.reservedBits), 1002),
            ([0x83, 0x80, 1, 2, 3, 4], .frame(.unknownOpcode), 1002),
            ([0x09, 0x80, 1, 2, 3, 4], .frame(.fragmentedControlFrame), 1002),
            ([0x89, 0xfe, 0, 126, 1, 2, 3, 4], .frame(.longControlFrame), 1002),
            ([0x80, 0x80, 1, 2, 3, 4], .frame(.continuationWithoutStart), 1002),
            (
                FrameWriter.frame(.text, [0x61], isFinal: false, key: key) + FrameWriter.text("b", key: key),
                .frame(.startInsideMessage), 1002
            ),
            (FrameWriter.text("unmasked"), .frame(.unmaskedFromClient), 1002),
            ([0x81, 0xfe, 0, 125, 1, 2, 3, 4], .frame(.lengthNotMinimal), 1002),
            ([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], .frame(.lengthOutOfRange), 1002),
            ([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4], .frame(.messageTooBig), 1009),
            (FrameWriter.frame(.text, [0xc3, 0x28], key: key), .textNotUTF8, 1007),
            (FrameWriter.frame(.text, [0xed, 0xa0, 0x80], key: key), .textNotUTF8, 1007),
            (
                FrameWriter.frame(.text, [0xc3], isFinal: false, key: key)
                    + FrameWriter.frame(.continuation, [0xc3], key: key), .textNotUTF8, 1007
            ),
            (FrameWriter.frame(.close, [3], key: key), .frame(.closeBodyOfOneByte), 1002),
            (FrameWriter.frame(.close, [0x03, 0xed], key: key), .closeCodeInvalid, 1002),
            (FrameWriter.frame(.close, [0x03, 0xe8, 0xff], key: key), .closeReasonNotUTF8, 1007),
        ]
        for (bytes, expected, code) in cases {
            for pieces in Splits.all(of: good + bytes) {
                let (messages, violation) = assembled(pieces)
                #expect(messages == [.text(Array("ok".utf8))] && violation == expected)
            }
            #expect(expected.closeCode.number == code && !expected.reason.isEmpty)
        }
    }

    @Test("a server's frames are accepted without a mask and rejected with one")
    func fromServer() {
        let rules = MessageRules(role: .fromServer, maximumMessageBytes: 100)
        let (messages, _) = assembled([FrameWriter.text("a") + FrameWriter.ping([7])], rules)
        #expect(messages == [.text([0x61]), .ping([7])])
        #expect(assembled([FrameWriter.text("a", key: key)], rules).1 == .frame(.maskedFromServer))
    }

    @Test("the memory of a message grows with its received bytes, not with its announced length")
    func proxyProtocol() {
        var assembler = MessageAssembler()
        let rules = MessageRules(role: .fromClient, maximumMessageBytes: 1 << 30)
        let header: [UInt8] = [0x82, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4]
        _ = AssembledMessage.all(of: [header, [1, 2, 3]], by: &assembler, rules)
        #expect(assembler.storedBytes == 3 && !assembler.isAtBoundary)
    }

    @Test("random frames have the same messages and the same result in any split", arguments: 0..<80)
    func randomStreams(seed: Int) {
        var streams = FrameStreams(seed: UInt64(seed), role: .fromClient)
        let stream = streams.stream(frames: 12, bent: seed % 2 == 1)
        let rules = MessageRules(role: .fromClient, maximumMessageBytes: 70_000)
        let whole = assembled([stream], rules)
        for longest in [1, 7, 200] {
            let pieces = assembled(streams.cut(stream, longest: longest).map { Array($0) }, rules)
            #expect(whole == pieces)
        }
    }
}
