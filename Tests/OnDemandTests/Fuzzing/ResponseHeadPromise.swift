@testable import OnDemand

/// A response head is judged alike however it arrives, and what is accepted reaches the client as the same answer.
enum ResponseHeadProperty {
    private static let narrow = HeadLimits(maximumHeaderBytes: 300, maximumFields: 6)
    private static let wide = HeadLimits(maximumHeaderBytes: .max, maximumFields: .max)

    static func check(_ input: [UInt8]) throws(Violation) {
        let cuts = Cuts(input)
        let limits = cuts.choice & 0x80 == 0 ? HeadLimits.ofResponse : narrow
        let whole = verdict(of: cuts.bytes, endingAt: [cuts.bytes.count], limits)
        let inPieces = verdict(of: cuts.bytes, endingAt: cuts.ends, limits)
        try promise(whole == inPieces, "whole: \(whole), in pieces: \(inPieces)")
        guard case .success(let head?) = whole else { return }
        try promise(head.byteCount <= limits.maximumHeaderBytes, "a head of \(head.byteCount) bytes passed")
        try promise(head.fields.count <= limits.maximumFields, "\(head.fields.count) fields passed")
        try promise((100...599).contains(head.status), "status \(head.status) passed")
        try checkRelaying(of: head, in: cuts.bytes, keepAlive: cuts.choice & 0x40 == 0)
    }

    private static func verdict(
        of bytes: [UInt8], endingAt ends: [Int], _ limits: HeadLimits
    ) -> Result<ResponseHead?, HeadError> {
        var parser = ResponseHeadParser(limits: limits)
        do throws(HeadError) {
            for end in ends {
                if let head = try parser.examine(bytes.span.extracting(0..<end)) { return .success(head) }
            }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }

    private static func checkRelaying(
        of head: ResponseHead, in bytes: [UInt8], keepAlive: Bool
    ) throws(Violation) {
        if UpgradeIntent.isSwitchToWebSocket(head, in: bytes.span) {
            let output = relayed(head, in: bytes, keepAlive: keepAlive, upgrade: true, framing: false)
            guard case .success(let again?) = verdict(of: output, endingAt: [output.count], wide) else {
                throw Violation("relayed, this 101 is refused: \(text(output))")
            }
            try promise(
                UpgradeIntent.isSwitchToWebSocket(again, in: output.span)
                    && HeadRewriter.isPlain(again, in: output.span),
                "a 101 must stay one, in the plain form: \(text(output))")
        }
        for isHead in [false, true] {
            guard let framing = try? ResponseFraming(of: head, in: bytes.span, toHeadRequest: isHead) else {
                continue
            }
            let output = relayed(head, in: bytes, keepAlive: keepAlive, upgrade: false, framing: framing.keepsFields)
            guard case .success(let again?) = verdict(of: output, endingAt: [output.count], wide) else {
                throw Violation("relayed, this head is refused: \(text(output))")
            }
            try promise(again.byteCount == output.count, "bytes follow the relayed head: \(text(output))")
            try promise(again.status == head.status, "status \(head.status) became \(again.status)")
            // An answer of HTTP/1.0 cannot be chunked, so raising the version changes no body.
            let framingAgain = try? ResponseFraming(of: again, in: output.span, toHeadRequest: isHead)
            try promise(
                framingAgain?.body == framing.body && framingAgain?.isCertain == (framing.body != .untilClose),
                "the body ended \(framing), now \(String(describing: framingAgain))")
            try checkFields(of: head, in: bytes, against: again, in: output, framing: framing.keepsFields)
            if head.status >= 200 {
                try promise(again.wantsKeepAlive == keepAlive, "persistence is told wrongly: \(text(output))")
            }
        }
    }

    private static func checkFields(
        of head: ResponseHead, in bytes: [UInt8], against again: ResponseHead, in relayed: [UInt8], framing: Bool
    ) throws(Violation) {
        let hopByHop = HopByHop(head, in: bytes.span)
        let kept = head.fields.filter { field in
            !hopByHop.covers(field, in: bytes.span)
                && (framing || field.known != .contentLength && field.known != .transferEncoding)
        }
        .map { [copy($0.name, of: bytes), plain($0, of: bytes)] }
        let passed = again.fields.map { [copy($0.name, of: relayed), copy($0.value, of: relayed)] }
        let ours = passed.dropFirst(kept.count).map { String(decoding: $0[0], as: UTF8.self) }
        try promise(
            Array(passed.prefix(kept.count)) == kept && ours.allSatisfy { $0 == "Connection" },
            "the fields changed: \(text(relayed))")
    }

    private static func relayed(
        _ head: ResponseHead, in bytes: [UInt8], keepAlive: Bool, upgrade: Bool, framing: Bool
    ) -> [UInt8] {
        var output: [UInt8] = []
        HeadRewriter.response(
            head, in: bytes, keepAlive: keepAlive, clientVersion: .http11, upgrade: upgrade, framing: framing,
            into: &output)
        return output
    }
}
