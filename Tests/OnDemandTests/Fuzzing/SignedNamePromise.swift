@testable import OnDemand

/// A signed name is valid only if its key signed it, and then means what the reader of files finds in it. The input is
/// tried as it is, and once more as a payload that is signed here.
enum SignedNameProperty {
    private static let secret = Array("s3Krit".utf8)
    private static let verifier = StreamNameVerifier(secret: secret, railsSecretKeyBase: nil)
    private static let keyless = StreamNameVerifier(secret: nil, railsSecretKeyBase: [])
    private static let now = 1_800_000_000

    static func check(_ input: [UInt8]) throws(Violation) {
        if case .valid(let name) = verifier.verdict(on: input.span, for: .pubsub, at: now) {
            let data = Array(input.dropLast(66))
            try promise(input == signed(data), "a forged name is valid: \(text(input))")
            try promise(StreamName.isValid(name), "no name: \(text(input))")
        }
        let choice = input.first ?? 0
        let payload = Array(input.dropFirst())
        let data = Base64.encode(
            payload, alphabet: choice & 1 == 0 ? .standard : .urlSafe, isPadded: choice & 2 == 0)
        let name = signed(data)
        let verdict = verifier.verdict(on: name.span, for: .turbo, at: now)
        try check(verdict, of: payload)
        try promise(
            verifier.verdict(on: name.span, for: .pubsub, at: now) == verdict, "another verdict: \(text(payload))")
        try promise(keyless.verdict(on: name.span, for: .turbo, at: now) == .rejected(.noKey), "valid without a key")
        var bent = name
        let place = Int(choice) % bent.count
        bent[place] ^= 1 << (choice >> 5)
        switch verifier.verdict(on: bent.span, for: .turbo, at: now) {
        case .rejected(.wrongSignature), .rejected(.malformed): break
        case let other: throw Violation("byte \(place) is bent: \(other)")
        }
    }

    private static func signed(_ data: [UInt8]) -> [UInt8] {
        let digest = HMAC<SHA256Core>(key: secret).digest(of: data).bytes
        return data + Array("--".utf8)
            + digest.flatMap { [HexDigit.digit(for: $0 >> 4), HexDigit.digit(for: $0 & 15)] }
    }

    private static func check(_ verdict: StreamNameVerifier.Verdict, of payload: [UInt8]) throws(Violation) {
        // Half surrogate pairs and what is deeper than the reader goes are not compared.
        guard let value = try? JSONReader.read(payload, duplicateKeys: .kept) else {
            if case .valid(let name) = verdict {
                try promise(JSONScanner.isValue(payload.span), "\(text(name)) from no JSON: \(text(payload))")
            }
            return
        }
        switch value.content {
        case .string(let name):
            let isValid = StreamName.isValid(Array(name.utf8))
            let expected: StreamNameVerifier.Verdict = isValid ? .valid(Array(name.utf8)) : .rejected(.noName)
            try promise(verdict == expected || payload.count > 7000, "\(verdict) for \(text(payload))")
        case .object(let members): try check(verdict, ofEnvelope: members, in: payload)
        default: try promise(verdict == .rejected(.noName), "\(verdict) for \(text(payload))")
        }
    }

    /// Rails' envelope, without what a time or a second decoding decides.
    private static func check(
        _ verdict: StreamNameVerifier.Verdict, ofEnvelope members: [JSONMember], in payload: [UInt8]
    ) throws(Violation) {
        guard case .object(let metadata) = members.last(where: { $0.key == "_rails" })?.value.content else {
            return try promise(verdict == .rejected(.noName), "\(verdict) from no envelope: \(text(payload))")
        }
        let value = { (key: String) in metadata.last { $0.key == key }?.value.content }
        guard value("pur") == nil || value("pur") == .null else {
            return try promise(verdict == .rejected(.otherPurpose), "\(verdict): \(text(payload))")
        }
        if verdict == .rejected(.expired) {
            return try promise(value("exp") != nil && value("exp") != .null, "expired: \(text(payload))")
        }
        guard let data = value("data") else { return }
        var expected = StreamNameVerifier.Verdict.rejected(.noName)
        if case .string(let name) = data, StreamName.isValid(Array(name.utf8)) { expected = .valid(Array(name.utf8)) }
        try promise(verdict == expected || payload.count > 7000, "\(verdict) for \(text(payload))")
    }
}
