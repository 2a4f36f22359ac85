import Foundation
import Testing

@testable import OnDemand

/// A document with a part that is generated from the code, between two markers, so that it cannot become outdated.
struct GeneratedTable {
    private static let (begin, end) = ("<!-- table: begin -->\n", "<!-- table: end -->\n")

    let text: String
    private let name: String
    private let file: URL

    /// `name` is that of a file in `docs/`.
    init(in name: String) throws {
        self.name = name
        file = Corpus.repository.appending(path: "docs/\(name)")
        text = try String(contentsOf: file, encoding: .utf8)
    }

    /// Compares the part with `fresh`; writes it with UPDATE_DOCUMENTS=1. `filter` runs this test alone.
    func check(_ fresh: String, filter: String) throws {
        let start = try #require(text.range(of: Self.begin), "the marker of the beginning is missing")
        let stop = try #require(text.range(of: Self.end), "the marker of the end is missing")
        let (written, fresh) = (text[start.upperBound..<stop.lowerBound], "\n\(fresh)\n")
        guard written != fresh else { return }
        if ProcessInfo.processInfo.environment["UPDATE_DOCUMENTS"] == "1" {
            let updated = text[..<start.upperBound] + fresh + text[stop.lowerBound...]
            return try String(updated).write(to: file, atomically: true, encoding: .utf8)
        }
        let (old, new) = (written.split(separator: "\n"), fresh.split(separator: "\n"))
        let line = zip(old, new).first { $0 != $1 }?.1 ?? "(another number of lines)"
        let refresh = "UPDATE_DOCUMENTS=1 swift test --filter \(filter)"
        Issue.record("docs/\(name) is outdated; to regenerate it: \(refresh). Now: \(line)")
    }
}
