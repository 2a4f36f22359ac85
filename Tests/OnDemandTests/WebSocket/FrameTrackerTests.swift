import Testing

@testable import OnDemand

/// The tracker's results for a stream in pieces, with offsets from the beginning of the stream.
private struct Verdict: Equatable {
    var summary = FrameSummary()
    var violation: FrameViolation?
    /// Bytes up to which everything may be forwarded: never beyond the offending frame's first byte.
    var forwardable = 0
    var isAtBoundary = true
    var hasSeenClose = false

    init(_ pieces: some Sequence<some Collection<UInt8>>, _ tracker: FrameTracker) {
        var tracker = tracker
        for piece in pieces {
            do throws(FrameError) {
                summary += try tracker.follow(piece)
                forwardable += piece.count
            } catch {
                summary += error.summaryBefore
                violation = error.violation
                forwardable += error.validPrefix
                break
            }
        }
        isAtBoundary = tracker.isAtBoundary
        hasSeenClose = tracker.hasSeenClose
    }
}

private let key = MaskingKey(0x37, 0xfa, 0x21, 0x3d)
private let anyClient = FrameTracker(role: .fromClient, maximumMessageBytes: nil)
private let anyServer = FrameTracker(role: .fromServer, maximumMessageBytes: nil)

struct FrameTrackerTests {
    @Test("the examples of RFC 6455, 5.7, are parsed")
    func examplesOfTheStandard() {
        let hello: [UInt8] = [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
        let maskedHello: [UInt8] = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]
        let fragments: [UInt8] = [0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]
        let ping: [UInt8] = [0x89, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]
        let pong: [UInt8] = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]

