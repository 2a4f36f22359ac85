import Foundation
import Testing

@testable import OnDemand

/// docs/HIBERNATION.md contains the machine's results, its limits and its reasons, so it cannot become outdated.
struct HibernationDocumentTests {
    private let table: GeneratedTable
    private var document: String { table.text }

    init() throws { table = try GeneratedTable(in: "HIBERNATION.md") }

    @Test("the table in the document matches the machine")
    func matches() throws { try table.check(RelayTable.text, filter: "HibernationDocument") }

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
            "| commands of one client that wait | \(Limits.queuedClientCommands), "
                + "\(kibibytes(Limits.queuedClientCommandBytes)) |",
            "| time of a wake, from its cause until its commands are sent | \(Limits.wakeTimeout.shortText) |",
            "| request head that is stored | \(kibibytes(Limits.storedRequestBytes)) |",
            "| clients that are connected again at the same time | \(Limits.restoresAtOnce) |",
            "| message of a backend | \(Limits.upstreamMessageBytes / 1024 / 1024) MiB |",
            "| silence of a backend that pings | \(Limits.upstreamSilence.shortText) |",
            "| silence of a backend that has pinged once, or has said nothing yet | \(Limits.upstreamFirstSilence.shortText) |",
            "| message of Redis before a crash | \(Limits.crashGap.shortText) |",
        ] { #expect(document.contains("\n" + row), "\(row)") }
    }
}
