/// What has gone through the tunnels of a service since the daemon began.
struct Traffic: Equatable, Sendable {
    /// What one side has said.
    struct Direction: Equatable, Sendable {
        var bytes: UInt64 = 0
        var frames: UInt64 = 0
        var messages: UInt64 = 0
        var pings: UInt64 = 0
        var pongs: UInt64 = 0
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

    mutating func noteClose(_ code: UInt16) {
        if let index = closeCodes.firstIndex(where: { $0.code == code }) {
            closeCodes[index].count += 1
        } else if closeCodes.count < Limits.closeCodesCounted {
            closeCodes.append(CloseCount(code: code, count: 1))
        } else {
            otherCloses += 1
        }
    }
}
