import Testing

@testable import OnDemand

struct HandshakeTests {
    @Test("the accept value is the one of RFC 6455, 1.3")
    func acceptValue() {
        #expect(Handshake.acceptValue(forKey: "dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    }

    private func accepts(_ value: some Collection<UInt8>, key: String) -> Bool {
        Handshake.accepts(Array(value).span, key: Array(key.utf8).span)
    }

    @Test("a response is accepted only with the exact accept value")
    func accepts() {
        let key = "dGhlIHNhbXBsZSBub25jZQ=="
        let value = Array("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".utf8)
        #expect(accepts(value, key: key) && !accepts(value, key: "dGhlIHNhbXBsZSBub25jZg=="))
        for index in value.indices {
            var other = value
            other[index] ^= 0x20
            #expect(!accepts(other, key: key), "another byte at \(index)")
            #expect(!accepts(value[..<index], key: key), "only \(index) bytes")
        }
        #expect(!accepts(value + value.suffix(1), key: key))
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
