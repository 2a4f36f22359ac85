import Foundation
import Testing

@testable import OnDemand

struct Base64Tests {
    @Test(
        "the vectors of RFC 4648, 10 are encoded",
        arguments: [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ])
    func vectors(text: String, encoded: String) {
        #expect(Base64.encode(Array(text.utf8)) == Array(encoded.utf8))
        #expect(decode(encoded) == Array(text.utf8))
    }

    @Test("the last two letters of the alphabets are plus and slash, minus and underscore")
    func lastLetters() {
        #expect(Base64.encode([0xfb, 0xff, 0xfe]) == Array("+//+".utf8))
        #expect(Base64.encode([0xfb, 0xff, 0xfe], alphabet: .urlSafe) == Array("-__-".utf8))
        #expect(decode("+//+") == [0xfb, 0xff, 0xfe] && decode("-__-") == nil)
        #expect(decode("-__-", .urlSafe) == [0xfb, 0xff, 0xfe] && decode("+//+", .urlSafe) == nil)
    }

    @Test("encoded bytes are decoded by Foundation and by this decoder", arguments: 0...66)
    func everyLength(count: Int) {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 89 + count) }
        let padded = Base64.encode(bytes)
        #expect(Data(base64Encoded: Data(padded)).map { Array($0) } == bytes)
        #expect(padded.count == Base64.count(of: count))
        for alphabet in [Base64.Alphabet.standard, .urlSafe] {
            let padded = String(decoding: Base64.encode(bytes, alphabet: alphabet), as: UTF8.self)
            let bare = String(decoding: Base64.encode(bytes, alphabet: alphabet, isPadded: false), as: UTF8.self)
            let needsPadding = count % 3 != 0
            #expect(decode(padded, alphabet, .required) == bytes && decode(padded, alphabet, .optional) == bytes)
            #expect(decode(bare, alphabet, .forbidden) == bytes && decode(bare, alphabet, .optional) == bytes)
            #expect(decode(padded, alphabet, .forbidden) == (needsPadding ? nil : bytes))
            #expect(decode(bare, alphabet, .required) == (needsPadding ? nil : bytes))
        }
    }

    @Test(
        "each run of bytes has one text, and every other text is rejected",
        arguments: [
            "Z", "Zg", "Zg=", "Zg===", "=", "==", "====", "Zg==Zg==", "Zh==", "Zm9=", "Zm8", "Zm 8", "Zm8=\n", " Zm8=",
            "Zm9v=", "Zm9vY", "Zm9v!", "Zm9\u{e9}", "Z===", "A=A=", "\0\0\0\0",
        ])
    func refused(text: String) {
        #expect(decode(text) == nil)
        for padding in [Base64.Padding.required, .forbidden, .optional] where text != "Zg" && text != "Zm8" {
            #expect(decode(text, .standard, padding) == nil && decode(text, .urlSafe, padding) == nil)
        }
    }

    private func decode(
        _ text: String, _ alphabet: Base64.Alphabet = .standard, _ padding: Base64.Padding = .required
    ) -> [UInt8]? {
        let bytes = Array(text.utf8)
        return Base64.decode(bytes.span, alphabet: alphabet, padding: padding)
    }
}
