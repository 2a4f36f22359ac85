@testable import OnDemand

/// A token is valid only if its secret signed it, and then says what the reader of files finds in its claims. The input
/// is tried as it is, and once more as a header and claims, a line each, that are signed here.
enum ClientTokenProperty {
    private static let secret = Array("ruby-to-go".utf8)
    private static let verifier = ClientTokenVerifier(secret: secret)
    private static let now = 1_800_000_000

    static func check(_ input: [UInt8]) throws(Violation) {
        guard let verifier else { throw Violation("there is no verifier") }
        let raw = verifier.verdict(on: input.span, at: now)
        if !isUnauthorized(raw) { try promise(isSigned(input), "a forged token is \(raw): \(text(input))") }

        let lines = input.split(separator: UInt8(ascii: "\n"), maxSplits: 1, omittingEmptySubsequences: false)
        let header = Array(lines.first ?? [])
        let claims = Array(lines.dropFirst().first ?? [])
        let fields = (try? JSONReader.read(header, duplicateKeys: .kept)).flatMap(members)
        let token = signed(header, claims, by: fields?["alg"].flatMap(string) ?? "")
        let verdict = verifier.verdict(on: token.span, at: now)
        if let fields {
            let algorithms = ["HS256", "HS384", "HS512"]
            let isAllowed = fields["crit"] == nil && fields["alg"].flatMap(string).map(algorithms.contains) ?? false
            try promise(isAllowed == (verdict != .unauthorized(.algorithm)), "\(verdict): \(text(header))")
            if isAllowed { try check(verdict, of: claims) }
        }
        var bent = token
        bent[(header.count * 7 + claims.count) % bent.count] ^= 1
        try promise(isUnauthorized(verifier.verdict(on: bent.span, at: now)), "a bent token: \(text(bent))")
    }

    private static func check(_ verdict: ClientTokenVerifier.Verdict, of claims: [UInt8]) throws(Violation) {
        // Half surrogate pairs and what is deeper than the reader goes are not compared.
        guard let value = try? JSONReader.read(claims, duplicateKeys: .kept) else { return }
        guard let fields = members(value) else {
            return try promise(verdict == .unauthorized(.claims), "\(verdict): \(text(claims))")
        }
        let times = ["nbf", "exp"].map { key in fields[key].map(number) }
        let isSound = times.allSatisfy { $0 != .some(nil) } && (fields["ext"].map { string($0) != nil } ?? true)
        guard isSound else { return try promise(verdict == .unauthorized(.claims), "\(verdict): \(text(claims))") }
        let begin = times[0].flatMap { $0 } ?? -.infinity
        let end = times[1].flatMap { $0 } ?? .infinity
        let expected: ClientTokenVerifier.Verdict =
            if Double(now) < begin {
                .unauthorized(.notYetValid)
            } else if Double(now) >= end, times[1] != nil {
                .expired
            } else {
                .valid(identifiers: fields["ext"].flatMap(string).map { Array($0.utf8) })
            }
        try promise(verdict == expected, "\(verdict) instead of \(expected): \(text(claims))")
    }

    /// Of a repeated key the last one counts. Keys of this promise are ASCII, so strings compare as bytes.
    private static func members(_ value: JSONValue) -> [String: JSONValue]? {
        guard case .object(let members) = value.content else { return nil }
        return members.reduce(into: [:]) { $0[$1.key] = $1.value }
    }

    private static func string(_ value: JSONValue) -> String? {
        if case .string(let text) = value.content { text } else { nil }
    }

    private static func number(_ value: JSONValue) -> Double? {
        if case .number(let number) = value.content { Double(number.text) } else { nil }
    }

    private static func isUnauthorized(_ verdict: ClientTokenVerifier.Verdict) -> Bool {
        if case .unauthorized = verdict { true } else { false }
    }

    private static func isSigned(_ token: [UInt8]) -> Bool {
        guard let dot = token.lastIndex(of: UInt8(ascii: ".")) else { return false }
        let signed = Array(token[..<dot])
        return ["HS256", "HS384", "HS512"].contains { signed + [token[dot]] + signature(of: signed, by: $0) == token }
    }

    private static func signed(_ header: [UInt8], _ claims: [UInt8], by algorithm: String) -> [UInt8] {
        let signed = encoded(header) + [UInt8(ascii: ".")] + encoded(claims)
        return signed + [UInt8(ascii: ".")] + signature(of: signed, by: algorithm)
    }

    private static func signature(of message: [UInt8], by algorithm: String) -> [UInt8] {
        switch algorithm {
        case "HS384": encoded(HMAC<SHA384Core>(key: secret).digest(of: message).bytes)
        case "HS512": encoded(HMAC<SHA512Core>(key: secret).digest(of: message).bytes)
        default: encoded(HMAC<SHA256Core>(key: secret).digest(of: message).bytes)
        }
    }

    private static func encoded(_ bytes: [UInt8]) -> [UInt8] {
        Base64.encode(bytes, alphabet: .urlSafe, isPadded: false)
    }
}
