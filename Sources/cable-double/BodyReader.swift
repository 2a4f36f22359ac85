/// Collects a request body of either framing (RFC 9112, 6 and 7.1).
struct BodyReader {
    /// More than any test sends. It bounds the memory for a wrong length.
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

    /// nil: the length is invalid or too large.
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

    /// Takes the bytes of the body. Returns false if the framing is invalid.
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
