import Foundation
import Testing

/// docs/WAYS.md names files and functions that exist, and fewer files than each way had before the proxy had parts.
struct WaysTests {
    private struct Way {
        let title: String
        let steps: [(path: String, function: String)]
        let count: Int
        let before: Int
    }

    private let ways: [Way]

    init() throws {
        let file = Corpus.repository.appending(path: "docs/WAYS.md")
        let text = try String(contentsOf: file, encoding: .utf8)
        ways = try text.components(separatedBy: "\n## ").dropFirst().map { section in
            let steps = section.matches(of: /(?m)^\d+\. `([^`]+)` `([^`]+)`:\s/)
            let numbers = section.matches(of: /(?m)^(\d+)\.\s/).map { Int($0.1) }
            #expect(numbers == Array(1...steps.count), "\(section.prefix(40)): a step without a file")
            let counts = try #require(section.firstMatch(of: /(?m)^Files: (\d+) \(before: (\d+)\)$/))
            return Way(
                title: String(section.prefix { $0 != "\n" }), steps: steps.map { (String($0.1), String($0.2)) },
                count: Int(counts.1) ?? 0, before: Int(counts.2) ?? 0)
        }
    }

    @Test("each step names a file and a function of it")
    func steps() throws {
        let sources = Dictionary(uniqueKeysWithValues: SourceTree.library.map { ($0.path, $0) })
        for way in ways {
            for (path, function) in way.steps {
                let source = sources["Sources/OnDemand/\(path)"]
                #expect(source != nil, "\(way.title): \(path) does not exist")
                let declaration = try Regex(function == "init" ? #"\binit\("# : #"\bfunc \#(function)\b"#)
                #expect(source?.code.contains(declaration) == true, "\(way.title): \(path) has no \(function)")
            }
        }
    }

    @Test("the number of files of each way is true, and less than before")
    func counts() {
        #expect(ways.map(\.before) == [70, 9, 9, 14, 7])
        for way in ways {
            #expect(way.count == Set(way.steps.map(\.path)).count, "\(way.title)")
            #expect(way.count < way.before, "\(way.title)")
        }
    }
}
