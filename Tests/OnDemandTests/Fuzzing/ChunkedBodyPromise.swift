@testable import OnDemand

/// A chunked body ends at the same byte however it arrives, and where a decoder that sees it whole says it ends.
enum ChunkedBodyPromise {
    private static let narrow = BodyLimits(
        maximumBytes: 40, maximumExtensionBytes: 8, maximumTotalExtensionBytes: 20, maximumTrailerBytes: 60,
        maximumTrailerFields: 3)

    static func check(_ input: [UInt8]) throws(Complaint) {
        let cuts = Cuts(input)
        let limits = cuts.choice & 0x80 == 0 ? BodyLimits() : narrow
        let whole = verdict(of: cuts.bytes, endingAt: [cuts.bytes.count], limits)
        let inPieces = verdict(of: cuts.bytes, endingAt: cuts.ends, limits)
        try promise(whole == inPieces, "whole: \(whole), in pieces: \(inPieces)")

        let reference = ReferenceChunks.read(cuts.bytes, limits)
        let agree: Bool =
            switch (whole, reference) {
            case (.ended(let count), .ended(let expected)): count == expected
            case (.unfinished(let count), .unfinished): count == cuts.bytes.count
            case (.refused, .refused): true
            default: false
            }
        try promise(agree, "the reader says \(whole), the reference \(reference)")
    }

    enum Verdict: Equatable {
        case ended(at: Int)
        case unfinished(Int)
        case refused(FramingError)
    }

    private static func verdict(of bytes: [UInt8], endingAt ends: [Int], _ limits: BodyLimits) -> Verdict {
        var reader = BodyReader(.chunked, limits: limits)
        var consumed = 0
        do throws(FramingError) {
            for end in ends {
                consumed += try reader.consume(bytes.span.extracting(consumed..<end))
                if reader.isFinished { return .ended(at: consumed) }
            }
            return .unfinished(consumed)
        } catch {
            return .refused(error)
        }
    }
}
