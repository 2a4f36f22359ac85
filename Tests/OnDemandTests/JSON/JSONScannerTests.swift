import Foundation
import Testing

@testable import OnDemand

struct JSONScannerTests {
    // MARK: Verdicts

    @Test("the scanner and the reader agree on every text of the corpus", arguments: Corpus.files(in: "json"))
    func corpus(name: String) throws {
        let bytes = try Corpus.bytes(of: "json/\(name)")
        try ScannerProperty.checkVerdict(of: bytes)
        if name.hasPrefix("y_") { #expect(JSONScanner.isValue(bytes)) }
        let isLenient = name.hasPrefix("n_duplicate_") || name.hasPrefix("n_surrogate_") || name.hasPrefix("n_depth_")
        if name.hasPrefix("n_"), !isLenient { #expect(!JSONScanner.isValue(bytes) || hasLoneSurrogate(bytes)) }
    }

    private func hasLoneSurrogate(_ bytes: [UInt8]) -> Bool {
        let error = #expect(throws: JSONError.self) { try JSONReader.read(bytes) }
        if case .loneSurrogate = error?.reason { return true }
        return false
    }

    @Test("seeded random texts, whole and damaged, have the reader's result", arguments: 0..<300 as Range<UInt64>)
    func randomTexts(seed: UInt64) throws {
        var writer = RandomJSON(seed: seed)
        var bytes = Array(writer.value(depth: 0).utf8)
        try ScannerProperty.check(bytes)
        #expect(JSONScanner.isValue(bytes))
        writer.damage(&bytes)
        try ScannerProperty.check(bytes)
    }

    @Test("an error names the byte at which the text stops being JSON", arguments: mistakes)
    func mistake(text: String, reason: JSONScanError.Reason, offset: Int) {
        let bytes = Array(text.utf8)
        let error = #expect(throws: JSONScanError.self) { try JSONScanner.value(of: bytes) }
        #expect(error == JSONScanError(reason, at: offset))
    }

    private static let mistakes: [(String, JSONScanError.Reason, Int)] = [
        ("", .syntax, 0), ("  ", .syntax, 2), ("{", .syntax, 1), ("[1,]", .syntax, 3), ("{\"a\":1,}", .syntax, 7),
        ("{\"a\" 1}", .syntax, 5), ("{a:1}", .syntax, 1), ("[1 2]", .syntax, 3), ("tru", .syntax, 3),
        ("nul1", .syntax, 3), ("01", .syntax, 1), ("-", .syntax, 1), ("1.", .syntax, 2), ("1e+", .syntax, 3),
        ("\"\\x\"", .syntax, 2), ("\"\\u12g4\"", .syntax, 5), ("\"a\nb\"", .syntax, 2), ("\"abc", .syntax, 4),
        ("{} {}", .syntax, 3), ("[1}", .syntax, 2), ("\u{feff}1", .syntax, 0), ("1\0", .syntax, 1),
    ]

    @Test("invalid UTF-8 is rejected at its beginning")
    func encoding() {
        for wrong in [[0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80], [0xe2, 0x82]] as [[UInt8]] {
            let bytes = Array("[\"ab".utf8) + wrong + Array("\"]".utf8)
            let error = #expect(throws: JSONScanError.self) { try JSONScanner.value(of: bytes) }
            #expect(error == JSONScanError(.invalidUTF8, at: 4))
        }
    }

    @Test("a hundred levels are accepted and one more is not, wherever the object or array begins")
    func depth() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let text = { (levels: Int) in
                Array((String(repeating: open, count: levels) + "1" + String(repeating: close, count: levels)).utf8)
            }
            #expect(JSONScanner.isValue(text(100)))
            let tooDeep = JSONScanError(.tooDeep, at: 100 * open.utf8.count)
            #expect(throws: tooDeep) { try JSONScanner.value(of: text(101)) }
            guard open != "[" else { continue }
            #expect(throws: tooDeep) { try JSONScanner.forEachMember(of: text(101).span) { _, _ in } }
        }
        let deep = [UInt8](repeating: UInt8(ascii: "["), count: 1_000_000)
        #expect(throws: JSONScanError(.tooDeep, at: 100)) { try JSONScanner.value(of: deep) }
    }

    // MARK: Members

    private static let keys = JSONKeys<3>(["command", "identifier", "data"])

    @Test("a message's members are found in their notation, in any order, with any whitespace")
    func members() throws {
        let text = Array(" { \"data\" : 1.50e+3 , \"other\":[{\"command\":0}],\n\"command\":\"subscribe\"}\r\n".utf8)
        let values = try Self.keys.values(of: text.span)
        #expect(values[0]?.isString(Array("subscribe".utf8), in: text) == true)
        #expect(values[1] == nil)
        #expect(values[2]?.kind == .number)
        #expect(values[2].map { written($0, text) } == "1.50e+3")
    }

