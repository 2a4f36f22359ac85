/// Reads the tokens of clients: JSON Web Tokens (RFC 7519) signed with a shared secret.
///
/// Only these forms are accepted: three parts in Base64 without padding, HS256, HS384 or HS512, no critical extensions,
/// and times that are numbers. Everything else is unauthorized, `none` and asymmetric algorithms included.
struct ClientTokenVerifier: Sendable {
    enum Verdict: Equatable, Sendable {
        /// With the claim `ext`: the connection identifiers, as the application wrote them.
        case valid(identifiers: [UInt8]?)
        /// Everything is right but the time, so that a client may ask for a new token.
        case expired
        case unauthorized(Rejection)
    }

    enum Rejection: String, Equatable, Sendable {
        case malformed = "malformed token"
        case algorithm = "algorithm not allowed"
        case wrongSignature = "wrong signature"
        case notYetValid = "not valid yet"
        case claims = "invalid claims"
    }

    private let hs256: HMAC<SHA256Core>
    private let hs384: HMAC<SHA384Core>
    private let hs512: HMAC<SHA512Core>

    /// nil without a secret: then no token can be told from a forged one.
    init?(secret: [UInt8]) {
        guard !secret.isEmpty else { return nil }
        hs256 = HMAC(key: secret)
        hs384 = HMAC(key: secret)
        hs512 = HMAC(key: secret)
    }

    /// `now` in seconds since 1970.
    func verdict(on token: Span<UInt8>, at now: Int) -> Verdict {
        guard let (first, second) = Self.dots(in: token),
            let header = Self.decode(token.extracting(0..<first)),
            let claims = Self.decode(token.extracting(first + 1..<second)),
            let signature = Self.decode(token.extracting(second + 1..<token.count))
        else { return .unauthorized(.malformed) }
        guard let fields = try? Self.headerKeys.values(of: header.span) else { return .unauthorized(.malformed) }
        // An extension that is critical must be understood (RFC 7515, 4.1.11), and none is.
        guard fields[1] == nil, let algorithm = fields[0] else { return .unauthorized(.algorithm) }
        let signed = token.extracting(0..<second)
        let digest: Digest
        if algorithm.isString(Self.hs256Name, in: header.span) {
            digest = hs256.digest(of: signed)
        } else if algorithm.isString(Self.hs384Name, in: header.span) {
            digest = hs384.digest(of: signed)
        } else if algorithm.isString(Self.hs512Name, in: header.span) {
            digest = hs512.digest(of: signed)
        } else {
            return .unauthorized(.algorithm)
        }
        guard digest.equals(signature.span) else { return .unauthorized(.wrongSignature) }
        return Self.verdict(onClaims: claims, at: now)
    }

    private static func verdict(onClaims claims: [UInt8], at now: Int) -> Verdict {
        guard let values = try? claimKeys.values(of: claims.span) else { return .unauthorized(.claims) }
        var identifiers: [UInt8]?
        if let ext = values[2] {
            guard let text = ext.string(in: claims.span) else { return .unauthorized(.claims) }
            identifiers = text
        }
        // Whether the claims make sense comes before what time it is.
        let (end, begin) = (values[0].map { time($0, in: claims) }, values[1].map { time($0, in: claims) })
        guard end != .some(nil), begin != .some(nil) else { return .unauthorized(.claims) }
        if let begin = begin ?? nil, Double(now) < begin { return .unauthorized(.notYetValid) }
        if let end = end ?? nil, Double(now) >= end { return .expired }
        return .valid(identifiers: identifiers)
    }

    private static let headerKeys = JSONKeys<2>(["alg", "crit"])
    private static let claimKeys = JSONKeys<3>(["exp", "nbf", "ext"])
    private static let hs256Name = Array("HS256".utf8)
    private static let hs384Name = Array("HS384".utf8)
    private static let hs512Name = Array("HS512".utf8)

    /// A NumericDate may have a fraction (RFC 7519, 2).
    private static func time(_ value: JSONSlice, in claims: [UInt8]) -> Double? {
        guard value.kind == .number else { return nil }
        return Double(String(decoding: claims[value.range.indices], as: UTF8.self))
    }

    private static func dots(in token: Span<UInt8>) -> (Int, Int)? {
        var first: Int?
        var second: Int?
        for index in token.indices where token[index] == UInt8(ascii: ".") {
            guard second == nil else { return nil }
            if first == nil { first = index } else { second = index }
        }
        guard let first, let second else { return nil }
        return (first, second)
    }

    private static func decode(_ part: Span<UInt8>) -> [UInt8]? {
        Base64.decode(part, alphabet: .urlSafe, padding: .forbidden)
    }
}