        let one = FrameSummary(frames: 1, dataFrames: 1, messages: 1)
        #expect(Verdict([hello], anyServer).summary == one)
        #expect(Verdict([maskedHello], anyClient).summary == one)
        #expect(Verdict([fragments], anyServer).summary == FrameSummary(frames: 2, dataFrames: 2, messages: 1))
        #expect(Verdict([ping], anyServer).summary == FrameSummary(frames: 1, pings: 1))
        #expect(Verdict([pong], anyClient).summary == FrameSummary(frames: 1, pongs: 1))
    }

    @Test("a tracker is small and trivial, because every tunnel has two")
    func size() {
        #expect(MemoryLayout<FrameTracker>.size <= 32)
        #expect(MemoryLayout<FrameSummary>.size <= 24)
        #expect(_isPOD(FrameTracker.self))
    }

    @Test("only a data frame counts as activity")
    func dataFrameBegan() throws {
        var tracker = anyClient
        #expect(try !tracker.follow(FrameWriter.ping(key: key)).dataFrameBegan)
        #expect(try !tracker.follow(FrameWriter.pong(key: key)).dataFrameBegan)
        let text = FrameWriter.text("hello", key: key)
        #expect(try tracker.follow(text[..<7]).dataFrameBegan)
        #expect(!tracker.isAtBoundary)
        #expect(try !tracker.follow(text[7...]).dataFrameBegan, "it began in the call before")
        #expect(tracker.isAtBoundary)
    }

    @Test("an empty input has no result, and a tracker begins at a boundary")
    func nothing() throws {
        var tracker = anyServer
        #expect(tracker.isAtBoundary)
        #expect(try tracker.follow([]) == FrameSummary())
        #expect(tracker.isAtBoundary)
    }

    @Test("a message of many fragments with control frames between counts once, in any split")
    func splits() {
        let stream =
            FrameWriter.frame(.text, Array("one".utf8), isFinal: false, key: key)
            + FrameWriter.ping([1, 2, 3], key: key)
            + FrameWriter.frame(.continuation, [UInt8](repeating: 7, count: 300), isFinal: false, key: key)
            + FrameWriter.pong(key: key)
            + FrameWriter.frame(.continuation, [], key: key)
            + FrameWriter.close(.goingAway, reason: "bye", key: key)
        let expected = FrameSummary(
            frames: 6, dataFrames: 3, pings: 1, pongs: 1, messages: 1, closeCode: .goingAway)
        for pieces in Splits.all(of: stream) {
            let verdict = Verdict(pieces, anyClient)
            #expect(verdict.summary == expected)
            #expect(verdict.violation == nil && verdict.isAtBoundary && verdict.hasSeenClose)
        }
    }

    @Test("the middle of a large payload is skipped, its end is a boundary")
    func largePayload() throws {
        var tracker = anyServer
        let header: [UInt8] = [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 0]  // 4 GiB
        let chunk = [UInt8](repeating: 0xff, count: 1 << 20)
        #expect(try tracker.follow(header) == FrameSummary(frames: 1, dataFrames: 1))
        for _ in 0..<4095 {
            let summary = try tracker.advance(chunk.span)
            #expect(summary == FrameSummary())
        }
        #expect(!tracker.isAtBoundary)
        #expect(try tracker.follow(chunk) == FrameSummary(messages: 1))
        #expect(tracker.isAtBoundary)
    }

    @Test(
        "the close code is read through the mask",
        arguments: [CloseCode.normal, .goingAway, .messageTooBig, .serviceRestart, CloseCode(4999)])
    func closeCode(code: CloseCode) {
        for pieces in Splits.all(of: FrameWriter.close(code, reason: "why", key: key)) {
            #expect(Verdict(pieces, anyClient).summary.closeCode == code)
        }
        for pieces in Splits.all(of: FrameWriter.close(code)) {
            #expect(Verdict(pieces, anyServer).summary.closeCode == code)
        }
    }

    @Test("a close frame without a code is distinct from no close frame")
    func closeWithoutCode() {
        #expect(Verdict([FrameWriter.frame(.close, [], key: key)], anyClient).summary.closeCode == .noStatus)
        #expect(Verdict([FrameWriter.ping(key: key)], anyClient).summary.closeCode == nil)
    }

    @Test("a tracker continues after the close frame, because the endpoints own the bytes")
    func afterClose() {
        let stream = FrameWriter.close(.normal) + FrameWriter.text("late") + FrameWriter.close(.goingAway)
        let verdict = Verdict([stream], anyServer)
        #expect(verdict.summary == FrameSummary(frames: 3, dataFrames: 1, messages: 1, closeCode: .normal))
    }

    @Test("a message may be as large as the limit, over all its fragments, and not a byte larger")
    func messageLimit() {
        let tracker = FrameTracker(role: .fromServer, maximumMessageBytes: 200)
        let half = FrameWriter.frame(.binary, [UInt8](repeating: 0, count: 100), isFinal: false)
        let other = FrameWriter.frame(.continuation, [UInt8](repeating: 0, count: 100))
        let tooMuch = FrameWriter.frame(.continuation, [UInt8](repeating: 0, count: 101))
        for pieces in Splits.all(of: half + FrameWriter.ping([UInt8](repeating: 0, count: 125)) + other + half + other)
        {
            #expect(Verdict(pieces, tracker).summary.messages == 2)
        }
        for pieces in Splits.all(of: half + tooMuch) {
            #expect(Verdict(pieces, tracker).violation == .messageTooBig)
        }
        #expect(Verdict([half + tooMuch], tracker).forwardable == half.count)
    }

    @Test("a limit of zero lets empty messages through")
    func limitOfZero() {
        let tracker = FrameTracker(role: .fromServer, maximumMessageBytes: 0)
        #expect(Verdict([FrameWriter.text("") + FrameWriter.ping([1])], tracker).violation == nil)
        #expect(Verdict([FrameWriter.text("x")], tracker).violation == .messageTooBig)
    }

    @Test("reserved bits are allowed with a negotiated extension")
    func extensions() {
        let compressed: [UInt8] = [0xc1, 0x02, 0x4b, 0x00]
        let tracker = FrameTracker(role: .fromServer, maximumMessageBytes: nil, extensionsNegotiated: true)
        #expect(Verdict([compressed], tracker).summary.messages == 1)
        #expect(Verdict([compressed], anyServer).violation == .reservedBits)
    }

    @Test("a stream with a violation is not tracked further")
    func brokenStream() async {
        await #expect(processExitsWith: .failure) {
            var tracker = FrameTracker(role: .fromClient, maximumMessageBytes: nil)
            let unmasked: [UInt8] = [0x81, 0x00]
            _ = try? tracker.follow(unmasked)
            _ = try? tracker.follow(unmasked)
        }
    }
}

