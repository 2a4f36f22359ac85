import Testing

@testable import OnDemand

/// The cost of a check and of a reload is linear in the size of the configuration.
@Suite("Scaling", .serialized)
struct ScalingTests {
    /// Returns the ratio of the times for four times the size, at best of a few runs: linear is 4, quadratic 16.
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

    @Test("reading many services with requirements is linear")
    func reading() throws {
        let growth = try growth(300) { count in
            let bytes = text(services: count)
            return try time { _ = try Configuration.read(bytes, environment: [:]) }
        }
        #expect(growth < Self.bound)
    }

    @Test("planning a reload that changes many services is linear")
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

    @Test("executing reloads that change, remove and add many services is linear")
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

    @Test("reading a file of many variables is linear")
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

    @Test("an excerpt of a very long line costs what is shown of it, not the line")
    func longLine() {
        let growth = growth(1000) { count in
            // The lengths differ by a factor of 64, the times should not.
            let length = count * count / 200
            let excerpt = SourceExcerpt(Array(repeating: UInt8(ascii: "1"), count: length))
            return time {
                for number in 0..<500 {
                    let column = 1 + number * 7919 % length
                    #expect(excerpt.at(TextPosition(line: 1, column: column)).hasSuffix("^"))
                }
            }
        }
        #expect(growth < Self.bound / 2)
    }

    @Test("reading and reporting a list of wrong items on one line is linear")
    func wrongItems() throws {
        let growth = growth(20_000) { count in
            let items = String(repeating: "1,", count: count) + "1"
            let bytes = Array(#"{"listen": 3000, "reverse_proxies": [], "trusted_proxies": [\#(items)]}"#.utf8)
            return time {
                do throws(ConfigurationErrors) {
                    _ = try Configuration.read(bytes, environment: [:])
                    Issue.record("numbers are no networks")
                } catch {
                    #expect(error.rendered(file: "x.json", text: bytes).contains("more errors"))
                }
            }
        }
        #expect(growth < Self.bound)
    }

    @Test("a client's command costs its own bytes, however many long identifiers the client has")
    func identifiers() {
        let growth = growth(24) { count in
            var cable = CableHarness()
            let client = cable.open()
            func command(_ word: String, _ number: Int) -> String {
                // Escapes that can be written otherwise, so that only the content tells whether two are the same.
                let filling = String(repeating: "\\u00e9", count: 2000)
                let fields = "{'channel':'$pubsub','stream_name':'s','f\(number)':'\(filling)'}"
                let identifier = fields.replacing("'", with: "\\\"")
                return "{\"command\":\"\(word)\",\"identifier\":\"\(identifier)\"}"
            }
            for number in 0..<count { cable.receive(command("subscribe", number), from: client) }
            #expect(cable.machine.table.subscriptionCount == count)
            let other = command("unsubscribe", count)
            return time {
                for _ in 0..<20 { cable.receive(other, from: client) }
            }
        }
        // A comparison of all contents has 4.
        #expect(growth < 2.5)
    }

    @Test("sixty thousand unknown keys are reported at once: the first hundred, and the number of the others")
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
        // A quadratic algorithm takes minutes.
        #expect(elapsed < .seconds(20))
    }
}
