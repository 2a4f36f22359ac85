@testable import OnDemand

/// A chunked body ends at the same byte however it arrives, and where a decoder that sees it whole says it ends; what
/// travels on is the same body in the one plain form, which a client's parser accepts and nothing changes any more.
enum ChunkedBodyProperty {
    private static let narrow = BodyLimits(
        maximumBytes: 40, maximumExtensionBytes: 8, maximumTotalExtensionBytes: 20, maximumTrailerBytes: 60,
        maximumTrailerFields: 3)

    static func check(_ input: [UInt8]) throws(Violation) {
        let cuts = Cuts(input)
        var limits = cuts.choice & 0x80 == 0 ? BodyLimits() : narrow
        if cuts.choice & 0x40 != 0 { limits.sender = .backend }
        limits.removedTrailers = [Array("x-own".utf8)]
        let whole = verdict(of: cuts.bytes, endingAt: [cuts.bytes.count], limits)
        let inPieces = verdict(of: cuts.bytes, endingAt: cuts.ends, limits)
        try promise(whole == inPieces, "whole: \(whole), in pieces: \(inPieces)")

        let reference = ReferenceChunks.read(cuts.bytes, limits)
        let agree: Bool =
            switch (whole, reference) {
            case (.ended(let count, let written), .ended(let expected, let plain)):
                count == expected && written == plain
            case (.unfinished(let count), .unfinished): count == cuts.bytes.count
            case (.refused, .refused): true
            default: false
            }
        try promise(agree, "the reader says \(whole), the reference \(reference)")
        guard case .ended(_, let written) = whole else { return }
        let again = verdict(of: written, endingAt: [written.count], BodyLimits(maximumBytes: limits.maximumBytes))
        try promise(
            again == .ended(at: written.count, written: written), "written again, \(text(written)) is read as \(again)")
    }

    enum Verdict: Equatable {
        case ended(at: Int, written: [UInt8])
        case unfinished(Int)
        case refused(FramingError)
    }

    private static func verdict(of bytes: [UInt8], endingAt ends: [Int], _ limits: BodyLimits) -> Verdict {
        var reader = BodyReader(.chunked, limits: limits)
        var consumed = 0
        var written: [UInt8] = []
        do throws(FramingError) {
            for end in ends {
                let start = consumed
                consumed += try reader.consume(bytes.span.extracting(start..<end)) { piece in
                    switch piece {
                    case .read(let range): written += bytes[(start + range.lower)..<(start + range.upper)]
                    case .written(let held): written += held
                    }
                }
                if reader.isFinished { return .ended(at: consumed, written: written) }
            }
            return .unfinished(consumed)
        } catch {
            return .refused(error)
        }
    }
}
