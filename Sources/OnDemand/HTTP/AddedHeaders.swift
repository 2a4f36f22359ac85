/// The fields that the daemon adds to a request; they replace the client's fields of these names.
///
/// Stored as one block of lines: a string per name and value would cost more than parsing the head.
struct AddedHeaders {
    /// The lines as they appear in the head.
    private(set) var lines: [UInt8] = []
    /// Known names as one bit each; other names as spelled.
    private var names: UInt64 = 0
    private var otherNames: [String] = []
    /// Names that the configuration sets instead.
    private let exceptions: UInt64

    /// Initial capacity in bytes, enough for nearly every request.
    private static let usualBytes = 320

    init(exceptFor exceptions: [String] = []) {
        self.exceptions = exceptions.reduce(0) { bits, name in
            let spelling = Array(name.utf8)
            return bits | Self.bit(of: FieldName(ByteRange(0, spelling.count), in: spelling.span))
        }
        lines.reserveCapacity(Self.usualBytes)
    }

    /// Adds a field, unless its name is an exception.
    mutating func add(_ name: FieldName, _ value: String) {
        add(name) { $0 += value.utf8 }
    }

    /// Adds a field whose value `write` appends, without an intermediate string.
    @inline(__always)
    mutating func add(_ name: FieldName, writing write: (inout [UInt8]) -> Void) {
        guard exceptions & Self.bit(of: name) == 0 else { return }
        names |= Self.bit(of: name)
        name.write(to: &lines)
        let start = HeadRewriter.beginValue(in: &lines)
        write(&lines)
        HeadRewriter.endValue(from: start, in: &lines)
    }

    /// Sets a configured field.
    mutating func set(_ name: String, _ value: String) {
        HeadRewriter.append(name, value, to: &lines)
        let spelling = Array(name.utf8)
        let known = FieldName(resembledBy: ByteRange(0, spelling.count), in: spelling.span)
        if known == .other { otherNames.append(name) } else { names |= Self.bit(of: known) }
    }

    /// Returns whether one of these replaces the peer's field, also where it is spelled with `_` for `-`.
    func standInPlace(of field: HeaderField, in bytes: Span<UInt8>) -> Bool {
        if names & Self.bit(of: field.resembled) != 0 { return true }
        for name in otherNames where bytes.resembles(name, in: field.name) { return true }
        return false
    }

    /// Whether `Host` is among them.
    var haveHost: Bool { names & Self.bit(of: .host) != 0 }

    private static func bit(of name: FieldName) -> UInt64 { 1 << UInt64(name.rawValue) }
}
