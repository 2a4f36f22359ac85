/// Follows one body through a stream: how many of the next bytes belong to it, and whether it has ended.
///
/// Keeps no bytes. Chunk framing and trailers count as body and pass unchanged once they are found sound.
struct BodyReader {
    private enum State {
        case finished
        case length(remaining: UInt64)
        case chunked(ChunkScanner)
        case untilClose
    }

    private var state: State
    /// A length beyond the limit is known before its first byte, but an initializer is no place to refuse a peer.
    private var isTooLarge = false

    init(_ framing: BodyFraming, limits: BodyLimits = .init()) {
        switch framing {
        case .none, .length(0): state = .finished
        case .length(let length):
            state = .length(remaining: length)
            isTooLarge = length > limits.maximumBytes ?? .max
        case .chunked: state = .chunked(ChunkScanner(limits: limits))
        case .untilClose: state = .untilClose
        }
    }

    /// Nothing more belongs to this body: the next byte begins the next message.
    var isFinished: Bool {
        if case .finished = state { true } else { false }
    }

    /// Whether the end of the stream ends this body well; with any other unfinished framing it is cut short.
    var endsAtClose: Bool {
        if case .untilClose = state { true } else { false }
    }

    /// How many of these bytes belong to the body; `noteChunk` is told what is content among chunk framing. After an
    /// error the stream is of no use.
    mutating func consume(
        _ bytes: Span<UInt8>, noteChunk: (ByteRange) -> Void = { _ in }
    ) throws(FramingError) -> Int {
        guard !isTooLarge else { throw .bodyTooLarge }
        switch state {
        case .finished:
            return 0
        case .untilClose:
            return bytes.count
        case .length(let remaining):
            let taken = min(remaining, UInt64(bytes.count))
            state = taken == remaining ? .finished : .length(remaining: remaining - taken)
            return Int(taken)
        case .chunked(var scanner):
            let taken = try scanner.consume(bytes, note: noteChunk)
            state = scanner.isFinished ? .finished : .chunked(scanner)
            return taken
        }
    }
}
