import Foundation
import Testing

@testable import OnDemand

/// docs/OPERATING.md lists the log events, and its units start the installed files.
struct OperatingDocumentTests {
    private let document: String

    init() throws {
        document = try String(contentsOf: Corpus.repository.appending(path: "docs/OPERATING.md"), encoding: .utf8)
    }

    @Test("every event of the log has its row, with its level")
    func logEvents() {
        let rows = document.split(separator: "\n").filter { $0.hasPrefix("| ") }
        for event in LogEvent.allCases {
            let told = rows.contains {
                $0.hasPrefix("| \(event.level.rawValue) |") && $0.contains("`\(event.rawValue)`")
            }
            #expect(told, "\(event.rawValue) has no row at its level, \(event.level)")
        }
    }

    @Test("its numbers are the limits of the code")
    func limits() {
        let silence = Limits.keepAliveIdle + Limits.keepAliveInterval * Int(Limits.keepAliveProbes)
        let text = document.replacing("\n", with: " ")
        for sentence in [
            "up to \(Limits.idleLinksClosedForRoom) idle connections",
            "pauses for \(Limits.acceptPause.shortText.dropLast(2)) ms at a time",
            "connects again every \(Limits.connectRetryPause.shortText.dropLast(2)) ms",
            "for at most \(Limits.connectTimeout.components.seconds) seconds; then 504",
            "\(Limits.keepAliveIdle.components.seconds) seconds of silence, then three probes",
            "within \(silence.components.seconds) seconds",
            "`Retry-After: \(Refusal.resourcesExhaustedRetry.components.seconds)`",
        ] { #expect(text.contains(sentence), "\(sentence)") }
        #expect(Limits.shutdownGrace == .seconds(5) && Limits.killGrace == .seconds(1))
    }

    @Test("the socket unit's name is valid in the configuration")
    func units() throws {
        let folder = Corpus.repository.appending(path: "examples/systemd")
        let socket = try String(contentsOf: folder.appending(path: "ondemandd.socket"), encoding: .utf8)
        let name = try #require(socket.firstMatch(of: /FileDescriptorName=(\S+)/)?.1)
        let file = "{\"listen\": \"fd:\(name)\", \"reverse_proxies\": [{\(Sample.plain)}]}"
        #expect(try Configuration.read(Array(file.utf8), environment: [:]).inherited == [String(name)])
        #expect(document.contains("\"fd:\(name)\""))
    }
}
