import Testing

@testable import OnDemand

struct StreamNameVerifierTests {
    private static let anyCable = StreamNameVerifier(secret: Array("s3Krit".utf8), railsSecretKeyBase: nil)
    private static let rails = StreamNameVerifier(
        secret: nil, railsSecretKeyBase: [UInt8](repeating: UInt8(ascii: "0"), count: 64))

    // MARK: Vectors

    @Test(
        "names that AnyCable's gems signed are valid, for both uses",
        arguments: [
            (
                "ImNoYXQ6MjAyMSI=--f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af1315628", "chat:2021"
            ),
            (
                "ImNoYXQvMjAyMyI=--2b2e054b6413bf3bc7e8bbad2f68962aa2ba19821800ccbd8de6fd7314e8320c", "chat/2023"
            ),
            ("Ij8/Ig==--0480075591084a718f7df41920dfaf6bb610da97eedc5be1b7b271fa4ccdf78c", "??"),
            ("Ij8_Ig==--0c188e908349ff0f92a51a0ed4f220bc640b8c7a9df1575b17895a58f3839ae8", "??"),
        ])
    func anyCableNames(signed: String, name: String) {
        #expect(verdict(signed, .pubsub, Self.anyCable) == .valid(Array(name.utf8)))
        #expect(verdict(signed, .turbo, Self.anyCable) == .valid(Array(name.utf8)))
    }

    @Test(
        "names that Turbo signed with either key of a secret_key_base are valid for Turbo, and for Turbo only",
        arguments: [
            "2fdfd0651db73551d850ce5a18b441d5e52e2f8ef0e26b9938a3a55e7540cdd8",
            "96df51a14e7d6c1256aae42e9a5df9b18883288b7408419b5fac05121f9dc627",
        ])
    func turboNames(digest: String) {
        let signed = "ImNoYXQ6MjAyMSI=--" + digest
        #expect(verdict(signed, .turbo, Self.rails) == .valid(Array("chat:2021".utf8)))
        #expect(verdict(signed, .pubsub, Self.rails) == .rejected(.noKey))
        #expect(verdict(signed, .turbo, Self.anyCable) == .rejected(.wrongSignature))
    }

    @Test("signed JSON that is not a string is rejected")
    func array() {
        let signed =
            "WyJjaGF0LzIwMjMiLDE2ODUwMjQwMTdd--5b6661024d4c463c4936cd1542bc9a7672dd8039ac407d0b6c901697190e8aeb"
        #expect(verdict(signed, .pubsub, Self.anyCable) == .rejected(.noName))
    }

    @Test("without a secret every name is rejected, also one that is signed with the empty key")
    func noSecret() {
        let forged = "ImNoYXQ6MjAyMSI=--1a9278ba322f67e7d201d3740c5f034a0ce04392f2ad028a48dcb513bf490ee4"
        #expect(sign("\"chat:2021\"", key: []) == forged)
        for secret in [nil, []] as [[UInt8]?] {
            for base in [nil, []] as [[UInt8]?] {
                let verifier = StreamNameVerifier(secret: secret, railsSecretKeyBase: base)
                #expect(verdict(forged, .pubsub, verifier) == .rejected(.noKey))
                #expect(verdict(forged, .turbo, verifier) == .rejected(.noKey))
            }
        }
        #expect(verdict(forged, .pubsub, Self.anyCable) == .rejected(.wrongSignature))
        #expect(verdict(forged, .turbo, Self.rails) == .rejected(.wrongSignature))
    }

    // MARK: Envelopes (signed by Active Support 6.1, key s3Krit)

    private static let until2030 =
        "eyJfcmFpbHMiOnsibWVzc2FnZSI6IkltTm9ZWFE2TWpBeU1TST0iLCJleHAiOiIyMDMwLTAxLTAxVDAwOjAwOjAwLjAwMFoiLCJwdXIiOm51bGx9fQ==--979fc38776d9eaec65bcb35e0b28571534f27a414444809c112eb5b5d1262424"

