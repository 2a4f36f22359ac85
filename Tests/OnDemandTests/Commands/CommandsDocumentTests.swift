import Foundation
import Testing

@testable import OnDemand

/// docs/COMMANDS.md has the limits and the words of the code.
struct CommandsDocumentTests {
    private let document: String

    init() throws {
        document = try String(contentsOf: Corpus.repository.appending(path: "docs/COMMANDS.md"), encoding: .utf8)
    }

    private static func size(_ bytes: Int) -> String {
        bytes % (1 << 20) == 0 ? "\(bytes >> 20) MiB" : bytes % 1024 == 0 ? "\(bytes >> 10) KiB" : "\(bytes) bytes"
    }

    @Test("the table of limits has the numbers of the code, and no others")
    func limits() throws {
        let section = try #require(document.components(separatedBy: "\n## ").first { $0.hasPrefix("Limits\n") })
        let rows = section.split(separator: "\n").filter { $0.hasPrefix("| ") && !$0.hasPrefix("| subject") }.map {
            $0.components(separatedBy: " | ").prefix(2).map { $0.replacing("| ", with: "") }
        }
        let expected = [
            ["a parameter", Self.size(Limits.commandParameterBytes.upperBound)],
            ["the body of a request", Self.size(Int(Limits.commandBodyBytes))],
            ["runs of a command at a time", "`max_running`"], ["time of a run", "`timeout`"],
            ["ended runs that are known, of one command", "\(Limits.keptRuns)"],
            ["time for which they are known", "\(Limits.keptRunTime.components.seconds) s"],
            ["output that waits for the first subscriber", Self.size(Limits.heldOutputBytes)],
            ["time for which it waits", "\(Limits.firstSubscriberTimeout.components.seconds) s"],
            ["waiting output of all runs of a command", Self.size(Limits.heldCommandBytes)],
            ["output in one message", Self.size(Limits.commandMessageBytes)],
            [
                "messages that are not full, per second",
                "\(1000 / Limits.commandMessagePause.wholeMilliseconds)",
            ],
            ["output read from one run, per second", Self.size(Limits.commandOutputRate)],
            ["output that waits for `ondemandd run`", Self.size(Limits.followedOutputBytes)],
        ]
        #expect(rows == expected)
    }

    @Test("the text has the same numbers")
    func numbers() {
        let text = document.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
        for words in [
            "a pseudo-terminal of \(Limits.terminalColumns) columns and \(Limits.terminalRows) rows",
            "strings of at most \(Self.size(Limits.commandMessageBytes))",
            "At most \(Self.size(Limits.commandOutputRate)) per second",
            "Up to \(Self.size(Limits.heldOutputBytes)) wait for the first subscriber, for at most"
                + " \(Limits.firstSubscriberTimeout.components.seconds) s",
            "output of all runs of a command exceeds \(Self.size(Limits.heldCommandBytes)), the oldest run's output",
            "Each run counts as at least \(Self.size(Limits.heldRunBytes))",
            "a body over \(Self.size(Int(Limits.commandBodyBytes)))",
            "1 to \(Limits.commandParameterBytes.upperBound) letters",
            "the last \(Limits.keptRuns) of each command for \(Limits.keptRunTime.components.seconds / 60) minutes",
        ] { #expect(text.contains(words), "\(words)") }
    }

    @Test("every ending and every state of a run is explained")
    func words() {
        for ending in RunEnding.allCases { #expect(document.contains("\n| `\(ending.rawValue)` |"), "\(ending)") }
        for state in Snapshot.Run.State.allCases { #expect(document.contains("`\(state.rawValue)`"), "\(state)") }
    }
}
