import Glibc

@testable import OnDemand

/// Reproducible bytes: the received bytes are compared with the sent bytes, position by position.
///
/// The bytes are valid WebSocket frames, masked from clients and unmasked from backends.
struct MessagePattern {
    static let client = MessagePattern(masked: true)
    static let backend = MessagePattern(masked: false)

    private static let frameCount = 64

    /// All frames twice, so that a stream may run past the end.
    private let bytes: [UInt8]
    private let starts: [Int]
    private let length: Int

    private init(masked: Bool) {
        var dice = Seeded(seed: masked ? 1 : 2)
        var bytes: [UInt8] = []
        var starts: [Int] = []
        for _ in 0..<Self.frameCount {
            starts.append(bytes.count)
            bytes += Self.frame(dice.one(of: [0, 1, 5, 125, 126, 300, 1200, 4000]), masked: masked, &dice)
        }
        length = bytes.count
        self.bytes = bytes + bytes
        self.starts = starts
    }

    private static func frame(_ count: Int, masked: Bool, _ dice: inout Seeded) -> [UInt8] {
        let mask: UInt8 = masked ? 0x80 : 0
        let head: [UInt8] =
            count < 126
            ? [0x82, mask | UInt8(count)] : [0x82, mask | 126, UInt8(count >> 8), UInt8(count & 0xff)]
        let key = masked ? (0..<4).map { _ in UInt8(truncatingIfNeeded: dice.next()) } : []
        return head + key + (0..<count).map { _ in UInt8(truncatingIfNeeded: dice.next()) }
    }

    /// Returns the size of the first `frames` frames of the stream with this key, in bytes.
    func byteCount(frames: Int, key: Int) -> Int {
        let first = key % Self.frameCount
        let (rounds, rest) = frames.quotientAndRemainder(dividingBy: Self.frameCount)
        let last = first + rest
        let end = last < Self.frameCount ? starts[last] : length + starts[last - Self.frameCount]
        return rounds * length + end - starts[first]
    }

    /// Returns the bytes of the stream with this key from a position on, at most one round at a time.
    func bytes(key: Int, from position: Int, count: Int) -> ArraySlice<UInt8> {
        let start = (starts[key % Self.frameCount] + position) % length
        return bytes[start..<(start + min(count, length))]
    }

    /// Whether a frame begins at this position of the stream with this key.
    func isBoundary(key: Int, at position: Int) -> Bool {
        starts.contains((starts[key % Self.frameCount] + position) % length)
    }

    /// Returns a body: the first `count` bytes of the stream.
    func body(key: Int, count: Int) -> [UInt8] {
        var body: [UInt8] = []
        while body.count < count { body += bytes(key: key, from: body.count, count: count - body.count) }
        return body
    }
}

/// Check of one direction of a chat by its receiver.
struct StreamVerifier {
    let pattern: MessagePattern
    let key: Int
    private(set) var received = 0
    /// The position of the first wrong byte.
    private(set) var firstWrong: Int?
    /// The close frame that the daemon sent between two frames when it ended the tunnel; nothing may follow it.
    private(set) var closeHandshake: [UInt8] = []

    /// Close, going away, service restart and try again later (RFC 6455, 7.4.1 and 11.7).
    private static let closeFrames: [[UInt8]] = [
        [0x88, 2, 0x03, 0xe9], [0x88, 2, 0x03, 0xf4], [0x88, 2, 0x03, 0xf5],
    ]
    /// Close, internal error: the backend broke off, or ended without a close frame.
    private static let internalError: [UInt8] = [0x88, 2, 0x03, 0xf3]

    var hasReceivedCloseFrame: Bool { Self.closeFrames.contains(closeHandshake) }

    init(to pattern: MessagePattern, key: Int) {
        self.pattern = pattern
        self.key = key
    }

    /// memcmp(3): a loop would take most of a simulation's time.
    private static func same(_ one: ArraySlice<UInt8>, _ other: ArraySlice<UInt8>) -> Bool {
        unsafe one.withUnsafeBytes { one in
            unsafe other.withUnsafeBytes { other in
                unsafe one.count == other.count
                    && (one.isEmpty || memcmp(one.baseAddress!, other.baseAddress!, one.count) == 0)
            }
        }
    }

    mutating func hear(_ bytes: ArraySlice<UInt8>) {
        var rest = bytes
        while !rest.isEmpty, closeHandshake.isEmpty, firstWrong == nil {
            let expected = pattern.bytes(key: key, from: received, count: rest.count)
            guard Self.same(rest.prefix(expected.count), expected) else {
                let count = zip(rest, expected).prefix { $0 == $1 }.count
                received += count
                rest = rest.dropFirst(count)
                break
            }
            received += expected.count
            rest = rest.dropFirst(expected.count)
        }
        if !rest.isEmpty { checkCloseFrame(rest) }
    }

    private mutating func checkCloseFrame(_ bytes: ArraySlice<UInt8>) {
        closeHandshake += bytes
        guard pattern.isBoundary(key: key, at: received),
            (Self.closeFrames + [Self.internalError]).contains(where: { $0.starts(with: closeHandshake) })
        else {
            firstWrong = firstWrong ?? received
            return
        }
    }
}
