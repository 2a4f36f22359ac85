/// A piece of a body as it travels on.
enum BodyPiece: Equatable {
    /// As it was read.
    case read(ByteRange)
    /// What was read earlier and is passed on only now.
    case written([UInt8])
}

/// Follows one body through a stream: how many of the next bytes belong to it, and whether it has ended.
///
/// Content passes unchanged. Chunk framing passes in one form only, whatever form it came in: sizes without leading
/// zeros, no blanks, no extensions, and only trailer fields that may stand there.
struct BodyReader {
    /// What of a chunked body is passed on.
    enum Output: Equatable { case chunks, content }

    private enum State {
        case finished
        case length(remaining: UInt64)
        /// Elsewhere, because it is large and most bodies are not chunked.
        indirect case chunked(ChunkScanner)
        case untilClose
    }

    private var state: State
    /// A length beyond the limit is known before its first byte, but an initializer is no place to refuse a peer.
    private var isTooLarge = false

    init(_ framing: BodyFraming, limits: BodyLimits = .init(), output: Output = .chunks) {
        switch framing {
        case .none, .length(0): state = .finished
        case .length(let length):
            state = .length(remaining: length)
            isTooLarge = length > limits.maximumBytes ?? .max
        case .chunked: state = .chunked(ChunkScanner(limits: limits, output: output))
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

    /// How many of these bytes belong to the body; `pass` is given what travels on, in order. After an error the stream
    /// is of no use, and what has been passed on is the beginning of a body that has no end.
    mutating func consume(
        _ bytes: Span<UInt8>, pass: (BodyPiece) -> Void = { _ in }
    ) throws(FramingError) -> Int {
        guard !isTooLarge else { throw .bodyTooLarge }
        switch state {
        case .finished:
            return 0
        case .untilClose:
            if !bytes.isEmpty { pass(.read(ByteRange(0, bytes.count))) }
            return bytes.count
        case .length(let remaining):
            let taken = Int(min(remaining, UInt64(bytes.count)))
            state = taken == remaining ? .finished : .length(remaining: remaining - UInt64(taken))
            if taken > 0 { pass(.read(ByteRange(0, taken))) }
            return taken
        case .chunked(var scanner):
            let taken = try scanner.consume(bytes, pass: pass)
            state = scanner.isFinished ? .finished : .chunked(scanner)
            return taken
        }
    }
}
