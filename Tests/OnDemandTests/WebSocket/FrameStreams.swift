@testable import OnDemand

/// Random frame streams: valid ones, and ones with a changed byte.
struct FrameStreams {
    private var random: Seeded
    private var key: MaskingKey?
    private var insideMessage = false

    init(seed: UInt64, role: FrameTracker.Role) {
        random = Seeded(seed: seed)
        let bits = random.next()
        let bytes = (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
        key = role == .fromClient ? MaskingKey(bytes[0], bytes[1], bytes[2], bytes[3]) : nil
    }

    mutating func stream(frames: Int, bent: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        for _ in 0..<frames { bytes += nextFrame() }
        if bent, let victim = bytes.indices.randomElement(using: &random) {
            bytes[victim] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        }
        if Bool.random(using: &random) { bytes.removeLast(Int.random(in: 0...min(bytes.count, 9), using: &random)) }
        return bytes
    }

    /// Pieces of 0 to `longest` bytes.
    mutating func cut(_ bytes: [UInt8], longest: Int) -> [ArraySlice<UInt8>] {
        var pieces: [ArraySlice<UInt8>] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            pieces.append(rest.prefix(Int.random(in: 0...longest, using: &random)))
            rest = rest.dropFirst(pieces[pieces.count - 1].count)
        }
        return pieces
    }

    private mutating func nextFrame() -> [UInt8] {
        if Int.random(in: 0..<4, using: &random) == 0 { return controlFrame() }
        let isFinal = Bool.random(using: &random)
        let opcode: FrameOpcode = insideMessage ? .continuation : Bool.random(using: &random) ? .text : .binary
        insideMessage = !isFinal
        return FrameWriter.frame(opcode, payload(dataLength()), isFinal: isFinal, key: key)
    }

    private mutating func controlFrame() -> [UInt8] {
        let opcode = [FrameOpcode.ping, .pong, .close].randomElement(using: &random)!
        let lengths = opcode == .close ? [0, 2, 3, 125] : [0, 1, 2, 125]
        return FrameWriter.frame(opcode, payload(lengths.randomElement(using: &random)!), key: key)
    }

    private mutating func dataLength() -> Int {
        switch Int.random(in: 0..<200, using: &random) {
        case 0: [65_534, 65_535, 65_536, 65_537].randomElement(using: &random)!
        case 1...30: Int.random(in: 124...300, using: &random)
        default: Int.random(in: 0...20, using: &random)
        }
    }

    private mutating func payload(_ count: Int) -> [UInt8] {
        let seed = random.next()
        return (0..<UInt64(count)).map { UInt8(truncatingIfNeeded: seed >> ($0 & 56) &+ $0) }
    }
}

// A span cannot pass through the macros of the testing library, an array can.

extension FrameTracker {
    mutating func follow(_ bytes: some Collection<UInt8>) throws(FrameError) -> FrameSummary {
        let bytes = Array(bytes)
        return try advance(bytes.span)
    }
}

extension FrameHeader {
    static func read(_ bytes: some Collection<UInt8>, at offset: Int = 0) -> FrameHeader? {
        let bytes = Array(bytes)
        return FrameHeader(bytes.span, at: offset)
    }
}
