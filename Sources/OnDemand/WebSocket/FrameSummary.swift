/// Counts of a piece of a frame stream; pieces add up.
struct FrameSummary: Hashable, Sendable {
    /// Frames of any kind whose header is complete.
    var frames: UInt32 = 0
    /// Text, binary and continuation frames among them: the frames that count as client activity.
    var dataFrames: UInt32 = 0
    var pings: UInt32 = 0
    var pongs: UInt32 = 0
    /// Messages whose last byte has arrived.
    var messages: UInt32 = 0
    /// The code of a close frame, `noStatus` for one without a body (RFC 6455, 7.1.5).
    var closeCode: CloseCode?

    static let oneMessage = FrameSummary(frames: 1, dataFrames: 1, messages: 1)

    var dataFrameBegan: Bool { dataFrames > 0 }

    static func += (total: inout FrameSummary, piece: FrameSummary) {
        total.frames &+= piece.frames
        total.dataFrames &+= piece.dataFrames
        total.pings &+= piece.pings
        total.pongs &+= piece.pongs
        total.messages &+= piece.messages
        total.closeCode = total.closeCode ?? piece.closeCode
    }
}
