/// Reads signed stream names: `BASE64--HEX`, where HEX is the HMAC-SHA256 of BASE64 and BASE64 is JSON.
///
/// AnyCable's gems sign with a secret as text. Turbo signs with 64 bytes that Rails derives from `secret_key_base`, by
/// PBKDF2 with SHA-256 or, in older applications, SHA-1. Both alphabets of Base64 are in use.
///
/// A signed name is a capability that seldom expires and that carries no user. Without a key every name is rejected:
/// a signature by the empty key can be made by any client.
struct StreamNameVerifier: Sendable {
    /// Which subscriptions a name is read for.
    enum Use: Sendable { case pubsub, turbo }

    enum Verdict: Equatable, Sendable {
        case valid([UInt8])
        case rejected(Rejection)
    }

    enum Rejection: String, Equatable, Sendable {
        case noKey = "no key is configured"
        case malformed = "malformed"
        case wrongSignature = "wrong signature"
        case expired = "expired"
        /// The name was signed for something else.
        case otherPurpose = "signed for another purpose"
        /// Signed JSON that is not a usable name.
        case noName = "no stream name"
    }

    private let pubsubKeys: [HMAC<SHA256Core>]
    private let turboKeys: [HMAC<SHA256Core>]

    /// `secret` signs for both uses; `railsSecretKeyBase` for Turbo, and costs two derivations of 1000 iterations here.
    /// An empty one is none.
    init(secret: [UInt8]?, railsSecretKeyBase: [UInt8]?) {
        var keys = DerivedStreamKeys()
        self.init(secret: secret, turboKeys: keys.keys(from: railsSecretKeyBase))
    }

    /// `turboKeys` are those that Rails derives.
    init(secret: [UInt8]?, turboKeys derived: [HMAC<SHA256Core>]) {
        let shared = [secret ?? []].filter { !$0.isEmpty }.map { HMAC<SHA256Core>(key: $0) }
        pubsubKeys = shared
        turboKeys = shared + derived
    }

    /// `key_generator.generate_key("turbo/signed_stream_verifier_key")`; the newer digest is tried first.
    fileprivate static func derivedKeys(from base: [UInt8]) -> [HMAC<SHA256Core>] {
        let salt = Array("turbo/signed_stream_verifier_key".utf8)
        return [
            PBKDF2<SHA256Core>.key(password: base, salt: salt, iterations: 1000, byteCount: 64),
            PBKDF2<SHA1Core>.key(password: base, salt: salt, iterations: 1000, byteCount: 64),
        ].map { HMAC(key: $0) }
    }

    /// `now` in seconds since 1970.
    func verdict(on signed: Span<UInt8>, for use: Use, at now: Int) -> Verdict {
        let keys = use == .pubsub ? pubsubKeys : turboKeys
        guard !keys.isEmpty else { return .rejected(.noKey) }
        // The length of a digest is known, so the separator is found from the end: in the URL-safe alphabet it may also
        // occur before.
        let end = signed.count - Self.digestCharacters - 2
        guard end > 0, signed.count <= Limits.signedStreamNameBytes, signed[end] == UInt8(ascii: "-"),
            signed[end + 1] == UInt8(ascii: "-")
        else { return .rejected(.malformed) }
        let data = signed.extracting(0..<end)
        let digest = signed.extracting(end + 2..<signed.count)
        var isAuthentic = false
        for key in keys where !isAuthentic { isAuthentic = key.digest(of: data).equals(hexadecimal: digest) }
        guard isAuthentic else { return .rejected(.wrongSignature) }
        guard let json = Self.decode(data) else { return .rejected(.malformed) }
        return Self.read(json, at: now)
    }

    /// Signs a name as the application would: with its secret, which is for both uses, else for Turbo. nil: no key.
    func sign(_ name: [UInt8]) -> [UInt8]? {
        guard let key = turboKeys.first else { return nil }
        var json: [UInt8] = []
        JSONText.append(quoted: name.span, to: &json)
        let data = Base64.encode(json)
        return data + Array("--".utf8) + key.digest(of: data).hexadecimal
    }

    /// The name in a signed text whose signature another server has checked; nil where there is none.
    static func unverifiedName(in signed: Span<UInt8>) -> [UInt8]? {
        let end = signed.count - digestCharacters - 2
        guard end > 0, signed.count <= Limits.signedStreamNameBytes, let json = decode(signed.extracting(0..<end)),
            case .valid(let name) = read(json, at: 0)
        else { return nil }
        return name
    }

    private static let digestCharacters = 64

    private static func decode(_ text: Span<UInt8>) -> [UInt8]? {
        Base64.decode(text, alphabet: .standard, padding: .optional)
            ?? Base64.decode(text, alphabet: .urlSafe, padding: .optional)
    }
}

// MARK: - The signed value

extension StreamNameVerifier {
    private static let envelopeKeys = JSONKeys<1>(["_rails"])
    private static let metadataKeys = JSONKeys<4>(["message", "data", "exp", "pur"])

    /// A name as a JSON string, alone or in the envelope in which Rails keeps an expiry and a purpose.
    private static func read(_ json: [UInt8], at now: Int) -> Verdict {
        guard let value = try? JSONScanner.value(of: json.span) else { return .rejected(.noName) }
        guard value.kind == .object else { return name(value, in: json) }
        guard let envelope = try? envelopeKeys.values(of: value, in: json.span)[0],
            let metadata = try? metadataKeys.values(of: envelope, in: json.span)
        else { return .rejected(.noName) }
        if let purpose = metadata[3], purpose.kind != .null { return .rejected(.otherPurpose) }
        if let expiry = metadata[2], expiry.kind != .null {
            guard let text = expiry.string(in: json.span), let seconds = ISO8601Time.seconds(of: text), now < seconds
            else { return .rejected(.expired) }
        }
        if let data = metadata[1] { return name(data, in: json) }
        // Up to Rails 7.0 the value is Base64 of JSON once more.
        guard let message = metadata[0]?.string(in: json.span), let inner = decode(message.span),
            let value = try? JSONScanner.value(of: inner.span)
        else { return .rejected(.noName) }
        return name(value, in: inner)
    }

    private static func name(_ value: JSONSlice, in json: [UInt8]) -> Verdict {
        guard let name = value.string(in: json.span), StreamName.isValid(name) else { return .rejected(.noName) }
        return .valid(name)
    }
}

/// The keys that Rails derives from `secret_key_base`, once for each: many cables may be those of one application.
struct DerivedStreamKeys {
    private var known: [[UInt8]: [HMAC<SHA256Core>]] = [:]

    /// None from an empty one.
    mutating func keys(from base: [UInt8]?) -> [HMAC<SHA256Core>] {
        guard let base, !base.isEmpty else { return [] }
        if let keys = known[base] { return keys }
        let keys = StreamNameVerifier.derivedKeys(from: base)
        known[base] = keys
        return keys
    }
}
