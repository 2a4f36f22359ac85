/// HTTP/1.1 reader of a simple peer. It is independent of the daemon's parsers, so that both must agree.
struct MessageReader {
    private enum Body {
        case length(Int)
        case chunked, untilClose
    }

    /// Responses may end with their connection; requests may not.
    let readsAnswers: Bool
    /// The response to a HEAD request has no body, whatever its head says.
    var expectsNoBody = false
    private(set) var buffer: [UInt8] = []
    private(set) var startLine = ""
    private var fields: [(name: String, value: String)] = []
    private var framing: Body?
    private(set) var body: [UInt8] = []
    private(set) var isComplete = false
    private(set) var isBroken = false

    init(readsAnswers: Bool) { self.readsAnswers = readsAnswers }

    var hasHead: Bool { framing != nil }
    var hasBegun: Bool { hasHead || !buffer.isEmpty }
    var status: Int { Int(startLine.split(separator: " ").dropFirst().first ?? "") ?? 0 }
    /// The second word of a request's first line.
    var target: String { String(startLine.split(separator: " ").dropFirst().first ?? "") }

    func field(_ name: String) -> String? { fields.first { $0.name.lowercased() == name }?.value }

    mutating func feed(_ bytes: some Collection<UInt8>) {
        buffer += bytes
        if framing == nil { readHead() }
        readBody()
    }

    /// Handles the end of the connection.
    mutating func end() {
        if case .untilClose = framing { isComplete = true }
    }

    /// Returns the bytes after this message and prepares for the next one.
    mutating func takeRest() -> [UInt8] {
        let rest = buffer
        self = MessageReader(readsAnswers: readsAnswers)
        return rest
    }

    private mutating func readHead() {
        guard let end = Self.find([13, 10, 13, 10], in: buffer) else { return }
        let lines = String(decoding: buffer[..<end], as: UTF8.self).split(separator: "\r\n")
        buffer.removeFirst(end + 4)
        startLine = String(lines.first ?? "")
        for line in lines.dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { continue }
            fields.append((String(parts[0]), parts[1].drop { $0 == " " }.description))
        }
        framing = bodyFraming
    }

    private var bodyFraming: Body {
        if expectsNoBody || readsAnswers && (status < 200 || status == 204 || status == 304) { return .length(0) }
        if field("transfer-encoding") != nil { return .chunked }
        if let length = field("content-length") { return .length(Int(length) ?? -1) }
        return readsAnswers ? .untilClose : .length(0)
    }

    private mutating func readBody() {
        switch framing {
        case nil: break
        case .length(let length):
            guard body.count < length || length == 0 else { return }
            let count = min(buffer.count, length - body.count)
            move(count)
            isComplete = body.count == length
        case .untilClose: move(buffer.count)
        case .chunked: while readChunk() {}
        }
    }

    private mutating func move(_ count: Int) {
        body += buffer.prefix(count)
        buffer.removeFirst(count)
    }

    /// Reads one whole chunk; returns false when more bytes are needed or that was the last.
    private mutating func readChunk() -> Bool {
        guard !isComplete, let lineEnd = Self.find([13, 10], in: buffer) else { return false }
        guard let size = Int(String(decoding: buffer[..<lineEnd], as: UTF8.self), radix: 16) else {
            isBroken = true
            return false
        }
        guard buffer.count >= lineEnd + 2 + size + 2 else { return false }
        buffer.removeFirst(lineEnd + 2)
        move(size)
        buffer.removeFirst(2)
        isComplete = size == 0
        return size > 0
    }

    private static func find(_ pattern: [UInt8], in bytes: [UInt8]) -> Int? {
        var start = bytes.startIndex
        while let found = bytes[start...].firstIndex(of: pattern[0]) {
            if bytes[found...].starts(with: pattern) { return found }
            start = found + 1
        }
        return nil
    }
}

/// Serialization of a peer's messages.
enum Wire {
    static func chunked(_ body: [UInt8], sizes: Int) -> [UInt8] {
        var output: [UInt8] = []
        var rest = body[...]
        while !rest.isEmpty {
            let piece = rest.prefix(sizes)
            output += "\(String(piece.count, radix: 16))\r\n".utf8
            output += piece
            output += [13, 10]
            rest = rest.dropFirst(piece.count)
        }
        return output + Array("0\r\n\r\n".utf8)
    }
}
