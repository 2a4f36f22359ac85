import Testing

@testable import OnDemand

struct ClientTokenVerifierTests {
    private static let verifier = ClientTokenVerifier(secret: Array("ruby-to-go".utf8))

    @Test("the token of an application is valid and contains its connection identifiers")
    func valid() {
        let token =
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCIxNVwifSIsImV4cCI6NDEwMjQ0NDgwMH0.KKcuuwWoSJSQDW8Oclr59VbG29m2NOPkgS5hK-rKwNs"
        #expect(verdict(token) == .valid(identifiers: Array(#"{"user_id":"15"}"#.utf8)))
        #expect(verdict(token, at: 4_102_444_799) == .valid(identifiers: Array(#"{"user_id":"15"}"#.utf8)))
        #expect(verdict(token, at: 4_102_444_800) == .expired)
    }

    @Test("the same token with an expiry in the past is expired")
    func expired() {
        let token =
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCIxNVwifSIsImV4cCI6MTMwMDgxOTM4MH0.ZBw07eWyKEBrOQYYaOlobBSjhIT0iv3aH_RMrr3zTAo"
        #expect(verdict(token) == .expired)
        #expect(verdict(token, at: 1_300_819_379) == .valid(identifiers: Array(#"{"user_id":"15"}"#.utf8)))
    }

    @Test("the token of RFC 7515, A.1 has the signature of the RFC")
    func rfc7515() throws {
        let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"
        let key = try #require(decoded(secret))
        let token =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        let verifier = ClientTokenVerifier(secret: key)
        #expect(verdict(token, at: 1_300_819_379, by: verifier) == .valid(identifiers: nil))
        #expect(verdict(token, at: 1_300_819_380, by: verifier) == .expired)
    }

    @Test(
        "three algorithms are accepted, by their exact names",
        arguments: [
            ("HS256", .valid(identifiers: nil)), ("HS384", .valid(identifiers: nil)),
            ("HS512", .valid(identifiers: nil)), ("none", .unauthorized(.algorithm)),
            ("None", .unauthorized(.algorithm)), ("hs256", .unauthorized(.algorithm)),
            ("RS256", .unauthorized(.algorithm)), ("ES256", .unauthorized(.algorithm)),
            ("HS1", .unauthorized(.algorithm)), ("", .unauthorized(.algorithm)),
        ] as [(String, ClientTokenVerifier.Verdict)])
    func algorithms(name: String, expected: ClientTokenVerifier.Verdict) {
        #expect(verdict(sign("{\"alg\":\"\(name)\"}", "{}", name)) == expected)
    }

