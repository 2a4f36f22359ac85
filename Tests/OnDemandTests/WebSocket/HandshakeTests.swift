import Testing

@testable import OnDemand

struct HandshakeTests {
    @Test("the accept value is the one of RFC 6455, 1.3")
    func acceptValue() {
        #expect(Handshake.acceptValue(forKey: "dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    @Test("a key is sixteen bytes in base64")
    func validKey() {
        #expect(Handshake.isValidKey(Array("dGhlIHNhbXBsZSBub25jZQ==".utf8)))
        for text in [
            "", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ==A", "dGhlIHNhbXBsZSBub25j====",
            "dGhl HNhbXBsZSBub25jZQ==",
        ] {
            #expect(!Handshake.isValidKey(Array(text.utf8)), "\(text)")
        }
    }
}
