import Testing

@testable import OnDemand

/// What a check and a reload cost grows with the size of the configuration, and not with its square.
@Suite("Scaling", .serialized)
struct ScalingTests {
    /// How many times as long four times as much takes, at best of a few runs: about 4, where a square would be 16.
    private func growth(_ small: Int, _ work: (Int) throws -> Duration) rethrows -> Double {
        let ratios = try (0..<3).map { _ in
            let few = try work(small)
            return try work(4 * small) / few
        }
        return ratios.min()!
    }

    private func time(_ work: () throws -> Void) rethrows -> Duration { try ContinuousClock().measure(work) }

    private static let bound = 8.0

    private func text(services count: Int, pause: String = "5s") -> [UInt8] {
        let services = (0..<count).map { number in
            """
            {"name": "s\(number)", "path": "/s\(number)/*", "target": "http://127.0.0.1:\(1024 + number)",
             "on_demand": {"command": "x", "requires": ["s\((number + 1) % count == 0 ? count - 2 : count - 1)"],
             "stop_timeout": "\(pause)"}}
            """
        }
        let plain = services.enumerated().map { number, service in
            number >= count - 2 ? service.replacing(/"requires": \[[^\]]*\],/, with: "") : service
        }
        return Array(#"{"listen": 3000, "reverse_proxies": [\#(plain.joined(separator: ","))]}"#.utf8)
    }

    @Test("reading a configuration with many services, all of which require others")
    func reading() throws {
        let growth = try growth(300) { count in
            let bytes = text(services: count)
            return try time { _ = try Configuration.read(bytes, environment: [:]) }
        }
        #expect(growth < Self.bound)
    }

    @Test("planning a reload that changes all of many services")
    func planning() throws {
        let growth = try growth(300) { count in
            let (old, new) = try (
                Configuration.read(text(services: count), environment: [:]),
                Configuration.read(text(services: count, pause: "6s"), environment: [:])
            )
            return time {
                let plan = ReloadPlan(from: old, to: new)
                #expect(plan.changes.count == count)
                #expect(ReloadSummary(plan, from: old, to: new).changed.count == count)
            }
        }
        #expect(growth < Self.bound)
    }

    @Test("carrying out reloads that change, remove and add many services")
    func reloading() throws {
        let growth = try growth(200) { count in
            let old = try Configuration.read(text(services: count), environment: [:])
            let changed = try Configuration.read(text(services: count, pause: "6s"), environment: [:])
            let none = try Configuration.read(text(services: 2), environment: [:])
            let kernel = SimulatedKernel(seed: 1)
            var next = [changed, none, old]
            let daemon = try Daemon(old, kernel: kernel) { .success(next.removeFirst()) }
            return time {
                for _ in 0..<3 {
                    daemon.reload()
                    daemon.iterationEnded()
                }
            }
        }
        #expect(growth < Self.bound)
    }

    @Test("a file of many variables")
    func variables() throws {
        let growth = try growth(2000) { count in
            let text = (0..<count).map { "NAME_\($0)=value\nTWICE=\($0)\n" }.joined()
            return try time {
                let variables = try EnvironmentFile.read(Array(text.utf8), file: "env")
                #expect(variables.count == count + 1 && variables.last?.value == "\(count - 1)")
            }
        }
        #expect(growth < Self.bound)
    }

    @Test("sixty thousand unknown keys are told of at once: the first hundred, and how many more there are")
    func unknownKeys() throws {
        let keys = (0..<60_000).map { "\n\"k\($0)\":1" }.joined(separator: ",")
        let bytes = Array(#"{"listen": 3000, "reverse_proxies": [], \#(keys)}"#.utf8)
        var lines: [String] = []
        var text = ""
        let elapsed = time {
            do throws(ConfigurationErrors) {
                _ = try Configuration.read(bytes, environment: [:])
            } catch {
                lines = error.lines(file: "x.json")
                text = error.rendered(file: "x.json", text: bytes)
            }
        }
        #expect(lines.count == ConfigurationErrors.shownAtMost + 1)
        #expect(lines.last == "and 59901 more errors", "\(lines.last ?? "")")
        #expect(text.hasSuffix("and 59901 more errors") && text.contains("\"k0\""))
        // In the square it takes minutes.
        #expect(elapsed < .seconds(20))
    }
}
