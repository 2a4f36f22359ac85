/// Fields of /proc/PID/stat, readable by every user (proc(5)).
struct ProcessFacts: Equatable {
    let number: Int32
    let state: UInt8
    let parent: Int32
    let group: Int32
    let session: Int32
    /// Clock ticks since boot. Pid and start time identify a process uniquely.
    let start: UInt64

    /// A zombie is not alive.
    var isAlive: Bool { state != UInt8(ascii: "Z") && state != UInt8(ascii: "X") }

    var identity: ProcessIdentity { ProcessIdentity(number: number, start: start) }
}

/// Unique identity of a process, also after reuse of its pid.
struct ProcessIdentity: Hashable {
    let number: Int32
    let start: UInt64
}

extension ProcessFacts {
    /// Parses the file. nil: truncated. The name in the second field may contain any byte.
    init?(_ number: Int32, stat: [UInt8]) {
        guard let end = stat.lastIndex(of: UInt8(ascii: ")")) else { return nil }
        let fields = stat[(end + 1)...].split(separator: UInt8(ascii: " "), maxSplits: 21)
        guard fields.count > 19, let state = fields[0].first, let parent = DecimalField(fields[1]).value,
            let group = DecimalField(fields[2]).value, let session = DecimalField(fields[3]).value,
            let start = DecimalField(fields[19]).value
        else { return nil }
        self.init(
            number: number, state: state, parent: Int32(truncatingIfNeeded: parent),
            group: Int32(truncatingIfNeeded: group), session: Int32(truncatingIfNeeded: session), start: start)
    }
}

/// Decimal digits of a /proc file.
private struct DecimalField {
    let value: UInt64?

    init(_ bytes: ArraySlice<UInt8>) {
        var number: UInt64 = 0
        for byte in bytes {
            guard byte >= 0x30, byte <= 0x39 else {
                value = nil
                return
            }
            number = number &* 10 &+ UInt64(byte - 0x30)
        }
        value = bytes.isEmpty ? nil : number
    }
}
