/// Divides what a program writes to its terminal into messages.
///
/// Bytes come in with `append`, in any pieces. Messages come out with `next`, as text: whole characters of UTF-8, of at
/// most `Limits.commandMessageBytes` each, and at last `Message.end`. The driver reads no more than `room` allows, and
/// asks again at `deadline`.
///
/// - Bytes that are not UTF-8 become U+FFFD, one for each maximal subpart (Unicode, 3.9), wherever the bytes were cut.
///   A U+0004 of the program becomes U+FFFD too: it must not be taken for the end.
/// - At first output waits for a subscriber (*held*), up to `Limits.heldOutputBytes`: beyond, nothing is read. It flows
///   when there is a subscriber, when the time for it is over, or when the driver holds too much for all runs.
/// - Then the first message leaves at once, and full ones do. A smaller one waits until `Limits.commandMessagePause`
///   has passed since the last one, and is joined by what comes meanwhile.
/// - Reading is bounded by `Limits.commandOutputRate` with a short burst, so a program that prints without end waits.
///
/// Invariants: the messages together are the whole output, in order. After `end` nothing follows.
///
/// Example: a program prints "a", and "b" 10 ms later. "a" leaves at once, "b" 40 ms later.
struct RunOutput {
    enum Message: Equatable {
        case text([UInt8])
        /// Nothing follows.
        case end
    }

    private enum Delivery: Equatable {
        /// No message leaves before there is a subscriber, or before this time.
        case held(until: Instant)
        /// The next message that is not full leaves at this time.
        case flowing(nextAt: Instant)
    }

    private enum Input: Equatable {
        case open
        /// Open, behind the end of the program: so many bytes may still be read.
        case rest(left: Int)
        case closed, ended
    }

    private var delivery: Delivery
    private var input = Input.open
    /// Whole characters that have not left.
    private var text: [UInt8] = []
    /// Bytes at the beginning of `text` that have left; less than `Limits.heldOutputBytes`.
    private var sent = 0
    /// The beginning of a character whose rest has not come; at most three bytes.
    private var partial: [UInt8] = []
    /// When all bytes so far would have been read at an even rate.
    private var paidUntil: Instant
    /// Bytes that the program has written and that were read.
    private(set) var byteCount: UInt64 = 0

    /// `isHeld`: output waits for a subscriber.
    init(isHeld: Bool, at now: Instant) {
        delivery = isHeld ? .held(until: now + Limits.firstSubscriberTimeout) : .flowing(nextAt: now)
        paidUntil = now
    }

    // MARK: Input

    /// The bytes that may be read now. 0: not before `deadline`, or not before there is a subscriber.
    func room(at now: Instant) -> Int {
        let waiting = text.count - sent + partial.count
        let allowed = Self.bytes(in: now + Limits.commandOutputBurst - paidUntil)
        // Fewer bytes would not be worth a read.
        guard mayRead, allowed >= Limits.terminalReadBytes else { return 0 }
        let room = min(allowed, max(0, capacity - waiting))
        if case .rest(let left) = input { return min(room, left) }
        return room
    }

    private var capacity: Int {
        let rest = if case .rest = input { Limits.terminalRestBytes } else { 0 }
        return switch delivery {
        case .held: Limits.heldOutputBytes + rest
        case .flowing: 2 * Limits.commandMessageBytes + rest
        }
    }

    private var mayRead: Bool {
        switch input {
        case .open, .rest: true
        case .closed, .ended: false
        }
    }

    /// The program has ended: its last output is read whether there is a subscriber or not, up to
    /// `Limits.terminalRestBytes`.
    mutating func readRest() { if input == .open { input = .rest(left: Limits.terminalRestBytes) } }

    /// All that an ended program can have written is read; what follows is of another one.
    var isRestRead: Bool { input == .rest(left: 0) }

    mutating func append(_ bytes: Span<UInt8>, at now: Instant) {
        precondition(mayRead, "output behind the end")
        byteCount += UInt64(bytes.count)
        if case .rest(let left) = input { input = .rest(left: max(0, left - bytes.count)) }
        paidUntil = max(paidUntil, now) + Self.time(of: bytes.count)
        var unread = partial
        unread.append(copying: bytes)
        partial = []
        decode(unread.span)
    }

    private static func time(of bytes: Int) -> Duration {
        .nanoseconds(Int64(bytes) * 1_000_000_000 / Int64(Limits.commandOutputRate))
    }

    private static func bytes(in time: Duration) -> Int {
        guard time > .zero else { return 0 }
        let bounded = min(time, Limits.commandOutputBurst)
        return Int(bounded.wholeNanoseconds * Int64(Limits.commandOutputRate) / 1_000_000_000)
    }

    /// The program has written its last byte. `line` is the daemon's own last line.
    mutating func close(_ line: String?) {
        precondition(mayRead, "the end behind the end")
        input = .closed
        if !partial.isEmpty { text += Self.replacement }
        partial = []
        text += (line ?? "").utf8
    }

