import Testing

@testable import OnDemand

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

struct RESPParserTests {
    @Test(
        "every type of reply is parsed",
        arguments: [
            ("+OK\r\n", [.status(bytes("OK"))]), ("+\r\n", [.status([])]), ("-ERR no\r\n", [.error(bytes("ERR no"))]),
            (":0\r\n", [.integer(0)]), (":-12\r\n", [.integer(-12)]), (":+3\r\n", [.integer(3)]),
            (":9223372036854775807\r\n", [.integer(.max)]), (":-9223372036854775808\r\n", [.integer(.min)]),
            ("$5\r\nhello\r\n", [.string(bytes("hello"))]), ("$0\r\n\r\n", [.string([])]), ("$-1\r\n", [.string(nil)]),
            ("$4\r\n\r\n\r\n\r\n", [.string(bytes("\r\n\r\n"))]), ("*0\r\n", [.array([])]), ("*-1\r\n", [.array(nil)]),
            ("*2\r\n:1\r\n*1\r\n$-1\r\n", [.array([.integer(1), .array([.string(nil)])])]),
            ("*2\r\n*0\r\n*-1\r\n", [.array([.array([]), .array(nil)])]),
            ("+a\r\n+b\r\n:1\r\n", [.status(bytes("a")), .status(bytes("b")), .integer(1)]), ("", []), ("$3\r\nab", []),
            (
                "*3\r\n$9\r\nsubscribe\r\n$4\r\nchat\r\n:1\r\n",
                [.array([.string(bytes("subscribe")), .string(bytes("chat")), .integer(1)])]
            ),
            (
                "*3\r\n$7\r\nmessage\r\n$4\r\nchat\r\n$2\r\n{}\r\n",
                [.array([.string(bytes("message")), .string(bytes("chat")), .string(bytes("{}"))])]
            ),
        ] as [(String, [RESPValue])])
    func replies(text: String, expected: [RESPValue]) {
        #expect(replies(to: [bytes(text)]) == .success(expected))
        #expect(replies(to: bytes(text).map { [$0] }) == .success(expected))
        for cut in 0...bytes(text).count {
            #expect(replies(to: [Array(bytes(text)[..<cut]), Array(bytes(text)[cut...])]) == .success(expected))
        }
    }

    @Test("a string may hold any bytes")
    func anyBytes() {
        let content = (0...255).map { UInt8($0) }
        #expect(replies(to: [bytes("$256\r\n") + content + bytes("\r\n")]) == .success([.string(content)]))
    }

    @Test(
        "a reply outside RESP2 is an error, in any split",
        arguments: [
            ("HTTP/1.1 400\r\n", .unknownType(UInt8(ascii: "H"))), ("%1\r\n", .unknownType(UInt8(ascii: "%"))),
            ("\r\n", .unknownType(13)), (":\r\n", .invalidNumber), (":1x\r\n", .invalidNumber),
            (":1 \r\n", .invalidNumber), (":-\r\n", .invalidNumber), (":--1\r\n", .invalidNumber),
            (":9223372036854775808\r\n", .invalidNumber), (":-9223372036854775809\r\n", .invalidNumber),
            ("$-2\r\n", .invalidNumber), ("$\r\n", .invalidNumber), ("$+1\r\n", .invalidNumber),
            ("*-2\r\n", .invalidNumber), ("*x\r\n", .invalidNumber), ("$1\r\nab\r\n", .invalidLineEnd),
            ("$1\r\na\n", .invalidLineEnd), ("$1\r\na\rx", .invalidLineEnd), ("+OK\n", .invalidLineEnd),
            ("+O\rK\r\n", .invalidLineEnd), ("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", .tooDeep),
            ("*1025\r\n", .tooManyItems), ("$16777217\r\n", .replyTooLong), ("$99999999999\r\n", .replyTooLong),
        ] as [(String, RESPError)])
    func errors(text: String, expected: RESPError) {
        #expect(replies(to: [bytes("+OK\r\n" + text)]) == .failure(expected))
        #expect(replies(to: bytes(text).map { [$0] }) == .failure(expected))
        #expect(!expected.sentence.isEmpty)
    }

    @Test("after an error nothing more is parsed")
    func failed() {
        var parser = RESPParser()
        let wrong = bytes("?\r\n")
        let right = bytes("+OK\r\n")
        #expect(throws: RESPError.unknownType(63)) { try parser.feed(wrong.span) { _ in } }
        #expect(throws: RESPError.unknownType(63)) {
            try parser.feed(right.span) { _ in Issue.record("read on") }
        }
    }

    @Test("a line, a reply and an array reach their limits and no further")
    func limits() {
        let line = [UInt8](repeating: UInt8(ascii: "a"), count: Limits.redisLineBytes - 1)
        #expect(replies(to: [bytes("+") + line + bytes("\r\n")]) == .success([.status(line)]))
        #expect(replies(to: [bytes("+") + line + bytes("aaa\r\n")]) == .failure(.lineTooLong))
        let items = String(repeating: ":1\r\n", count: Limits.redisArrayItems)
        let ones = [RESPValue](repeating: .integer(1), count: Limits.redisArrayItems)
        #expect(replies(to: [bytes("*1024\r\n" + items)]) == .success([.array(ones)]))
        // The limit is that of a reply, not of each of its parts.
        let half = [UInt8](repeating: 0, count: Limits.redisReplyBytes / 2)
        let part = bytes("$\(half.count)\r\n") + half + bytes("\r\n")
        #expect(replies(to: [bytes("*2\r\n") + part + part]) == .failure(.replyTooLong))
        #expect(replies(to: [part, part]) == .success([.string(half), .string(half)]))
    }

    @Test("an announced length reserves no memory")
    func proxyProtocol() throws {
        var parser = RESPParser()
        let announcement = bytes("$16000000\r\nabc")
        try parser.feed(announcement.span) { _ in Issue.record("not complete") }
        #expect(parser.isInsideReply)
        #expect(MemoryLayout<RESPParser>.size < 128)
    }

    @Test("the parser is inside no reply between two replies")
    func between() throws {
        var parser = RESPParser()
        #expect(!parser.isInsideReply)
        let reply = bytes("*1\r\n$1\r\na\r\n")
        for (index, byte) in reply.enumerated() {
            let one = [byte]
            try parser.feed(one.span) { _ in }
            #expect(parser.isInsideReply == (index < reply.count - 1))
        }
    }

    // MARK: Commands

    @Test("a command is an array of strings, of any bytes, and is read back as such")
    func commands() {
        let words = [bytes("PUBLISH"), bytes("caf\u{e9} \r\n*1"), [], (0...255).map { UInt8($0) }]
        var output: [UInt8] = []
        RedisCommand.append(words, to: &output)
        #expect(replies(to: [output]) == .success([.array(words.map { .string($0) })]))
    }

    @Test("consecutive commands are parsed as the server parses them")
    func wire() {
        var output: [UInt8] = []
        RedisCommand.append("SUBSCRIBE", "a", "bc", to: &output)
        RedisCommand.append("PING", to: &output)
        let expected = "*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$2\r\nbc\r\n*1\r\n$4\r\nPING\r\n"
        #expect(String(decoding: output, as: UTF8.self) == expected)
    }

    private func replies(to pieces: [[UInt8]]) -> Result<[RESPValue], RESPError> {
        var parser = RESPParser()
        var replies: [RESPValue] = []
        do throws(RESPError) {
            for piece in pieces { try parser.feed(piece.span) { replies.append($0) } }
            return .success(replies)
        } catch {
            return .failure(error)
        }
    }
}