    @Test("an expiry of Rails in a name is exact to the second")
    func expiry() {
        #expect(verdict(Self.until2030, .pubsub, Self.anyCable) == .valid(Array("chat:2021".utf8)))
        #expect(verdict(Self.until2030, .pubsub, Self.anyCable, at: 1_893_455_999) == .valid(Array("chat:2021".utf8)))
        #expect(verdict(Self.until2030, .pubsub, Self.anyCable, at: 1_893_456_000) == .rejected(.expired))
        let past =
            "eyJfcmFpbHMiOnsibWVzc2FnZSI6IkltTm9ZWFE2TWpBeU1TST0iLCJleHAiOiIyMDIwLTAxLTAxVDAwOjAwOjAwLjAwMFoiLCJwdXIiOm51bGx9fQ==--1bd6ce107beb64bb869a1f9fa22e9a19353736eb5746cac0be9cc5d6b66b2f76"
        #expect(verdict(past, .pubsub, Self.anyCable) == .rejected(.expired))
    }

    @Test("a name with another purpose is rejected")
    func purpose() {
        let login =
            "eyJfcmFpbHMiOnsibWVzc2FnZSI6IkltTm9ZWFE2TWpBeU1TST0iLCJleHAiOm51bGwsInB1ciI6ImxvZ2luIn19--7410d15d7afc70daca4fcbf8d8da5dcd44a2f7f1e869745d12de231910394a4e"
        #expect(verdict(login, .pubsub, Self.anyCable) == .rejected(.otherPurpose))
    }

