import Testing

@testable import OnDemand

struct RunOutputTests {
    private static let end = RunOutput.Message.end

    private func flowing() -> RunOutput { RunOutput(isHeld: false, at: noon) }

    /// All messages that come out of these pieces, with time passing as the output asks for it.
    private func messages(_ pieces: [[UInt8]], line: String? = nil) -> [RunOutput.Message] {
        var output = flowing()
        var now = noon
        var messages: [RunOutput.Message] = []
        func take() { while let message = output.next(at: now) { messages.append(message) } }
        for piece in pieces {
            var rest = piece[...]
            while !rest.isEmpty {
                let room = output.room(at: now)
                output.append(Array(rest.prefix(room)).span, at: now)
                rest = rest.dropFirst(room)
                take()
                if room == 0 { now = output.deadline(wantsToRead: true, at: now)! }
            }
        }
        output.close(line)
        while !output.hasEnded {
            take()
            if let deadline = output.deadline(wantsToRead: false, at: now) { now = max(now, deadline) }
        }
        return messages
    }

    private func text(_ messages: [RunOutput.Message]) -> [UInt8] {
        messages.flatMap { if case .text(let text) = $0 { text } else { [UInt8]() } }
    }

    /// What a terminal would show of the bytes, by the standard library.
    private func expected(_ bytes: [UInt8]) -> String {
        String(decoding: bytes, as: UTF8.self).replacing("\u{4}", with: "\u{fffd}")
    }

    // MARK: Memory

    @Test("held output counts with its bytes, and with the state of its run, until it flows")
    func heldBytes() {
        var output = RunOutput(isHeld: true, at: noon)
        #expect(output.heldBytes == Limits.heldRunBytes)
        let bytes = [UInt8](repeating: 0x61, count: 3 * Limits.heldRunBytes)
        output.append(bytes.span, at: noon)
        #expect(output.heldBytes == bytes.count)
        output.release(at: noon)
        #expect(output.heldBytes == 0)
        #expect(RunOutput(isHeld: false, at: noon).heldBytes == 0)
    }

    @Test("a program that prints without end keeps a bounded number of bytes, whatever its pieces are")
    func endless() {
        var output = flowing()
        var now = noon
        var most = 0
        let piece = [UInt8](repeating: 0x61, count: Limits.terminalReadBytes - 7)
        for _ in 0..<2_000 {
            if output.room(at: now) >= piece.count { output.append(piece.span, at: now) }
            while output.next(at: now) != nil {}
            most = max(most, output.keptBytes)
            now = now + .milliseconds(5)
        }
        #expect(output.byteCount > 10_000_000)
        #expect(most <= Limits.heldOutputBytes + 4 * Limits.commandMessageBytes)
    }

    @Test("the last output of an ended program is read although no subscriber has come")
    func rest() {
        var output = RunOutput(isHeld: true, at: noon)
        let now = noon + .seconds(1)
        output.append([UInt8](repeating: 0x61, count: Limits.heldOutputBytes).span, at: noon)
        #expect(output.room(at: now) == 0)
        output.readRest()
        #expect(output.room(at: now) > 0)
        output.append(([0x62] as [UInt8]).span, at: now)
        output.close(nil)
        output.subscribed(at: now)
        var messages: [RunOutput.Message] = []
        for step in 0..<10 {
            while let message = output.next(at: now + .milliseconds(100 * step)) { messages.append(message) }
        }
        #expect(text(messages).count == Limits.heldOutputBytes + 1 && messages.last == Self.end)
    }

    @Test("behind the end of a program no more is read than a terminal holds")
    func restIsBounded() {
        for isHeld in [true, false] {
            var output = RunOutput(isHeld: isHeld, at: noon)
            var now = noon
            output.append([UInt8](repeating: 0x61, count: 1000).span, at: now)
            output.readRest()
            for _ in 0..<1000 where !output.isRestRead {
                let room = min(output.room(at: now), 4095)
                if room > 0 { output.append([UInt8](repeating: 0x62, count: room).span, at: now) }
                while output.next(at: now) != nil {}
                now = now + .milliseconds(1)
            }
            #expect(output.isRestRead && output.room(at: now + .seconds(1)) == 0)
            #expect(output.byteCount == UInt64(1000 + Limits.terminalRestBytes))
            output.close(nil)
            #expect(!output.isRestRead)
        }
    }

    // MARK: Text

