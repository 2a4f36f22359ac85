@testable import OnDemand

/// Frames are followed alike however they arrive, and as a decoder sees them that has the whole stream before it.
enum FrameStreamProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        let cuts = Cuts(input)
        let role = cuts.choice & 0x80 == 0 ? FrameTracker.Role.fromClient : .fromServer
        let limit: UInt64? = cuts.choice & 0x40 == 0 ? nil : 100
        let extensions = cuts.choice & 0x20 != 0
        let tracker = FrameTracker(role: role, maximumMessageBytes: limit, extensionsNegotiated: extensions)

        let whole = Followed(cuts.bytes, endingAt: [cuts.bytes.count], by: tracker)
        let pieces = Followed(cuts.bytes, endingAt: cuts.ends, by: tracker)
        try promise(
            whole.summary == pieces.summary && whole.violation == pieces.violation
                && whole.isAtBoundary == pieces.isAtBoundary, "whole: \(whole), in pieces: \(pieces)")

        var reference = ReferenceDecoder(role: role, limit: limit, extensions: extensions)
        reference.decode(cuts.bytes)
        let expected = reference.violation.map { "\($0)" } ?? "nothing"
        try promise(whole.violation == reference.violation, "\(whole), but the reference finds \(expected)")
        try promise(whole.summary == reference.summary, "\(whole.summary), but the reference: \(reference.summary)")
        guard let offset = reference.violationOffset else {
            return try promise(whole.isAtBoundary == (reference.leftover == 0), "\(whole) ends elsewhere")
        }
        try promise(whole.validBytes == offset, "\(whole.validBytes) bytes may pass, not \(offset)")
        // A frame that began in an earlier piece has no beginning in this one.
        let told = pieces.validBytes == offset || pieces.validBytes == pieces.pieceBegin && offset < pieces.pieceBegin
        try promise(told, "in pieces \(pieces.validBytes) bytes may pass, not \(offset)")
    }

    private struct Followed {
        var summary = FrameSummary()
        var violation: FrameViolation?
        /// Up to the first byte of the offending frame.
        var validBytes = 0
        var pieceBegin = 0
        var isAtBoundary = true

        init(_ bytes: [UInt8], endingAt ends: [Int], by tracker: FrameTracker) {
            var tracker = tracker
            do throws(FrameError) {
                for end in ends {
                    summary += try tracker.advance(bytes.span.extracting(pieceBegin..<end))
                    pieceBegin = end
                }
                (validBytes, isAtBoundary) = (pieceBegin, tracker.isAtBoundary)
            } catch {
                summary += error.summaryBefore
                violation = error.violation
                validBytes = pieceBegin + error.validPrefix
                isAtBoundary = false
            }
        }
    }
}
