@testable import OnDemand

/// A request head has the same result in every split, and an accepted one reaches the backend as the same request.
enum RequestHeadProperty {
    /// Small limits, so that a short input can reach them; rewritten heads may be longer.
    private static let narrow = HeadLimits(maximumHeaderBytes: 300, maximumFields: 6, maximumURIBytes: 60)
    private static let wide = HeadLimits(maximumHeaderBytes: .max, maximumFields: .max, maximumURIBytes: .max / 2)

    static func check(_ input: [UInt8]) throws(Violation) {
        let cuts = Cuts(input)
        let limits = cuts.choice & 0x80 == 0 ? HeadLimits() : narrow
        let whole = verdict(of: cuts.bytes, endingAt: [cuts.bytes.count], limits)
        let inPieces = verdict(of: cuts.bytes, endingAt: cuts.ends, limits)
        try promise(whole == inPieces, "whole: \(whole), in pieces: \(inPieces)")
        guard case .success(let head?) = whole else { return }
        try checkBounds(head, limits)
        try checkForwarding(of: head, in: cuts.bytes)
    }

    private static func verdict(
        of bytes: [UInt8], endingAt ends: [Int], _ limits: HeadLimits
    ) -> Result<RequestHead?, HeadError> {
        var parser = RequestHeadParser(limits: limits)
        do throws(HeadError) {
            for end in ends {
                if let head = try parser.examine(bytes.span.extracting(0..<end)) { return .success(head) }
            }
            return .success(nil)
        } catch {
            return .failure(error)
        }
    }

    private static func checkBounds(_ head: RequestHead, _ limits: HeadLimits) throws(Violation) {
        try promise(head.byteCount <= limits.maximumHeaderBytes, "a head of \(head.byteCount) bytes passed")
        try promise(head.fields.count <= limits.maximumFields, "\(head.fields.count) fields passed")
        try promise(head.target.count <= limits.maximumURIBytes, "a target of \(head.target.count) bytes passed")
    }

    /// The steps between a head and the backend; a rejection here is equivalent to one by the parser.
    private static func checkForwarding(of head: RequestHead, in bytes: [UInt8]) throws(Violation) {
        guard let framing = try? BodyFraming.ofRequest(head, in: bytes.span),
            let upgrade = try? UpgradeIntent.of(head, in: bytes.span)
        else { return }
        let first = forwarded(head, in: bytes, upgrade)
        let again: RequestHead
        switch verdict(of: first, endingAt: [first.count], wide) {
        case .success(let head?): again = head
        case let other: throw Violation("forwarded, this head is read as \(other): \(text(first))")
        }
        try promise(again.byteCount == first.count, "bytes follow the forwarded head: \(text(first))")
        try promise(
            copy(again.method, of: first) == copy(head.method, of: bytes)
                && copy(again.target, of: first) == copy(head.target, of: bytes),
            "the request line changed: \(text(first))")
        let framingAgain = try? BodyFraming.ofRequest(again, in: first.span)
        try promise(framingAgain == framing, "the body ended \(framing) and now \(String(describing: framingAgain))")
        let upgradeAgain = try? UpgradeIntent.of(again, in: first.span)
        try promise(
            upgradeAgain == (upgrade == .webSocket ? .webSocket : UpgradeIntent.none),
            "an upgrade \(upgrade) became \(String(describing: upgradeAgain))")
        try checkFields(of: head, in: bytes, against: again, in: first)
        try promise(forwarded(again, in: first, upgrade) == first, "forwarding it twice changes it: \(text(first))")
    }

    /// Checks that every field of the request is present, in order, unchanged, and that there is no other.
    private static func checkFields(
        of head: RequestHead, in bytes: [UInt8], against again: RequestHead, in forwarded: [UInt8]
    ) throws(Violation) {
        let hopByHop = HopByHop(head, in: bytes.span)
        let keepsHost = head.onlyValue(of: .host).map { same($0, head.host, in: bytes) } ?? false
        var kept = head.fields.filter { field in
            !hopByHop.covers(field, in: bytes.span) && field.resembled != .proxy
                && (field.known != .host || keepsHost)
        }
        .map { [copy($0.name, of: bytes), plain($0, of: bytes)] }
        if !keepsHost {
            let host = head.host.map { copy($0, of: bytes) } ?? Array("backend".utf8)
            kept.insert([Array("Host".utf8), host], at: 0)
        }
        let passed = again.fields.map { [copy($0.name, of: forwarded), copy($0.value, of: forwarded)] }
        let ours = passed.dropFirst(kept.count).map { String(decoding: $0[0], as: UTF8.self) }
        try promise(
            Array(passed.prefix(kept.count)) == kept && ours.allSatisfy(["Connection", "Upgrade"].contains),
            "the fields changed: \(text(forwarded))")
    }

    private static func same(_ field: ByteRange, _ host: ByteRange?, in bytes: [UInt8]) -> Bool {
        guard let host else { return false }
        return text(copy(field, of: bytes)).lowercased() == text(copy(host, of: bytes)).lowercased()
    }

    private static func forwarded(_ head: RequestHead, in bytes: [UInt8], _ upgrade: UpgradeIntent) -> [UInt8] {
        var output: [UInt8] = []
        HeadRewriter.request(
            head, in: bytes, target: bytes[head.target.indices], own: AddedHeaders(), authority: "backend",
            upgrade: upgrade, into: &output)
        return output
    }
}

func copy(_ range: ByteRange, of bytes: [UInt8]) -> [UInt8] { Array(bytes[range.indices]) }

/// A field's value as it travels on: a length without leading zeros.
func plain(_ field: HeaderField, of bytes: [UInt8]) -> [UInt8] {
    let value = copy(field.value, of: bytes)
    guard field.known == .contentLength else { return value }
    let zeros = value.prefix { $0 == UInt8(ascii: "0") }.count
    return Array(value.dropFirst(min(zeros, max(0, value.count - 1))))
}

func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self).debugDescription }
