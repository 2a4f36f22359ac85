/// The fields that a request gets from us, and whose names therefore are nobody else's.
///
/// Whole lines in one piece: a text for each name and each value would cost a request more than reading its head.
struct AddedHeaders {
    /// As they will stand in the head.
    private(set) var lines: [UInt8] = []
    /// The names among them that are recognised when a line is read, one bit each, and the others as they are spelled.
    private var names: UInt64 = 0
    private var otherNames: [String] = []
    /// These are set by somebody else.
    private let exceptions: UInt64

    /// Room for what nearly every request gets, made at once.
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

    /// The same for a value that need not be a text first: `write` appends it.
    @inline(__always)
    mutating func add(_ name: FieldName, writing write: (inout [UInt8]) -> Void) {
        guard exceptions & Self.bit(of: name) == 0 else { return }
        names |= Self.bit(of: name)
        name.write(to: &lines)
        let start = HeadRewriter.beginValue(in: &lines)
        write(&lines)
        HeadRewriter.endValue(from: start, in: &lines)
    }

    /// Adds a field that is an exception to the others.
    mutating func set(_ name: String, _ value: String) {
        HeadRewriter.append(name, value, to: &lines)
        let spelling = Array(name.utf8)
        let known = FieldName(resembledBy: ByteRange(0, spelling.count), in: spelling.span)
        if known == .other { otherNames.append(name) } else { names |= Self.bit(of: known) }
    }

    /// Whether the other side's field gives way to one of these, also when it is spelled with `_` for `-`.
    func standInPlace(of field: HeaderField, in bytes: Span<UInt8>) -> Bool {
        if names & Self.bit(of: field.resembled) != 0 { return true }
        for name in otherNames where bytes.resembles(name, in: field.name) { return true }
        return false
    }

    /// Whether the host is among them.
    var haveHost: Bool { names & Self.bit(of: .host) != 0 }

    private static func bit(of name: FieldName) -> UInt64 { 1 << UInt64(name.rawValue) }
}
