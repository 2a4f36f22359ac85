import Foundation
import Testing

@testable import OnDemand

struct JSONReaderTests {
    // MARK: Corpus

    @Test("every text of the corpus is accepted or rejected as its name requires", arguments: Corpus.files(in: "json"))
    func corpus(name: String) throws {
        let bytes = try Corpus.bytes(of: "json/\(name)")
        switch name.prefix(2) {
        case "y_": #expect(throws: Never.self) { try JSONReader.read(bytes) }
        case "n_": try expectRefused(bytes)
        case "i_": if (try? JSONReader.read(bytes)) == nil { try expectRefused(bytes) }
        default: Issue.record("\(name) does not say what is expected of it")
        }
    }

    private func expectRefused(_ bytes: [UInt8]) throws {
        let error = #expect(throws: JSONError.self) { try JSONReader.read(bytes) }
        #expect(error.map { Corpus.contains($0.position, bytes) } ?? false)
        #expect(error?.sentence.isEmpty == false)
    }

    @Test("the corpus has some hundred texts with their expected results")
    func corpusSize() {
        #expect(Corpus.files(in: "json").count >= 600)
    }

    @Test("an accepted text has the same value in Foundation", arguments: Corpus.files(in: "json", "y_"))
    func foundationAgreesOnAccepted(name: String) throws {
        // Foundation drops a byte order mark even from the middle of the text, where it is a character.
        guard name != "y_string_inner_bom.json" else { return }
        let bytes = try Corpus.bytes(of: "json/\(name)")
        let theirs = try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
        expectSame(try JSONReader.read(bytes), theirs)
    }

