/// A piece of a body to forward.
enum BodyPiece: Equatable {
    /// Unchanged input.
    case read(ByteRange)
    /// Input that was withheld, now released.
    case written([UInt8])
}

/// Follows one body through a stream: how many bytes belong to it, and whether it has ended.
///
/// Content passes unchanged. Chunk framing is normalized: sizes without leading zeros, no blanks, no extensions, and
/// allowed trailer fields only.
struct BodyReader {
    /// The forwarded part of a chunked body.
    enum Output: Equatable { case chunks, content }

    private enum State {
        case finished
        case length(remaining: UInt64)
        /// Indirect, because it is large and most bodies are not chunked.
        indirect case chunked(ChunkScanner)
        case untilClose
        /// A length over the limit is known at once, but reported by `consume`, because the initializer does not throw.
        case tooLarge
    }

    private var state: State

    init(_ framing: BodyFraming, limits: BodyLimits = .init(), output: Output = .chunks) {
        switch framing {
        case .none, .length(0): state = .finished
        case .length(let length) where length > limits.maximumBytes ?? .max: state = .tooLarge
        case .length(let length): state = .length(remaining: length)
        case .chunked: state = .chunked(ChunkScanner(limits: limits, output: output))
        case .untilClose: state = .untilClose
        }
    }

    /// Whether the body is complete: the next byte begins the next message.
    var isFinished: Bool {
        if case .finished = state { true } else { false }
    }

    /// Whether the end of the stream is the valid end of this body.
    var endsAtClose: Bool {
        if case .untilClose = state { true } else { false }
    }

    /// Returns how many bytes belong to the body; `pass` gets the pieces to forward, in order. After an error the
    /// stream is unusable, and the forwarded body is incomplete.
    mutating func consume(
        _ bytes: Span<UInt8>, pass: (BodyPiece) -> Void = { _ in }
    ) throws(FramingError) -> Int {
        switch state {
        case .tooLarge:
            throw .bodyTooLarge
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
