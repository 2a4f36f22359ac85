import Foundation
import Testing

@testable import OnDemand

/// docs/HIBERNATION.md contains the machine's results, its limits and its reasons, so it cannot become outdated.
struct HibernationDocumentTests {
    private static let file = Corpus.repository.appending(path: "docs/HIBERNATION.md")
    private static let (begin, end) = ("<!-- table: begin -->\n", "<!-- table: end -->\n")
    private static let refresh = "UPDATE_DOCUMENTS=1 swift test --filter HibernationDocument"

    private let document: String
    private let isUpdate = ProcessInfo.processInfo.environment["UPDATE_DOCUMENTS"] == "1"

    init() throws { document = try String(contentsOf: Self.file, encoding: .utf8) }

    @Test("the table in the document matches the machine")
    func table() throws {
        let start = try #require(document.range(of: Self.begin), "the marker of the beginning is missing")
        let stop = try #require(document.range(of: Self.end), "the marker of the end is missing")
        let (written, fresh) = (document[start.upperBound..<stop.lowerBound], "\n\(RelayTable.text)\n")
        guard written != fresh else { return }
        if isUpdate {
            let updated = document[..<start.upperBound] + fresh + document[stop.lowerBound...]
            return try String(updated).write(to: Self.file, atomically: true, encoding: .utf8)
        }
        let (old, new) = (written.split(separator: "\n"), fresh.split(separator: "\n"))
        let line = zip(old, new).first { $0 != $1 }?.1 ?? "(another number of lines)"
        Issue.record("docs/HIBERNATION.md is outdated; to regenerate it: \(Self.refresh). Now: \(line)")
    }

    @Test("each situation is in the state of its name, and each kind of event occurs")
    func places() {
        for place in RelayPlace.allCases {
            #expect(place.rawValue.hasPrefix(RelayPlace.state(place.bench().state)), "\(place)")
        }
        let kinds = Set(RelayOccurrence.allCases.map { RelayOccurrence.kind(of: $0.event) })
        #expect(kinds.count == RelayOccurrence.kinds)
    }

    @Test("the document has the reasons of the log, and those for which a backend stays awake")
    func reasons() {
        for reason in RelayMachine.Disconnection.allCases { #expect(document.contains("\n| `\(reason.rawValue)` |")) }
        for reason in RelayMachine.StateReason.allCases { #expect(document.contains("\n| `\(reason.rawValue)` |")) }
    }

    @Test("the document has the limits")
    func limits() {
        let kibibytes = { (bytes: Int) in "\(bytes / 1024) KiB" }
        for row in [
            "| commands of one client that wait | \(Limits.queuedCommands), "
                + "\(kibibytes(Limits.queuedCommandBytes)) |",
            "| time from a command until it is sent | \(Limits.wakeTimeout.shortText) |",
            "| request head that is stored | \(kibibytes(Limits.storedRequestBytes)) |",
            "| clients that are connected again at the same time | \(Limits.restoresAtOnce) |",
            "| message of a backend | \(Limits.upstreamMessageBytes / 1024 / 1024) MiB |",
            "| silence of a backend that pings | \(Limits.upstreamSilence.shortText) |",
            "| silence of a backend that has pinged once, or has said nothing yet | \(Limits.upstreamFirstSilence.shortText) |",
            "| message of Redis before a crash | \(Limits.crashGap.shortText) |",
        ] { #expect(document.contains("\n" + row), "\(row)") }
    }
}
