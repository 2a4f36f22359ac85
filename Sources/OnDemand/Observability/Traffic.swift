/// The traffic of a service's tunnels since the daemon's start.
struct Traffic: Equatable, Sendable {
    /// The traffic of one sender.
    struct Direction: Equatable, Sendable {
        var bytes: UInt64 = 0
        var frames: UInt64 = 0
        var messages: UInt64 = 0
        var pings: UInt64 = 0
        var pongs: UInt64 = 0

        fileprivate mutating func add(_ more: Direction) {
            bytes &+= more.bytes
            frames &+= more.frames
            messages &+= more.messages
            pings &+= more.pings
            pongs &+= more.pongs
        }
    }

    struct CloseCount: Equatable, Sendable {
        let code: UInt16
        var count: UInt64
    }

    var fromClients = Direction()
    var fromBackend = Direction()
    /// Opened tunnels.
    var tunnels: UInt64 = 0
    /// Close codes in the order of their first use, with counts.
    private(set) var closeCodes: [CloseCount] = []
    /// Close frames with further codes, once the table is full.
    private(set) var otherCloses: UInt64 = 0

    mutating func countClose(_ code: UInt16) { noteCloses(CloseCount(code: code, count: 1)) }

    private mutating func noteCloses(_ closes: CloseCount) {
        if let index = closeCodes.firstIndex(where: { $0.code == closes.code }) {
            closeCodes[index].count += closes.count
        } else if closeCodes.count < Limits.closeCodesCounted {
            closeCodes.append(closes)
        } else {
            otherCloses += closes.count
        }
    }

    /// Whether anything was counted; without bytes only tunnels are.
    var hasMoved: Bool { fromClients.bytes != 0 || fromBackend.bytes != 0 || tunnels != 0 }

    /// Adds the counts to another value and resets them; in place, because workers do it in every iteration.
    mutating func move(into sum: inout Traffic) {
        sum.fromClients.add(fromClients)
        sum.fromBackend.add(fromBackend)
        sum.tunnels += tunnels
        (fromClients, fromBackend, tunnels) = (Direction(), Direction(), 0)
        guard !closeCodes.isEmpty else { return }
        for closes in closeCodes { sum.noteCloses(closes) }
        sum.otherCloses += otherCloses
        (closeCodes, otherCloses) = ([], 0)
    }
}