    @Test("the last one of repeated keys applies, also when it is escaped")
    func repeatedKeys() throws {
        let text = Array(#"{"data":1,"d\u0061ta":"2","data":null,"\u0064ata":[3]}"#.utf8)
        let value = try Self.keys.values(of: text.span)[2]
        #expect(value.map { written($0, text) } == "[3]")
        let theirs = try JSONSerialization.jsonObject(with: Data(#"{"d\u0061ta":"2"}"#.utf8)) as? [String: String]
        #expect(theirs?["data"] == "2")
    }

    @Test("a valid text without an object is distinct from invalid JSON")
    func noObject() {
        for text in ["[]", "1", "\"{}\"", " null "] {
            let bytes = Array(text.utf8)
            let error = #expect(throws: JSONScanError.self) { try Self.keys.values(of: bytes.span) }
            #expect(error?.reason == .notAnObject)
        }
        for text in ["[", "{\"data\":1", "{\"data\":1}}", "{\"data\":1,}", "", "{,}", "{\"a\"}", "{\"a\":}"] {
            let bytes = Array(text.utf8)
            let error = #expect(throws: JSONScanError.self) { try Self.keys.values(of: bytes.span) }
            #expect(error?.reason == .syntax, "\(text)")
        }
    }

    @Test("arrays and the objects inside them are walked in order")
    func nested() throws {
        let text = Array(#" [ {"data":1} , {"data":"x","data":[2,{}]}, 3 , [] ] "#.utf8)
        let array = try JSONScanner.value(of: text)
        var found: [String] = []
        try JSONScanner.forEachItem(of: array, in: text.span) { (item) throws(JSONScanError) in
            guard item.kind == .object else { return found.append(written(item, text)) }
            found.append(try Self.keys.values(of: item, in: text.span)[2].map { written($0, text) } ?? "none")
        }
        #expect(found == ["1", "[2,{}]", "3", "[]"])
        let empty = Array("[ ]".utf8)
        JSONScanner.forEachItem(of: try JSONScanner.value(of: empty), in: empty.span) { _ in Issue.record("item") }
    }

    // MARK: Strings

    @Test(
        "strings have Foundation's values",
        arguments: [
            "\"\"", "\"plain\"", #""\"\\\/\b\f\n\r\t""#, #""é\u00e9\u20AC€""#, #""\ud83d\ude00😀""#, #""a\u0000b""#,
            #""\uD834\uDD1E\uDBFF\uDFFF\uD800\uDC00""#, #""\\ud800""#,
        ])
    func strings(text: String) throws {
        let bytes = Array(text.utf8)
        let slice = try JSONScanner.value(of: bytes)
        let theirs = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed) as? String
        let expected = Array(try #require(theirs).utf8)
        #expect(slice.string(in: bytes) == expected)
        #expect(slice.isString(expected, in: bytes))
        #expect(!slice.isString(expected + [0], in: bytes))
        #expect(expected.isEmpty || !slice.isString(Array(expected.dropLast()), in: bytes))
        #expect(expected.isEmpty || !slice.isString(Array(expected.dropFirst()), in: bytes))
    }

    @Test(
        "half of a surrogate pair is valid as a value and has no content",
        arguments: [
            #""\ud800""#, #""a\udbffb""#, #""\udc00""#, #""\ud800\ud800""#, #""\ud800\n\udc00""#, #""\udfff\ud800""#,
            #""\ud800\u0041""#,
        ])
    func loneSurrogates(text: String) throws {
        let bytes = Array(text.utf8)
        let slice = try JSONScanner.value(of: bytes)
        #expect(slice.string(in: bytes) == nil)
        #expect(!slice.isString([], in: bytes) && !slice.isString(Array("a".utf8), in: bytes))
    }

    @Test("a string written as JSON is scanned as one value with the same content, in one escape for each byte at most")
    func quoting() throws {
        let content = (0..<0x80).map { UInt8($0) } + Array("\u{e9}\u{2028}\u{1F600}\"\\".utf8)
        var written: [UInt8] = []
        JSONText.append(quoted: content.span, to: &written)
        #expect(try JSONScanner.value(of: written).string(in: written) == content)
        let theirs = try JSONSerialization.jsonObject(with: Data(written), options: .fragmentsAllowed) as? String
        #expect(theirs.map { Array($0.utf8) } == content)
        #expect(written.count == content.count + 2 + 5 * 32 + 4)
    }

    @Test("only strings have content")
    func otherKinds() throws {
        for text in ["1", "true", "null", "{}", "[]", "false"] {
            let bytes = Array(text.utf8)
            let slice = try JSONScanner.value(of: bytes)
            #expect(slice.string(in: bytes) == nil && !slice.isString(bytes, in: bytes))
        }
    }

    private func written(_ slice: JSONSlice, _ text: [UInt8]) -> String {
        String(decoding: text[slice.range.indices], as: UTF8.self)
    }
}
