import Testing

@testable import OnDemand

struct OutputQueuesTests {
    private let start = Instant(nanoseconds: 0)
    private let frame = FrameWriter.text("0123456789")

    /// Sends to a socket that accepts this many bytes.
    private func drain(
        _ queues: inout OutputQueues, _ client: UInt32 = 1, taking room: Int, at now: Instant
    ) -> (OutputQueues.Drained, [UInt8]) {
        var (room, taken) = (room, [UInt8]())
        let drained = queues.drain(client, at: now) { frames, offset in
            let piece = frames[offset...].prefix(room)
            taken += piece
            room -= piece.count
            return .taken(piece.count)
        }
        return (drained, taken)
    }

    @Test("bytes that a socket did not accept are sent later in order, in any pieces", arguments: 1...30)
    func pieces(room: Int) {
        var queues = OutputQueues()
        let other = FrameWriter.text("abc")
        #expect(queues.append(frame, from: 3, to: 1, at: start, maximumBytes: 100) == true)
        #expect(queues.append(other, to: 1, at: start, maximumBytes: 100) == true)
        #expect(queues.byteCount(1) == frame.count - 3 + other.count)
        var sent: [UInt8] = []
        var result = OutputQueues.Drained.waiting
        while result == .waiting {
            let (drained, taken) = drain(&queues, taking: room, at: start)
            (result, sent) = (drained, sent + taken)
        }
        #expect(sent == frame[3...] + other && result == .empty)
        #expect(queues.isEmpty(1) && queues.count == 0)
    }

    @Test("a queue over its limit is too slow, and one at its limit is not")
    func limit() {
        var queues = OutputQueues()
        #expect(queues.append(frame, to: 1, at: start, maximumBytes: frame.count) == true)
        #expect(queues.append([0x81, 0], to: 1, at: start, maximumBytes: frame.count) == false)
        #expect(queues.longest == frame.count + 2)
    }

    @Test("a final message follows the partly sent frame and replaces everything after it")
    func closingFrames() {
        let joined = FrameWriter.text("one") + FrameWriter.text("two") + FrameWriter.text("three")
        let words = FrameWriter.close(.tryAgainLater)
        for offset in 0..<joined.count {
            var queues = OutputQueues()
            _ = queues.append(joined, from: offset, to: 1, at: start, maximumBytes: 1000)
            _ = queues.append(frame, to: 1, at: start, maximumBytes: 1000)
            queues.end(1, with: words, at: start)
            let (result, sent) = drain(&queues, taking: 1000, at: start)
            let texts = FrameTexts.all(in: Array(joined[..<offset]) + sent)
            #expect(result == .empty && texts.last == "close 1013")
            #expect(Array(texts.dropLast()) == Array(["one", "two", "three"].prefix(texts.count - 1)))
            #expect(texts.count - 1 == (offset == 0 ? 0 : offset <= 5 ? 1 : offset <= 10 ? 2 : 3))
        }
    }

    @Test("only bytes that a socket accepts count as progress, and move the deadline")
    func stalls() {
        var queues = OutputQueues()
        let timeout = Duration.seconds(10)
        #expect(queues.nextStall(after: timeout) == nil)
        for client in [UInt32(4), 2] { _ = queues.append(frame, to: client, at: start, maximumBytes: 100) }
        #expect(queues.nextStall(after: timeout) == start + timeout)
        _ = drain(&queues, 4, taking: 1, at: start + .seconds(3))
        _ = drain(&queues, 2, taking: 0, at: start + .seconds(3))
        #expect(queues.stalled(for: timeout, at: start + .seconds(9)) == [])
        #expect(queues.stalled(for: timeout, at: start + .seconds(10)) == [2])
        queues.remove(2)
        #expect(queues.nextStall(after: timeout) == start + .seconds(13))
        #expect(queues.stalled(for: timeout, at: start + .seconds(13)) == [4])
        queues.remove(4)
        #expect(queues.nextStall(after: timeout) == nil)
    }

    @Test("a failed socket is reported, and a client without a queue is drained")
    func failure() {
        var queues = OutputQueues()
        #expect(queues.drain(7, at: start) { _, _ in .failed } == .empty)
        _ = queues.append(frame, to: 7, at: start, maximumBytes: 100)
        #expect(queues.drain(7, at: start) { _, _ in .failed } == .failed)
    }
}
