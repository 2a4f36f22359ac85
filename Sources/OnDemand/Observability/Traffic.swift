/// What has gone through the tunnels of a service since the daemon began.
struct Traffic: Equatable, Sendable {
    /// What one side has said.
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
    /// Tunnels that were opened.
    var tunnels: UInt64 = 0
    /// Codes of close frames, in the order they were first seen, and how often.
    private(set) var closeCodes: [CloseCount] = []
    /// Close frames with codes that found the table full: whoever makes them up fills no memory.
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

    /// Nothing is counted without a byte, but for the tunnels themselves.
    var hasMoved: Bool { fromClients.bytes != 0 || fromBackend.bytes != 0 || tunnels != 0 }

    /// Adds it to another and begins anew; in place, because a thread does it in every turn.
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