    @Test(
        "the text is the same wherever the bytes are cut, and never half a character",
        arguments: [
            "plain\r\n", "ü€𝄞é", "\u{1b}[31mrot\u{1b}[0m", "", "\u{4}", "a\u{4}b", "\u{0}\u{7f}", "🇩🇪👩‍👩‍👧",
        ])
    func cuts(whole: String) {
        let bytes = Array(whole.utf8)
        for pieces in Splits.all(of: bytes) {
            let messages = messages(pieces)
            #expect(String(decoding: text(messages), as: UTF8.self) == expected(bytes))
            #expect(messages.last == Self.end && messages.count { $0 == Self.end } == 1)
            for case .text(let part) in messages { #expect((try? UTF8Span(validating: part.span)) != nil) }
        }
    }

    @Test("bytes that are not UTF-8 become U+FFFD as in the standard library, wherever they are cut")
    func invalid() {
        let samples: [[UInt8]] = [
            [0xff], [0xc0, 0x80], [0xe0, 0x80, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xf5, 0x80],
            [0xe2, 0x82], [0xe2, 0x82, 0x41], [0xf0, 0x9f, 0x98], [0xf0, 0x9f, 0x41], [0xc3], [0xc3, 0xc3, 0xa4],
            [0x80, 0x80], [0xf0, 0x80, 0x80, 0x80], [0xe1, 0x80, 0xe2, 0xf0, 0x91, 0x92, 0xf1, 0xbf, 0x41],
        ]
        for sample in samples {
            for pieces in Splits.all(of: sample + [0x78]) + Splits.all(of: sample) {
                let bytes = pieces.flatMap(\.self)
                #expect(String(decoding: text(messages(pieces)), as: UTF8.self) == expected(bytes), "\(sample)")
            }
        }
    }

    @Test("random bytes in random pieces lose nothing, and no message is longer than 16 KiB", arguments: 1...20)
    func random(seed: UInt64) {
        var dice = Seeded(seed: seed)
        let alphabet: [[UInt8]] = [
            [0x61], Array("ü".utf8), Array("€".utf8), Array("𝄞".utf8), [0xff], [0xe2, 0x82], [0x0a], [0x04], [0x1b],
        ]
        var pieces: [[UInt8]] = []
        for _ in 0..<Int.random(in: 1...12, using: &dice) {
            let count = Int.random(in: 0...20_000, using: &dice)
            pieces.append((0..<count).flatMap { _ in alphabet.randomElement(using: &dice)! })
        }
        let messages = messages(pieces, line: "\r\nthe end\r\n")
        let whole = pieces.flatMap(\.self)
        #expect(String(decoding: text(messages), as: UTF8.self) == expected(whole) + "\r\nthe end\r\n")
        for case .text(let part) in messages {
            #expect(!part.isEmpty && part.count <= 16 * 1024)
            #expect((try? UTF8Span(validating: part.span)) != nil, "half a character")
            #expect(part != [0x04])
        }
        #expect(messages.last == Self.end)
    }

    // MARK: Pace

    @Test("the first output leaves at once, small output is joined to 20 messages in a second")
    func pace() {
        var output = flowing()
        output.append([0x61].span, at: noon)
        #expect(output.next(at: noon) == .text([0x61]))
        var times: [Duration] = []
        for millisecond in 1...1000 {
            let now = noon + .milliseconds(millisecond)
            output.append([0x62].span, at: now)
            while let message = output.next(at: now) {
                #expect(message == .text(Array(repeating: 0x62, count: 50)))
                times.append(now - noon)
            }
        }
        #expect(times == (1...20).map { .milliseconds(50 * $0) })
    }

    @Test("the timer of a small message is armed, and none without one")
    func timer() {
        var output = flowing()
        #expect(output.deadline(wantsToRead: false, at: noon) == nil)
        output.append([0x61].span, at: noon)
        _ = output.next(at: noon)
        #expect(output.deadline(wantsToRead: false, at: noon) == nil, "nothing waits")
        output.append([0x62].span, at: noon + .milliseconds(10))
        #expect(output.deadline(wantsToRead: false, at: noon + .milliseconds(10)) == noon + .milliseconds(50))
        #expect(output.next(at: noon + .milliseconds(49)) == nil)
        #expect(output.next(at: noon + .milliseconds(50)) == .text([0x62]))
    }

    @Test("full messages leave at once")
    func full() {
        var output = flowing()
        let piece = [UInt8](repeating: 0x61, count: 16 * 1024)
        for _ in 0..<4 {
            output.append(piece.span, at: noon)
            #expect(output.next(at: noon) == .text(piece))
            #expect(output.next(at: noon) == nil)
        }
    }

    @Test("a message of 16 KiB is cut in front of a character")
    func cut() {
        var output = flowing()
        output.append((Array(repeating: 0x61, count: 16 * 1024 - 1) + Array("€".utf8)).span, at: noon)
        guard case .text(let first) = output.next(at: noon) else {
            Issue.record("no message")
            return
        }
        #expect(first.count == 16 * 1024 - 1)
    }

    @Test("reading is bounded at 4 MiB per second, with a short burst")
    func rate() {
        var output = flowing()
        var now = noon
        var read = 0
        while now < noon + .seconds(10) {
            let room = output.room(at: now)
            if room > 0 {
                output.append([UInt8](repeating: 0x61, count: room).span, at: now)
                read += room
            } else {
                now = output.deadline(wantsToRead: true, at: now)!
            }
            while output.next(at: now) != nil {}
        }
        let rate = 4 * 1024 * 1024
        #expect(read >= 10 * rate - 64 * 1024 && read <= 10 * rate + rate / 10, "\(read)")
    }

    @Test("no deadline has passed, whatever was read and sent", arguments: 1...10)
    func deadlines(seed: UInt64) {
        var dice = Seeded(seed: seed)
        var output = RunOutput(isHeld: seed % 2 == 0, at: noon)
        var now = noon
        for _ in 0..<400 {
            now = now + dice.duration(.zero ... .milliseconds(8))
            let room = output.room(at: now)
            if room > 0, dice.chance(80) {
                output.append([UInt8](repeating: 0x61, count: dice.number(in: 1...room)).span, at: now)
            }
            if dice.chance(1) { output.subscribed(at: now) }
            while output.next(at: now) != nil {}
            for wantsToRead in [false, true] {
                guard let deadline = output.deadline(wantsToRead: wantsToRead, at: now) else { continue }
                #expect(deadline >= now)
                // A timer that has nothing to do would fire again and again.
                if output.room(at: now) == 0 || !wantsToRead { #expect(deadline > now) }
            }
        }
    }

    // MARK: The first subscriber

    @Test("output waits for a subscriber, up to 64 KiB, and then all of it leaves")
    func subscriber() {
        var output = RunOutput(isHeld: true, at: noon)
        var count = 0
        while true {
            let room = min(output.room(at: noon), 4096)
            guard room > 0 else { break }
            output.append([UInt8](repeating: 0x61, count: room).span, at: noon)
            count += room
        }
        #expect(count == 64 * 1024)
        #expect(output.next(at: noon + .seconds(9)) == nil)
        #expect(output.deadline(wantsToRead: true, at: noon) == noon + .seconds(10))
        output.subscribed(at: noon + .seconds(9))
        var left = 0
        while case .text(let text) = output.next(at: noon + .seconds(9)) { left += text.count }
        #expect(left == count)
        #expect(output.room(at: noon + .seconds(9)) > 0)
    }

    @Test("without a subscriber output flows after 10 s, also that of a program that has ended")
    func timeout() {
        var output = RunOutput(isHeld: true, at: noon)
        #expect(output.deadline(wantsToRead: false, at: noon) == nil, "nothing waits")
        output.append([0x61].span, at: noon)
        output.close("b")
        #expect(output.next(at: noon + .seconds(9)) == nil)
        #expect(output.deadline(wantsToRead: false, at: noon) == noon + .seconds(10))
        #expect(output.next(at: noon + .seconds(10)) == .text([0x61, 0x62]))
        #expect(output.next(at: noon + .seconds(10)) == Self.end)
        #expect(output.next(at: noon + .seconds(10)) == nil && output.hasEnded)
    }

    @Test("a shutdown waits for no subscriber")
    func release() {
        var output = RunOutput(isHeld: true, at: noon)
        output.append([0x61].span, at: noon)
        output.release(at: noon)
        #expect(output.next(at: noon) == .text([0x61]))
        output.close(nil)
        #expect(output.next(at: noon) == Self.end)
    }

    @Test("bytes are counted as the program wrote them")
    func count() {
        var output = flowing()
        output.append([0xff, 0x04, 0x61].span, at: noon)
        #expect(output.byteCount == 3)
    }
}
