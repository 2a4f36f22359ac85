/// Collects a request's body, whichever way its length is told (RFC 9112, 6 and 7.1).
struct BodyReader {
    /// More than any test sends; a mistaken length must not eat the machine.
    static let byteLimit = 64 << 20

    private enum Stage {
        case counted(Int)
        case chunkSize
        case chunkEnd
        case trailers
        case done
    }

    private var stage: Stage
    private let chunked: Bool
    private(set) var body: [UInt8] = []

    /// Nil for a length that is no number, or too large.
    init?(_ head: RequestHead) {
        chunked = head.tokens("transfer-encoding").last == "chunked"
        guard !chunked else {
            stage = .chunkSize
            return
        }
        guard let length = Int(head.values("content-length").first ?? "0"), 0...Self.byteLimit ~= length else {
            return nil
        }
        stage = .counted(length)
    }

    var isDone: Bool {
        if case .done = stage { true } else { false }
    }

    /// Takes what belongs to the body; false when its framing makes no sense.
    mutating func read(_ input: inout ByteQueue) -> Bool {
        while true {
            switch stage {
            case .counted(let missing):
                let piece = input.take(missing)
                body += piece
                stage = .counted(missing - piece.count)
                guard piece.count == missing else { return true }
                stage = chunked ? .chunkEnd : .done
            case .chunkSize:
                guard let line = input.takeLine() else { return true }
                let digits = String(decoding: line.prefix { $0 != UInt8(ascii: ";") }, as: UTF8.self)
                guard let size = Int(digits, radix: 16), 0...Self.byteLimit - body.count ~= size else { return false }
                stage = size == 0 ? .trailers : .counted(size)
            case .chunkEnd:
                guard let line = input.takeLine() else { return true }
                guard line.isEmpty else { return false }
                stage = .chunkSize
            case .trailers:
                guard let line = input.takeLine() else { return true }
                if line.isEmpty { stage = .done }
            case .done:
                return true
            }
        }
    }
}