    @Test(
        "the newer envelope contains the name itself; an unknown one is rejected",
        arguments: [
            (#"{"_rails":{"data":"chat"}}"#, .valid(Array("chat".utf8))),
            (#"{"_rails":{"data":"chat","exp":null,"pur":null}}"#, .valid(Array("chat".utf8))),
            (#"{"_rails":{"data":"chat","exp":"2100-01-01T00:00:00.000Z"}}"#, .valid(Array("chat".utf8))),
            (#"{"_rails":{"data":"chat","exp":"2001-01-01T00:00:00.000Z"}}"#, .rejected(.expired)),
            (#"{"_rails":{"data":"chat","exp":"soon"}}"#, .rejected(.expired)),
            (#"{"_rails":{"data":"chat","exp":4102444800}}"#, .rejected(.expired)),
            (#"{"_rails":{"data":"chat","pur":""}}"#, .rejected(.otherPurpose)),
            (#"{"_rails":{"data":["chat"]}}"#, .rejected(.noName)),
            (#"{"_rails":{"message":"chat"}}"#, .rejected(.noName)),
            (#"{"_rails":{"message":"WzFd"}}"#, .rejected(.noName)),
            (#"{"_rails":{}}"#, .rejected(.noName)),
            (#"{"_rails":"chat"}"#, .rejected(.noName)),
            (#"{"chat":1}"#, .rejected(.noName)),
        ] as [(String, StreamNameVerifier.Verdict)])
    func newerEnvelope(json: String, expected: StreamNameVerifier.Verdict) {
        #expect(verdict(sign(json), .pubsub, Self.anyCable) == expected)
    }

    // MARK: Payloads

    @Test(
        "the payload is JSON with escapes, and an invalid name is rejected",
        arguments: [
            (#""a\/b""#, .valid(Array("a/b".utf8))),
            (#""\u0063hat:\ud83d\ude00""#, .valid(Array("chat:\u{1F600}".utf8))),
            (#" "chat" "#, .valid(Array("chat".utf8))),
            (#""""#, .rejected(.noName)), ("null", .rejected(.noName)), ("1", .rejected(.noName)),
            ("chat", .rejected(.noName)), ("", .rejected(.malformed)), (#""\ud800""#, .rejected(.noName)),
            (#""chat" 1"#, .rejected(.noName)),
        ] as [(String, StreamNameVerifier.Verdict)])
    func payloads(json: String, expected: StreamNameVerifier.Verdict) {
        #expect(verdict(sign(json), .pubsub, Self.anyCable) == expected)
    }

    @Test("a name of 1024 bytes is valid however it is escaped, and a longer one is not")
    func length() {
        let name = { (count: Int) in "\"" + String(repeating: "a", count: count) + "\"" }
        #expect(verdict(sign(name(1024)), .pubsub, Self.anyCable) == .valid(Array(repeating: 0x61, count: 1024)))
        #expect(verdict(sign(name(1025)), .pubsub, Self.anyCable) == .rejected(.noName))
        let escaped = "\"" + String(repeating: "\\u0061", count: 1024) + "\""
        #expect(verdict(sign(escaped), .pubsub, Self.anyCable) == .valid(Array(repeating: 0x61, count: 1024)))
        let long = sign(name(8000))
        #expect(verdict(long, .pubsub, Self.anyCable) == .rejected(.malformed))
    }

    @Test("padding is optional, and in the URL-safe alphabet \"--\" may be part of the data")
    func alphabets() {
        #expect(verdict(sign("\"chat:1\"", padded: false), .pubsub, Self.anyCable) == .valid(Array("chat:1".utf8)))
        // The value and the bytes 0xfbefbe give "----" in the URL-safe alphabet, if a string may hold them.
        let name = "\u{3fb}\u{ffb}>~~~???"
        let signed = sign("\"aa\(name)\"", alphabet: .urlSafe)
        #expect(verdict(signed, .pubsub, Self.anyCable) == .valid(Array("aa\(name)".utf8)))
        let data = Base64.encode([0xfb, 0xef, 0xbe], alphabet: .urlSafe)
        #expect(data == Array("----".utf8))
        let digest = HMAC<SHA256Core>(key: Array("s3Krit".utf8)).digest(of: data).bytes.hexadecimal
        #expect(verdict("------" + digest, .pubsub, Self.anyCable) == .rejected(.noName))
    }

    @Test(
        "a text without the form BASE64--HEX is malformed",
        arguments: [
            "", "--", "chat:2021", "ImNoYXQ6MjAyMSI=", String(repeating: "a", count: 66),
            "--f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af1315628",
            "ImNoYXQ6MjAyMSI=-f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af1315628",
            "ImNoYXQ6MjAyMSI=--f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af131562",
        ])
    func malformed(signed: String) {
        #expect(verdict(signed, .pubsub, Self.anyCable) == .rejected(.malformed))
    }

    @Test("a change of any bit of a signed name is detected")
    func everyBit() {
        let signed = Array("ImNoYXQ6MjAyMSI=--f9ee45dbccb1da04d8ceb99cc820207804370ba0d06b46fc3b8b373af1315628".utf8)
        for bit in 0..<signed.count * 8 {
            var bent = signed
            bent[bit / 8] ^= 1 << UInt8(bit % 8)
            let verdict = Self.anyCable.verdict(on: bent.span, for: .pubsub, at: 1_800_000_000)
            #expect(verdict == .rejected(.wrongSignature) || verdict == .rejected(.malformed), "bit \(bit)")
        }
    }

    private func verdict(
        _ signed: String, _ use: StreamNameVerifier.Use, _ verifier: StreamNameVerifier, at now: Int = 1_800_000_000
    ) -> StreamNameVerifier.Verdict {
        let bytes = Array(signed.utf8)
        return verifier.verdict(on: bytes.span, for: use, at: now)
    }

    private func sign(
        _ json: String, key: [UInt8] = Array("s3Krit".utf8), alphabet: Base64.Alphabet = .standard, padded: Bool = true
    ) -> String {
        let data = Base64.encode(Array(json.utf8), alphabet: alphabet, isPadded: padded)
        let digest = HMAC<SHA256Core>(key: key).digest(of: data)
        return String(decoding: data, as: UTF8.self) + "--" + digest.bytes.hexadecimal
    }
}
