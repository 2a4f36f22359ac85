import Testing

@testable import OnDemand

struct Base64Tests {
    @Test(
        "the vectors are those of RFC 4648, 10",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func vectors(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == Array(encoded.utf8))
    }

    @Test("the last two letters of the alphabet are plus and slash")
    func lastLetters() {
        #expect(Base64.encode([0xfb, 0xff, 0xfe]) == Array("+//+".utf8))
    }
}
