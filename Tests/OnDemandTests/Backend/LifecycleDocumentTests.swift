import Foundation
import Testing

@testable import OnDemand

/// docs/LIFECYCLE.md contains the machine's results, so it cannot become outdated.
struct LifecycleDocumentTests {
    private let table: GeneratedTable
    private var document: String { table.text }

    init() throws { table = try GeneratedTable(in: "LIFECYCLE.md") }

    @Test("the table in the document matches the machine")
    func matches() throws { try table.check(LifecycleTable.text, filter: "LifecycleDocument") }

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
        let stop = policy.stopPlan.steps.map { [$0.signal.name, $0.timeout.shortText].joined(separator: ", ") }
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