/// One violation of every rule.
struct FrameViolationTests {
    struct ProtocolViolation: Sendable, CustomTestStringConvertible {
        var violation: FrameViolation
        var role = FrameTracker.Role.fromServer
        /// Valid frames that must stand before it, in the same message.
        var before: [UInt8] = []
        var frame: [UInt8]
        var testDescription: String { "\(violation)" }
    }

    static let offences: [ProtocolViolation] = [
        ProtocolViolation(violation: .reservedBits, frame: [0xc1, 0x00]),
        ProtocolViolation(violation: .reservedBits, frame: [0xa2, 0x00]),
        ProtocolViolation(violation: .reservedBits, frame: [0x99, 0x00]),
        ProtocolViolation(violation: .unknownOpcode, frame: [0x83, 0x00]),
        ProtocolViolation(violation: .unknownOpcode, frame: [0x8f, 0x00]),
        ProtocolViolation(violation: .fragmentedControlFrame, frame: [0x08, 0x00]),
        ProtocolViolation(violation: .fragmentedControlFrame, frame: [0x09, 0x00]),
        ProtocolViolation(violation: .continuationWithoutStart, frame: [0x80, 0x00]),
        ProtocolViolation(violation: .startInsideMessage, before: [0x01, 0x00], frame: [0x81, 0x00]),
        ProtocolViolation(violation: .startInsideMessage, before: [0x02, 0x00, 0x89, 0x00], frame: [0x02, 0x00]),
        ProtocolViolation(violation: .unmaskedFromClient, role: .fromClient, frame: [0x81, 0x01, 0x61]),
        ProtocolViolation(violation: .maskedFromServer, frame: [0x81, 0x81, 0, 0, 0, 0, 0x61]),
        ProtocolViolation(violation: .longControlFrame, frame: [0x89, 126, 0, 126]),
        ProtocolViolation(violation: .longControlFrame, frame: [0x88, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ProtocolViolation(violation: .closeBodyOfOneByte, frame: [0x88, 0x01, 0x03]),
        ProtocolViolation(violation: .lengthOutOfRange, frame: [0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0]),
        ProtocolViolation(violation: .lengthNotMinimal, frame: [0x82, 126, 0, 125]),
        ProtocolViolation(violation: .lengthNotMinimal, frame: [0x82, 127, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        ProtocolViolation(violation: .messageTooBig, frame: [0x82, 126, 0x10, 0x01]),
    ]

    @Test("every rule has the same result in any split", arguments: offences)
    func everyRule(protocolViolation: ProtocolViolation) {
        let greeting = protocolViolation.role == .fromClient ? FrameWriter.text("ok", key: key) : FrameWriter.text("ok")
        let valid = greeting + protocolViolation.before
        let tracker = FrameTracker(role: protocolViolation.role, maximumMessageBytes: 4096)
        let whole = Verdict([valid + protocolViolation.frame], tracker)
        #expect(whole.violation == protocolViolation.violation)
        #expect(whole.forwardable == valid.count)
        for pieces in Splits.all(of: valid + protocolViolation.frame + [1, 2, 3]) {
            let verdict = Verdict(pieces, tracker)
            #expect(verdict.violation == protocolViolation.violation)
            #expect(verdict.summary == whole.summary)
            // Bytes of the offending header that came alone are gone already; bytes of its payload never are.
            #expect((valid.count..<valid.count + protocolViolation.frame.count).contains(verdict.forwardable))
        }
    }

    @Test("every rule has a violation above, a valid close code, and a reason that fits a close frame")
    func everyRuleIsTested() {
        #expect(Set(Self.offences.map(\.violation)) == Set(FrameViolation.allCases))
        for violation in FrameViolation.allCases {
            #expect(violation.closeCode == (violation == .messageTooBig ? .messageTooBig : .protocolError))
            #expect(violation.closeCode.isValidOnTheWire)
            #expect((1...FrameWriter.longestCloseReason).contains(violation.reason.utf8.count))
        }
    }

    @Test("the rest of an earlier frame is valid, so it is forwarded before the violation ends the tunnel")
    func restOfAnEarlierFrame() throws {
        var tracker = anyServer
        let text = FrameWriter.text("hello")
        _ = try tracker.follow(text[..<4])
        let rest = Array(text[4...]) + FrameWriter.ping() + [0xff, 0xff]
        let error = try #require(throws: FrameError.self) { try tracker.follow(rest) }
        #expect(error.validPrefix == rest.count - 2)
        #expect(error.summaryBefore == FrameSummary(frames: 1, pings: 1, messages: 1))
        #expect(error.closeCode == .protocolError)
        #expect(error.reason == FrameViolation.reservedBits.reason)
    }
}

/// The tracker and the reference decoder must agree about any stream.
struct FrameTrackerAgreementTests {
    @Test("random streams, whole and changed, have the results of the reference decoder", arguments: 0..<8)
    func agreement(part: Int) {
        for seed in UInt64(part * 150)..<UInt64(part * 150 + 150) {
            let role: FrameTracker.Role = seed % 2 == 0 ? .fromClient : .fromServer
            let limit: UInt64? = seed % 3 == 0 ? 400 : nil
            let extensions = seed % 5 == 0
            var streams = FrameStreams(seed: seed, role: role)
            let stream = streams.stream(frames: 12, bent: seed % 4 < 2)
            let pieces = streams.cut(stream, longest: [3, 17, 200, 70_000][Int(seed / 4 % 4)])

            var reference = ReferenceDecoder(role: role, limit: limit, extensions: extensions)
            reference.decode(stream)
            let tracker = FrameTracker(role: role, maximumMessageBytes: limit, extensionsNegotiated: extensions)
            for verdict in [Verdict([stream], tracker), Verdict(pieces, tracker)] {
                #expect(verdict.summary == reference.summary, "seed \(seed)")
                #expect(verdict.violation == reference.violation, "seed \(seed)")
                guard reference.violation == nil else { continue }
                #expect(verdict.isAtBoundary == (reference.leftover == 0), "seed \(seed)")
                #expect(verdict.forwardable == stream.count, "seed \(seed)")
            }
            #expect(Verdict([stream], tracker).forwardable == reference.violationOffset ?? stream.count, "seed \(seed)")
        }
    }

    @Test("bytes without frames have the results of the reference decoder")
    func noise() {
        for seed in 0..<2000 as Range<UInt64> {
            var random = Seeded(seed: seed)
            let stream = (0..<Int.random(in: 1...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            for role in [FrameTracker.Role.fromClient, .fromServer] {
                var reference = ReferenceDecoder(role: role, limit: 1 << 20, extensions: true)
                reference.decode(stream)
                let tracker = FrameTracker(role: role, maximumMessageBytes: 1 << 20, extensionsNegotiated: true)
                let verdict = Verdict([stream], tracker)
                #expect(verdict.violation == reference.violation, "seed \(seed)")
                #expect(verdict.summary == reference.summary, "seed \(seed)")
                #expect(Verdict(stream.map { [$0] }, tracker).summary == reference.summary, "seed \(seed)")
            }
        }
    }
}
