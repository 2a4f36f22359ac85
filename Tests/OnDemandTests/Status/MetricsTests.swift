import Foundation
import Testing

@testable import OnDemand

@Suite struct MetricsTests {
    private let lines = Metrics.text(of: .sample([.awake, .untouched])).split(separator: "\n").map { String($0) }

    @Test("each family has its help before its samples, which are adjacent")
    func families() throws {
        var names: [String] = []
        var current = ""
        for line in lines {
            let words = line.split(separator: " ", maxSplits: 3).map { String($0) }
            if line.hasPrefix("# HELP ") {
                current = words[2]
                names.append(current)
            } else if line.hasPrefix("# TYPE ") {
                #expect(words[2] == current && ["counter", "gauge", "histogram"].contains(words[3]))
                #expect((words[3] == "counter") == current.hasSuffix("_total"), "\(current)")
            } else {
                let name = try #require(line.firstMatch(of: /^[a-z_]+/)?.0)
                #expect(name.hasPrefix(current), "\(line) below \(current)")
            }
        }
        #expect(names == Metrics.families.map(\.name))
        // OpenMetrics drops the suffix of a counter: a gauge of the same name would be the same family.
        let families = names.map { $0.hasSuffix("_total") ? String($0.dropLast(6)) : $0 }
        #expect(Set(families).count == families.count)
    }

    @Test(
        "a known value has its name and labels",
        arguments: [
            #"ondemandd_build_info{version="0.1.0"} 1"#, "ondemandd_uptime_seconds 61.000",
            #"ondemandd_service_state{service="action-cable",state="awake"} 1"#,
            #"ondemandd_service_state{service="action-cable",state="asleep"} 0"#,
            #"ondemandd_service_starts_total{service="action-cable",cause="upgrade"} 3"#,
            #"ondemandd_service_startup_seconds_bucket{service="action-cable",le="1.000"} 1"#,
            #"ondemandd_service_startup_seconds_bucket{service="action-cable",le="2.500"} 2"#,
            #"ondemandd_service_startup_seconds_bucket{service="action-cable",le="+Inf"} 3"#,
            #"ondemandd_service_startup_seconds_sum{service="action-cable"} 92.412"#,
            #"ondemandd_service_startup_seconds_count{service="action-cable"} 3"#,
            #"ondemandd_service_saved_megabyte_seconds_total{service="action-cable"} 5400.000"#,
            #"ondemandd_service_bytes_total{service="action-cable",from="client"} 9"#,
            #"ondemandd_service_close_frames_total{service="action-cable",code="1000"} 1"#,
            #"ondemandd_service_open_tunnels{service="action-cable"} 0"#,
            #"ondemandd_last_reload_successful 1"#, #"ondemandd_reloads_total{outcome="done"} 0"#,
        ])
    func samples(line: String) {
        #expect(lines.contains(line))
    }

    @Test("an unknown value has no sample, and none appears twice")
    func unknown() {
        #expect(!lines.contains { $0.hasPrefix("ondemandd_service_crashes_total{service=\"other\"") })
        #expect(!lines.contains { $0.hasPrefix("ondemandd_service_startup_seconds_sum{service=\"other\"") })
        let samples = lines.filter { !$0.hasPrefix("#") }.map { $0.split(separator: " ")[0] }
        #expect(Set(samples).count == samples.count)
        #expect(Metrics.text(of: .sample([])).contains("# TYPE ondemandd_service_state gauge\n# HELP"))
    }

    @Test("a managed process has lifecycle metrics and no client metrics")
    func process() {
        var process = Snapshot.Service.awake
        process.kind = .process
        let text = Metrics.text(of: .sample([process]))
        #expect(text.contains("ondemandd_service_open_connections{service=\"action-cable\"} 2\n"))
        for name in ["requests_queued_total", "open_tunnels", "tunnels_total", "bytes_total", "close_frames_total"] {
            #expect(!text.contains("ondemandd_service_\(name){"), "\(name)")
        }
    }

    @Test("a command has its runs, its results and the last one")
    func command() {
        var snapshot = Snapshot.sample([])
        var fresh = Snapshot.Command(name: "fresh", path: "/f", cable: "cable")
        fresh.counters.rejected = [.init(name: "busy", count: 0)]
        snapshot.commands = [.sample, fresh]
        let lines = Metrics.text(of: snapshot).split(separator: "\n").map { String($0) }
        for line in [
            #"ondemandd_command_runs{command="apply"} 1"#, #"ondemandd_command_max_running{command="apply"} 2"#,
            #"ondemandd_command_runs_started_total{command="apply"} 7"#,
            #"ondemandd_command_runs_ended_total{command="apply",result="timed_out"} 1"#,
            #"ondemandd_command_rejected_requests_total{command="apply",reason="busy"} 3"#,
            #"ondemandd_command_last_run_succeeded{command="apply"} 0"#,
            #"ondemandd_command_last_run_seconds{command="apply"} 1.500"#,
            #"ondemandd_command_runs{command="fresh"} 0"#,
        ] { #expect(lines.contains(line), "\(line)") }
        #expect(!lines.contains { $0.hasPrefix("ondemandd_command_last_run_seconds{command=\"fresh\"") })
    }

    @Test("labels and help texts cannot break their line")
    func escaping() {
        let family = MetricFamily("x", .gauge, "one\\ \"two\"\nthree") { _ in [] }
        var text = MetricsText()
        text.write(family, [.init(1, [("name", "a\"b\\c\nd")])])
        #expect(
            text.text == """
                # HELP ondemandd_x one\\\\ "two"\\nthree
                # TYPE ondemandd_x gauge
                ondemandd_x{name="a\\"b\\\\c\\nd"} 1

                """)
    }

    @Test("docs/METRICS.md lists these names, these types and no others")
    func document() throws {
        let document = try String(
            contentsOf: Corpus.repository.appending(path: "docs/METRICS.md"), encoding: .utf8)
        let rows = document.matches(of: /(?m)^\| `(ondemandd_\w+)` \| (\w+) \|/).map { "\($0.1) \($0.2)" }
        #expect(rows == Metrics.families.map { "\($0.name) \($0.kind.rawValue)" })
        for reason in Refusal.Reason.allCases { #expect(document.contains("`\(reason.rawValue)`"), "\(reason)") }
        for state in BackendState.allCases { #expect(document.contains("`\(state.rawValue)`"), "\(state)") }
        for reason in RunRejection.allCases { #expect(document.contains("`\(reason.rawValue)`"), "\(reason)") }
        for cause in WakeCause.allCases { #expect(document.contains("`\(cause.rawValue)`"), "\(cause)") }
        for name in document.matches(of: /ondemandd_service_\w+|ondemandd_last\w+/).map({ String($0.0) }) {
            let family = name.hasSuffix("_bucket") ? String(name.dropLast(7)) : name
            #expect(Metrics.families.contains { $0.name == family }, "\(name) in an example")
        }
    }
}
