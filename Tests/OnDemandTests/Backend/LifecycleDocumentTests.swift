import Foundation
import Testing

@testable import OnDemand

/// docs/LIFECYCLE.md contains the machine's results, so it cannot become outdated.
struct LifecycleDocumentTests {
    private static let file = Corpus.repository.appending(path: "docs/LIFECYCLE.md")
    private static let (begin, end) = ("<!-- table: begin -->\n", "<!-- table: end -->\n")
    private static let refresh = "UPDATE_DOCUMENTS=1 swift test --filter LifecycleDocument"

    private let document: String
    private let isUpdate = ProcessInfo.processInfo.environment["UPDATE_DOCUMENTS"] == "1"

    init() throws { document = try String(contentsOf: Self.file, encoding: .utf8) }

    @Test("the table in the document matches the machine")
    func table() throws {
        let start = try #require(document.range(of: Self.begin), "the marker of the beginning is missing")
        let stop = try #require(document.range(of: Self.end), "the marker of the end is missing")
        let (written, fresh) = (document[start.upperBound..<stop.lowerBound], "\n\(LifecycleTable.text)\n")
        guard written != fresh else { return }
        if isUpdate {
            let updated = document[..<start.upperBound] + fresh + document[stop.lowerBound...]
            return try String(updated).write(to: Self.file, atomically: true, encoding: .utf8)
        }
        let (old, new) = (written.split(separator: "\n"), fresh.split(separator: "\n"))
        let line = zip(old, new).first { $0 != $1 }?.1 ?? "(another number of lines)"
        Issue.record("docs/LIFECYCLE.md is outdated; to regenerate it: \(Self.refresh). Now: \(line)")
    }

    @Test("the picture shows every transition between states, and no other")
    func picture() throws {
        let parts = document.components(separatedBy: "```mermaid\n")
        let picture = try #require(parts.dropFirst().first?.components(separatedBy: "```").first)
        let arrows = picture.matches(of: /(?m)^ +([a-z_]+ --> [a-z_]+)/).map { String($0.1) }
        #expect(Set(arrows) == LifecycleTable.arrows)
        #expect(Set(arrows).count == arrows.count)
    }

    @Test("the document has the defaults of the policy")
    func defaults() throws {
        let policy = BackendPolicy()
        let idle = try #require(policy.idleTimeout)
        let stop = policy.stopPlan.steps.map { [$0.signal.name, $0.patience.shortText].joined(separator: ", ") }
        let (first, longest) = (policy.backoff.first.shortText, policy.backoff.longest.shortText)
        for row in [
            "| `startup_timeout` | \(policy.startupTimeout.shortText) |",
            "| `idle_timeout` | \(idle.shortText) |",
            "| `idle_when` | `\(policy.idleWhen.rawValue)` |",
            "| `min_uptime` | \(policy.minimumUptime == .zero ? "0" : policy.minimumUptime.shortText) |",
            "| `min_sleep` | \(policy.minimumSleep == .zero ? "0" : policy.minimumSleep.shortText) |",
            "| `stop_timeout` or `stop` | \((stop + ["KILL"]).joined(separator: ", ")) |",
            "| `max_queue` | \(policy.maximumQueue) |",
            "| `restart_backoff` | \(first), doubling up to \(longest) |",
            "| stable uptime | \(Limits.stableUptime.shortText) |",
        ] { #expect(document.contains("\n" + row)) }
    }

    @Test("each machine is in the stage of its name, and each event has its own kind")
    func places() {
        for place in LifecyclePlace.allCases { #expect(LifecyclePlace(place.machine()) == place) }
        for event in LifecycleEvent.allCases {
            #expect(LifecycleEvent(event.sample(Generation(number: 1))) == event)
        }
    }

    #if compiler(>=6.3)  // An exit test captures values from this version on.
        @Test("an impossible event traps", arguments: LifecyclePlace.allCases)
        func impossible(place: LifecyclePlace) async {
            for event in LifecycleEvent.allCases where place.impossible.contains(event) {
                await #expect(processExitsWith: .failure, "\(event) while \(place)") {
                    [place = place as LifecyclePlace, event = event as LifecycleEvent] in
                    let machine = place.machine()
                    _ = machine.after(event.sample(machine.generation))
                }
            }
        }
    #endif
}