    @Test(
        "a rejected text is rejected by Foundation, too, unless the difference is intended",
        arguments: Corpus.files(in: "json", "n_"))
    func foundationAgreesOnRefused(name: String) throws {
        // Duplicates, the mark and the depth are left open by RFC 8259; UTF-16 and UTF-32 were allowed by older ones.
        // Commas and zeros at the end are Foundation's own leniency.
        let ourStrictness = [
            "n_duplicate_", "n_bom", "n_utf16_", "n_depth_65", "n_array_trailing_comma", "n_object_trailing_comma",
            "n_trailing_nul",
        ]
        guard !ourStrictness.contains(where: name.hasPrefix) else { return }
        let bytes = try Corpus.bytes(of: "json/\(name)")
        #expect(throws: (any Error).self) {
            try JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
        }
    }

    // MARK: Values

    @Test(
        "seeded random values have the same value in this reader and in Foundation", arguments: 0..<200 as Range<UInt64>
    )
    func randomValues(seed: UInt64) throws {
        var writer = RandomJSON(seed: seed)
        let text = writer.value(depth: 0)
        let value = try JSONReader.read(Array(text.utf8))
        let theirs = try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
        expectSame(value, theirs)
    }

    @Test("seeded broken texts are rejected, or have the same value in Foundation", arguments: 0..<300 as Range<UInt64>)
    func brokenValues(seed: UInt64) {
        var writer = RandomJSON(seed: seed)
        var bytes = Array(writer.value(depth: 0).utf8)
        writer.damage(&bytes)
        do throws(JSONError) {
            let value = try JSONReader.read(bytes)
            let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            #expect(theirs != nil, "only this reader accepts \(String(decoding: bytes, as: UTF8.self))")
            if let theirs { expectSame(value, theirs) }
        } catch {
            #expect(Corpus.contains(error.position, bytes))
        }
    }

    @Test("numbers keep their digits, and only whole ones within 64 bits are integers")
    func numbers() throws {
        let value = try read("[9007199254740993, 9223372036854775807, 9223372036854775808, 1.0, 1e3, -0, 0.10]")
        guard case .array(let items) = value.content else { throw Unexpected() }
        let numbers = items.compactMap { if case .number(let number) = $0.content { number } else { nil } }
        #expect(numbers.map(\.integer) == [9_007_199_254_740_993, .max, nil, nil, nil, 0, nil])
        #expect(numbers.map(\.text).last == "0.10")
    }

    @Test("objects keep the order of their keys")
    func order() throws {
        guard case .object(let members) = try read(#"{"z":1,"a":2,"m":3}"#).content else { throw Unexpected() }
        #expect(members.map(\.key) == ["z", "a", "m"])
    }

    @Test("positions count lines and characters, not bytes")
    func positions() throws {
        let text = "{\r\n  \"\u{e9}\u{1F600}\": [1,\n\t\"\u{20ac}\", {}],\n\"b\":null}"
        guard case .object(let members) = try read(text).content,
            case .array(let items) = members[0].value.content
        else { throw Unexpected() }
        #expect(members.map(\.keyPosition) == [at(2, 3), at(4, 1)])
        #expect(members.map(\.value.position) == [at(2, 9), at(4, 5)])
        #expect(items.map(\.position) == [at(2, 10), at(3, 2), at(3, 7)])
    }

    // MARK: Errors

    @Test("each error has a reason and its position", arguments: mistakes)
    func mistake(text: String, reason: JSONError.Reason, position: TextPosition) {
        let error = #expect(throws: JSONError.self) { try read(text) }
        #expect(error == JSONError(reason: reason, position: position))
    }

    private static let mistakes: [(String, JSONError.Reason, TextPosition)] = [
        ("", .empty, at(1, 1)),
        (" \n ", .empty, at(2, 2)),
        ("\u{FEFF}{}", .byteOrderMark, at(1, 1)),
        ("[1,\n 2,]", .trailingComma, at(2, 3)),
        ("{\"a\": 1,\n}", .trailingComma, at(1, 8)),
        ("[1 2]", .unexpected("\"2\"", expected: "a comma or \"]\""), at(1, 4)),
        ("{\"a\" 1}", .unexpected("\"1\"", expected: "a colon after the key"), at(1, 6)),
        ("{\"a\":,}", .unexpected("\",\"", expected: "a value"), at(1, 6)),
        ("{,}", .unexpected("\",\"", expected: "a key in double quotes"), at(1, 2)),
        ("[\n  {\"a\": [", .endsInside(.array, opened: at(2, 9)), at(2, 10)),
        ("{\"a\":", .endsInside(.object, opened: at(1, 1)), at(1, 6)),
        ("[\"ab", .endsInside(.string, opened: at(1, 2)), at(1, 5)),
        ("{} x", .trailingData("\"x\""), at(1, 4)),
        ("{}\n// done", .comment, at(2, 1)),
        ("{ # no\n}", .comment, at(1, 3)),
        ("['a']", .singleQuotes, at(1, 2)),
        ("{'a': 1}", .singleQuotes, at(1, 2)),
        ("{listen: 1}", .unquotedKey("listen"), at(1, 2)),
        ("[True]", .unknownWord("True"), at(1, 2)),
        ("[puma]", .unknownWord("puma"), at(1, 2)),
        ("[+1]", .leadingPlus, at(1, 2)),
        ("[007]", .leadingZero, at(1, 3)),
        ("[1.]", .missingDigit(after: "1."), at(1, 4)),
        ("[-]", .missingDigit(after: "-"), at(1, 3)),
        ("[1e+]", .missingDigit(after: "1e+"), at(1, 5)),
        ("\"a\nb\"", .controlCharacter(10), at(1, 3)),
        ("\"\t\"", .controlCharacter(9), at(1, 2)),
        ("\"ab\\x\"", .unknownEscape("x"), at(1, 4)),
        ("\"\\u12\"", .shortUnicodeEscape, at(1, 2)),
        ("\"a\\ud800b\"", .loneSurrogate("\\ud800"), at(1, 3)),
        ("\"\\udc00\"", .loneSurrogate("\\udc00"), at(1, 2)),
        ("{\"a\":1,\n \"a\":2}", .duplicateKey("a", first: at(1, 2)), at(2, 2)),
    ]

    @Test("invalid UTF-8 is reported at its character, also outside strings")
    func invalidUTF8() {
        let error = #expect(throws: JSONError.self) { try JSONReader.read(Array("[\n\"\u{e9}".utf8) + [0xC3, 0x28]) }
        #expect(error == JSONError(reason: .invalidUTF8, position: at(2, 3)))
    }

    @Test("nesting stops at its limit and not before")
    func depth() throws {
        let limit = JSONReader.depthLimit
        let deepest = String(repeating: "[", count: limit) + String(repeating: "]", count: limit)
        #expect(throws: Never.self) { try read(deepest) }
        let error = #expect(throws: JSONError.self) { try read(String(repeating: "[", count: 100_000)) }
        #expect(error == JSONError(reason: .tooDeep, position: at(1, limit + 1)))
    }

    @Test("a text may be as large as the limit and not a byte larger")
    func size() throws {
        let text = "1" + String(repeating: " ", count: JSONReader.byteLimit - 1)
        #expect(throws: Never.self) { try read(text) }
        let error = #expect(throws: JSONError.self) { try read(text + " ") }
        #expect(error == JSONError(reason: .tooLarge, position: at(1, 1)))
    }

    @Test("a caller may keep duplicate keys to report them itself")
    func keptDuplicates() throws {
        let value = try JSONReader.read(Array(#"{"a":1,"a":2}"#.utf8), duplicateKeys: .kept)
        guard case .object(let members) = value.content else { throw Unexpected() }
        #expect(members.map(\.keyPosition) == [at(1, 2), at(1, 8)])
    }

    @Test("messages show foreign text on one line, limited, without control characters")
    func quoting() {
        #expect("a\"\\\n\u{1B}[31m\u{202E}".quoted == #""a\"\\\n\u{1b}[31m\u{202e}""#)
        #expect(String(repeating: "x", count: 100).quoted.count == 65)
    }
}

private struct Unexpected: Error {}

private func at(_ line: Int, _ column: Int) -> TextPosition { TextPosition(line: line, column: column) }

private func read(_ text: String) throws(JSONError) -> JSONValue { try JSONReader.read(Array(text.utf8)) }

/// Compares with what Foundation made of the same text.
private func expectSame(_ ours: JSONValue, _ theirs: Any) {
    switch ours.content {
    case .null: #expect(theirs is NSNull)
    case .boolean(let value): #expect(theirs as? Bool == value)
    case .number(let number):
        // Foundation rounds some long fractions in the last place.
        let ours = Double(number.text) ?? .nan
        let difference = abs(((theirs as? NSNumber)?.doubleValue ?? .nan) - ours)
        #expect(difference <= abs(ours) * 1e-15)
    case .string(let text): #expect((theirs as? String).map { Array($0.utf8) } == Array(text.utf8))
    case .array(let items):
        let theirs = theirs as? [Any] ?? []
        #expect(items.count == theirs.count)
        for (item, their) in zip(items, theirs) { expectSame(item, their) }
    case .object(let members):
        // Their keys are Swift strings, so that two normal forms of one key fall together.
        let theirs = theirs as? [String: Any] ?? [:]
        #expect(Set(members.map(\.key)).count == theirs.count)
        guard theirs.count == members.count else { return }
        for member in members { theirs[member.key].map { expectSame(member.value, $0) } ?? #expect(Bool(false)) }
    }
}
