import Foundation
import Testing

@testable import OnDemand

struct JSONTextTests {
    private func read(_ text: String) throws -> String? {
        try JSONSerialization.jsonObject(with: Data(JSONText.quoted(text).utf8), options: .fragmentsAllowed) as? String
    }

    @Test("every character below 256 and some above are decoded to themselves")
    func everyCharacter() throws {
        for value in Array(0...0xff) + [0x2028, 0x2029, 0xfffd, 0x1f600, 0x10ffff] as [UInt32] {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = "a\(Character(scalar))b"
            #expect(try read(text).map { Array($0.unicodeScalars) } == Array(text.unicodeScalars), "\(value)")
        }
    }

    @Test("a quoted text contains no raw control character or line break")
    func controlCharacters() {
        for value in Array(0..<0x20) + Array(0x7f...0x9f) as [UInt32] {
            let scalar = Unicode.Scalar(value)!
            #expect(!JSONText.quoted(String(Character(scalar))).unicodeScalars.contains(scalar), "\(value)")
        }
    }

    @Test("quotes and backslashes are escaped, the rest is unchanged")
    func escapes() {
        #expect(JSONText.quoted(#"say "hi" \ ü"#) == #""say \"hi\" \\ ü""#)
        #expect(JSONText.quoted("a\r\n\tb\u{1}") == #""a\r\n\tb\u0001""#)
        #expect(JSONText.quoted("") == #""""#)
    }
}
