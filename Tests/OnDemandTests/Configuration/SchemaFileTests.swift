import Foundation
import Testing

@testable import OnDemand

/// examples/schema is the output of `ondemandd config schema`, and the examples refer to it.
struct SchemaFileTests {
    private static let examples = Corpus.repository.appending(path: "examples")
    private static let file = examples.appending(path: "schema/ondemandd.schema.json")
    private static let refresh = "UPDATE_DOCUMENTS=1 swift test --filter SchemaFile"

    @Test("the schema beside the examples is the daemon's")
    func schema() throws {
        guard try String(contentsOf: Self.file, encoding: .utf8) != ConfigurationSchema.text else { return }
        if ProcessInfo.processInfo.environment["UPDATE_DOCUMENTS"] == "1" {
            return try ConfigurationSchema.text.write(to: Self.file, atomically: true, encoding: .utf8)
        }
        Issue.record("examples/schema is outdated; to regenerate it: \(Self.refresh)")
    }

    @Test("every example refers an editor to it")
    func examples() throws {
        let beside = try FileManager.default.contentsOfDirectory(atPath: Self.examples.path())
        let names = beside.filter { $0.hasSuffix(".json") } + ["fly/ondemandd.json"]
        #expect(names.count >= 7)
        for name in names {
            let example = Self.examples.appending(path: name)
            let text = try String(contentsOf: example, encoding: .utf8)
            let reference = try #require(text.firstMatch(of: /"\$schema": "([^"]+)"/)?.1, "\(name)")
            let led = example.deletingLastPathComponent().appending(path: String(reference)).standardizedFileURL
            #expect(led == Self.file.standardizedFileURL, "\(name) leads to \(led)")
        }
    }
}
