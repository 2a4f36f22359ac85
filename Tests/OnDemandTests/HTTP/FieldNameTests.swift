import Testing

@testable import OnDemand

struct FieldNameTests {
    private func field(_ name: String) throws -> HeaderField {
        let line = Array("\(name): x".utf8)
        return try HeaderField(ByteRange(0, line.count), in: line.span)
    }

    @Test("each name is known in any case", arguments: FieldName.allCases.filter { $0 != .other })
    func known(name: FieldName) throws {
        #expect(try field(name.text).known == name)
        #expect(try field(name.text.uppercased()).known == name)
    }

    @Test(
        "a name with _ for - resembles and is not the same",
        arguments: FieldName.allCases.filter { $0.text.contains("-") })
    func resembled(name: FieldName) throws {
        let found = try field(String(name.text.map { $0 == "-" ? "_" : $0 }))
        #expect(found.resembled == name)
        #expect(found.known == .other)
    }

    @Test(
        "one letter more, fewer or other makes it another name", arguments: FieldName.allCases.filter { $0 != .other })
    func others(name: FieldName) throws {
        #expect(try field(name.text + "x").known == .other)
        #expect(try field("x" + name.text).known == .other)
        for index in name.text.indices {
            var other = name.text
            other.replaceSubrange(index...index, with: "~")
            #expect(try field(other).known == .other)
            other = name.text
            other.remove(at: index)
            guard !other.isEmpty else { continue }
            #expect(try field(other).known == .other)
        }
    }
}