    @Test(
        "a header without an algorithm, or with a critical extension, is rejected",
        arguments: [
            (#"{}"#, .unauthorized(.algorithm)), (#"{"alg":null}"#, .unauthorized(.algorithm)),
            (#"{"alg":["HS256"]}"#, .unauthorized(.algorithm)),
            (#"{"alg":"HS256","crit":["exp"]}"#, .unauthorized(.algorithm)),
            (#"{"alg":"HS256","alg":"none"}"#, .unauthorized(.algorithm)),
            (#"{"alg":"\u0048S256"}"#, .valid(identifiers: nil)), (#"[]"#, .unauthorized(.malformed)),
            (#"{"alg":"HS256""#, .unauthorized(.malformed)), ("", .unauthorized(.malformed)),
        ] as [(String, ClientTokenVerifier.Verdict)])
    func headers(header: String, expected: ClientTokenVerifier.Verdict) {
        #expect(verdict(sign(header, "{}", "HS256")) == expected)
    }

    @Test(
        "times are numbers, and the identifiers are a string",
        arguments: [
            (#"{"exp":2000000001}"#, .valid(identifiers: nil)), (#"{"exp":2000000000}"#, .expired),
            (#"{"exp":2000000000.5}"#, .valid(identifiers: nil)), (#"{"exp":2e9}"#, .expired),
            (#"{"exp":"2000000001"}"#, .unauthorized(.claims)), (#"{"exp":null}"#, .unauthorized(.claims)),
            (#"{"exp":-1}"#, .expired), (#"{"exp":1e400}"#, .valid(identifiers: nil)),
            (#"{"nbf":2000000000}"#, .valid(identifiers: nil)), (#"{"nbf":2000000001}"#, .unauthorized(.notYetValid)),
            (#"{"nbf":true}"#, .unauthorized(.claims)), (#"{"nbf":3e9,"exp":"1"}"#, .unauthorized(.claims)),
            (#"{"exp":1,"nbf":3e9}"#, .unauthorized(.notYetValid)),
            (#"{"exp":1,"exp":3000000000}"#, .valid(identifiers: nil)),
            (#"{"ext":"{}"}"#, .valid(identifiers: Array("{}".utf8))), (#"{"ext":""}"#, .valid(identifiers: [])),
            (#"{"ext":{"user_id":15}}"#, .unauthorized(.claims)), (#"{"ext":null}"#, .unauthorized(.claims)),
            (#"[]"#, .unauthorized(.claims)), (#""#, .unauthorized(.claims)), (#"{"exp":1"#, .unauthorized(.claims)),
        ] as [(String, ClientTokenVerifier.Verdict)])
    func claims(claims: String, expected: ClientTokenVerifier.Verdict) {
        #expect(verdict(sign(#"{"alg":"HS256"}"#, claims, "HS256"), at: 2_000_000_000) == expected)
    }

    @Test("a token has exactly three parts in Base64 without padding")
    func parts() {
        let token = sign(#"{"alg":"HS256"}"#, "{}", "HS256")
        let malformed = [
            "", ".", "..", "...", "a", "a.b", token + ".", "." + token, token + "=", token + " ", " " + token,
            token.replacing(".", by: ".."), String(token.dropLast()), token + "\n", "Bearer " + token,
        ]
        for text in malformed {
            let verdict = verdict(text)
            #expect(verdict == .unauthorized(.malformed) || verdict == .unauthorized(.wrongSignature), "\(text)")
        }
        #expect(verdict(token) == .valid(identifiers: nil))
        // The same bytes with other trailing bits would be a second text for one token.
        #expect(
            verdict(token.replacing("eyJhbGciOiJIUzI1NiJ9", by: "eyJhbGciOiJIUzI1NiJ9")) == .valid(identifiers: nil))
    }

    @Test("a token with another secret's signature or a changed bit is rejected")
    func forged() {
        let token = Array(sign(#"{"alg":"HS256"}"#, #"{"ext":"a"}"#, "HS256").utf8)
        for bit in 0..<token.count * 8 {
            var bent = token
            bent[bit / 8] ^= 1 << UInt8(bit % 8)
            guard case .unauthorized = Self.verifier?.verdict(on: bent.span, at: 0) else {
                Issue.record("bit \(bit)")
                continue
            }
        }
        let other = ClientTokenVerifier(secret: Array("other".utf8))
        #expect(verdict(String(decoding: token, as: UTF8.self), by: other) == .unauthorized(.wrongSignature))
    }

    @Test("there is no verifier without a secret")
    func noSecret() {
        #expect(ClientTokenVerifier(secret: []) == nil)
    }

    private func verdict(
        _ token: String, at now: Int = 1_800_000_000, by verifier: ClientTokenVerifier? = verifier
    ) -> ClientTokenVerifier.Verdict? {
        let bytes = Array(token.utf8)
        return verifier?.verdict(on: bytes.span, at: now)
    }

    private func sign(_ header: String, _ claims: String, _ algorithm: String) -> String {
        let encode = { (bytes: [UInt8]) in
            String(decoding: Base64.encode(bytes, alphabet: .urlSafe, isPadded: false), as: UTF8.self)
        }
        let signed = encode(Array(header.utf8)) + "." + encode(Array(claims.utf8))
        let key = Array("ruby-to-go".utf8)
        let message = Array(signed.utf8)
        let digest =
            switch algorithm {
            case "HS384": HMAC<SHA384Core>(key: key).digest(of: message)
            case "HS512": HMAC<SHA512Core>(key: key).digest(of: message)
            default: HMAC<SHA256Core>(key: key).digest(of: message)
            }
        return signed + "." + encode(digest.bytes)
    }

    private func decoded(_ text: String) -> [UInt8]? {
        let bytes = Array(text.utf8)
        return Base64.decode(bytes.span, alphabet: .urlSafe, padding: .forbidden)
    }
}