    // MARK: Output

    /// There is a subscriber.
    mutating func subscribed(at now: Instant) {
        if case .held = delivery { delivery = .flowing(nextAt: now) }
    }

    /// Nothing waits any more: the daemon stops, or holds too much.
    mutating func release(at now: Instant) { delivery = .flowing(nextAt: now) }

    /// Returns the next message that may leave now.
    mutating func next(at now: Instant) -> Message? {
        if case .held(let until) = delivery, until <= now { delivery = .flowing(nextAt: now) }
        guard case .flowing(let nextAt) = delivery else { return nil }
        let waiting = text.count - sent
        if waiting >= Limits.commandMessageBytes || waiting > 0 && nextAt <= now {
            delivery = .flowing(nextAt: now + Limits.commandMessagePause)
            return .text(takeMessage())
        }
        guard waiting == 0, input == .closed else { return nil }
        input = .ended
        return .end
    }

    /// When `next` or `room` has something new without another event. nil: never. Not before `now`, if `next` has
    /// returned nil. `wantsToRead`: the terminal has unread bytes.
    func deadline(wantsToRead: Bool, at now: Instant) -> Instant? {
        let waiting = text.count - sent
        let message: Instant? =
            switch delivery {
            case .held(let until): waiting > 0 || input == .closed ? until : nil
            case .flowing(let nextAt): waiting > 0 ? nextAt : nil
            }
        guard wantsToRead, mayRead, waiting + partial.count < capacity else { return message }
        // The time at which the burst has room for a read again.
        let read = max(now, paidUntil + (Self.time(of: Limits.terminalReadBytes) - Limits.commandOutputBurst))
        return message.map { min($0, read) } ?? read
    }

    var hasEnded: Bool { input == .ended }

    /// Bytes that wait for a subscriber, with the state of the run itself. 0: none waits any more.
    var heldBytes: Int {
        guard case .held = delivery else { return 0 }
        return max(keptBytes, Limits.heldRunBytes)
    }

    /// Bytes in memory, those included that have left.
    var keptBytes: Int { text.count + partial.count }

    private mutating func takeMessage() -> [UInt8] {
        var end = min(text.count, sent + Limits.commandMessageBytes)
        // Not in the middle of a character.
        while end < text.count, text[end] & 0xc0 == 0x80 { end -= 1 }
        defer {
            sent = end
            if sent == text.count {
                (text, sent) = ([], 0)
            } else if sent >= Limits.heldOutputBytes {
                // A program that prints without end may never let the text become empty.
                text.removeFirst(sent)
                sent = 0
            }
        }
        return Array(text[sent..<end])
    }
}

// MARK: - UTF-8

extension RunOutput {
    private static let replacement: [UInt8] = [0xef, 0xbf, 0xbd]
    private static let endOfTransmission: UInt8 = 0x04

    /// The text of the last message of a run: U+0004.
    static let endText: [UInt8] = [endOfTransmission]

    private enum Character {
        case whole(Int)
        /// No character begins with these bytes.
        case invalid(Int)
        /// More bytes are needed.
        case begun
    }

    private mutating func decode(_ bytes: Span<UInt8>) {
        var index = 0
        while index < bytes.count {
            switch Self.character(at: index, in: bytes) {
            case .whole(1) where bytes[index] == Self.endOfTransmission:
                text += Self.replacement
                index += 1
            case .whole(let count):
                for position in index..<index + count { text.append(bytes[position]) }
                index += count
            case .invalid(let count):
                text += Self.replacement
                index += count
            case .begun:
                for position in index..<bytes.count { partial.append(bytes[position]) }
                index = bytes.count
            }
        }
    }

    /// Well-formed sequences of bytes (Unicode, table 3-7).
    private static func character(at index: Int, in bytes: Span<UInt8>) -> Character {
        let first = bytes[index]
        let (count, second): (Int, ClosedRange<UInt8>)
        switch first {
        case 0..<0x80: return .whole(1)
        case 0xc2...0xdf: (count, second) = (2, 0x80...0xbf)
        case 0xe0: (count, second) = (3, 0xa0...0xbf)
        case 0xe1...0xec, 0xee, 0xef: (count, second) = (3, 0x80...0xbf)
        case 0xed: (count, second) = (3, 0x80...0x9f)
        case 0xf0: (count, second) = (4, 0x90...0xbf)
        case 0xf1...0xf3: (count, second) = (4, 0x80...0xbf)
        case 0xf4: (count, second) = (4, 0x80...0x8f)
        default: return .invalid(1)
        }
        for offset in 1..<count {
            guard index + offset < bytes.count else { return .begun }
            let range = offset == 1 ? second : 0x80...0xbf
            guard range.contains(bytes[index + offset]) else { return .invalid(offset) }
        }
        return .whole(count)
    }
}
