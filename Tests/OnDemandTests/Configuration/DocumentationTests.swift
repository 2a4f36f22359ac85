import Foundation
import Testing

@testable import OnDemand

/// docs/CONFIGURATION.md is parsed as the daemon would parse it, so it cannot become outdated.
struct DocumentationTests {
    private let document: String

    init() throws {
        document = try String(contentsOf: Corpus.repository.appending(path: "docs/CONFIGURATION.md"), encoding: .utf8)
    }

    @Test("every complete example is a valid configuration")
    func examples() throws {
        let examples = blocks("json")
        #expect(examples.count == 8)
        #expect(examples.first == Sample.example)
        for example in examples {
            #expect(throws: Never.self) { try Configuration.read(Array(example.utf8), environment: [:]) }
        }
    }

    @Test("the example of all defaults has the defaults of the types")
    func defaults() throws {
        let configuration = try Configuration.read(Array(blocks("json")[2].utf8), environment: [:])
        let service = try #require(configuration.services.first)
        let target = try AddressParser.target("unix:/tmp/cable.sock:/cable")
        let expected = Configuration.Service(
            name: "cable", paths: [try PathPattern(parsing: "/cable")], target: target,
            launch: LaunchCommand(command: "puma"))
        #expect(service == expected)
        let worker = Configuration.Process(name: "worker", launch: LaunchCommand(command: "sidekiq"))
        #expect(configuration.processes == [worker])
    }

    @Test("the invalid example has exactly the errors shown")
    func wrongExample() throws {
        let example = try #require(blocks("json wrong").first)
        let errors = #expect(throws: ConfigurationErrors.self) {
            try Configuration.read(Array(example.utf8), environment: [:])
        }
        #expect(
            errors.map { $0.rendered(file: "config.json", text: Array(example.utf8)) + "\n" } == blocks("text").first)
    }

    @Test("the table of rewritten paths matches the rewriter")
    func rewriting() throws {
        let rows = rows(afterHeading: "| path | target | request | arrives as |")
        #expect(rows.count == 5)
        for row in rows {
            let pattern = try PathPattern(parsing: row[0])
            let table = RouteTable([Route(pattern: pattern, destination: .backend(BackendID(index: 0)))])
            let parts = row[2].split(separator: "?", maxSplits: 1).map { Array($0.utf8) }
            let (path, query) = (parts[0], parts.count > 1 ? parts[1] : [])
            let found = table.find(path.span)
            let match = try #require(found)
            let target = TargetRewriter.upstreamTarget(
                path: path.span, matched: match.matchedByteCount, targetPath: try AddressParser.target(row[1]).path,
                query: parts.count > 1 ? query.span : nil)
            #expect(String(decoding: target, as: UTF8.self) == row[3])
        }
    }

    @Test("every key of the decoder has its row or its sentence")
    func keys() throws {
        let folder = Corpus.repository.appending(path: "Sources/OnDemand/Configuration")
        let source = try FileManager.default.contentsOfDirectory(atPath: folder.path())
            .map { try String(contentsOf: folder.appending(path: $0), encoding: .utf8) }.joined()
        let keys = Set(source.matches(of: /fields\["([^"]+)"\]|required\("([^"]+)"/).compactMap { $0.1 ?? $0.2 })
        #expect(keys.count >= 25)
        for key in keys {
            #expect(document.contains("`\(key)`") || document.contains(".\(key)`"), "\(key) is not documented")
        }
    }

    @Test("every text in the table of errors exists in the code")
    func sentences() throws {
        let source = try ["JSON", "Configuration", "Routing", "Redis", "Commands"].map { room in
            let folder = Corpus.repository.appending(path: "Sources/OnDemand/\(room)")
            return try FileManager.default.contentsOfDirectory(atPath: folder.path())
                .map { try String(contentsOf: folder.appending(path: $0), encoding: .utf8) }.joined()
        }.joined()
        let (errors, warnings) = (rows(afterHeading: "| says | because |"), rows(afterHeading: "| says | because |", 2))
        #expect(errors.count > 60 && warnings.count > 5)
        let rows = errors + warnings
        for row in rows where !row[0].hasPrefix("**") {
            #expect(source.contains(row[0]), "nothing says \(row[0])")
        }
    }

    /// Returns the fenced blocks in this language.
    private func blocks(_ language: String) -> [String] {
        document.components(separatedBy: "\n```\(language)\n").dropFirst().map {
            $0.components(separatedBy: "```\n")[0]
        }
    }

    /// Returns the cells of a table, without the backticks.
    private func rows(afterHeading heading: String, _ occurrence: Int = 1) -> [[String]] {
        let below = document.components(separatedBy: "\(heading)\n").dropFirst(occurrence).first ?? ""
        return below.split(separator: "\n", omittingEmptySubsequences: false).dropFirst().prefix { $0.hasPrefix("|") }
            .map { row in
                row.split(separator: "|").map { cell in
                    let cell = cell.dropFirst().dropLast()
                    return String(cell.hasPrefix("`") && cell.hasSuffix("`") ? cell.dropFirst().dropLast() : cell)
                }
            }
    }
}
