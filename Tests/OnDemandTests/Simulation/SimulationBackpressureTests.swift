import Testing

@testable import OnDemand

/// Runs whose output is more than their cable delivers, or has no end.
@Suite("Simulation: output of runs without a bound")
struct SimulationBackpressureTests {
    private func bench(_ output: [(Duration, String)], _ adjust: (inout Configuration) -> Void = { _ in }) throws
        -> CommandBench
    {
        try CommandBench([.printing(output, exitsAfter: .seconds(300))]) {
            $0.commands[0].timeout = .seconds(600)
            $0.cables[0].limits.maximumQueuedBytes = 64 * 1024 * 1024
            adjust(&$0)
        }
    }

    private static let line = String(repeating: "0123456789abcdef", count: 16 * 1024)
    private static let output = (0..<28).map { (Duration.milliseconds(50 * $0), line) }
    private static var bytes: Int { output.count * line.utf8.count }

    private func pendingBytes(_ bench: CommandBench) -> Int { bench.cables.machine()?.table.pendingBytes ?? 0 }

    /// Clients that are too many for the output of a run: a turn of the event loop brings one message to all, or less.
    private func clients(_ bench: CommandBench, of stream: String) -> [CableBench.Client] {
        let clients = (0..<100).map { _ in bench.cables.subscribed(stream) }
        for client in clients { client.peer.isForgetful = true }
        bench.kernel.faults.sendTime = .milliseconds(1)
        return clients
    }

    @Test("a program waits while its cable has too much to deliver, and nothing of its output is lost")
    func waits() throws {
        let bench = try bench(Self.output)
        let run = try #require(bench.start())
        let clients = clients(bench, of: run.stream)
        var (most, isCongested, isRelieved) = (0, false, false)
        bench.run(for: .seconds(120)) {
            most = max(most, pendingBytes(bench))
            isRelieved = isRelieved || isCongested && bench.runner.congestedCables.isEmpty
            isCongested = isCongested || !bench.runner.congestedCables.isEmpty
            return clients.allSatisfy { $0.peer.heardCount > Self.bytes }
        }
        #expect(isCongested && isRelieved && most <= Limits.cableUndeliveredBytes + 3 * 1024 * 1024, "\(most)")
        #expect(clients.allSatisfy { $0.peer.heardCount > Self.bytes })
        bench.kernel.faults.sendTime = .zero
        #expect(bench.state(of: run.id)["output_bytes"] == "\(Self.bytes)")
        for client in clients { client.close() }
        bench.ask("DELETE", "/apply/\(run.id)")
        #expect(bench.rest() == [])
    }

    @Test("a waiting program costs no turn of the event loop")
    func costsNothing() throws {
        let bench = try bench(Self.output)
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        // As the cable server reports it.
        bench.runner.handle(.congested(cable: "cable"))
        bench.run(for: .seconds(2))
        let (waits, heard) = (bench.kernel.waits, client.peer.heard.count)
        bench.run(for: .seconds(4))
        // Pings of the client, and the program's writes.
        #expect(bench.kernel.waits - waits < 60 && client.peer.heard.count - heard < 1000)
        bench.runner.handle(.relieved(cable: "cable"))
        bench.run(for: .seconds(20)) { client.peer.heard.count > Self.bytes }
        #expect(client.peer.heard.count > Self.bytes)
        client.close()
        bench.ask("DELETE", "/apply/\(run.id)")
        #expect(bench.rest() == [])
    }

    @Test("a shutdown ends a program that waits, within the drain time")
    func shutdown() throws {
        let bench = try bench(Self.output) { $0.drainTimeout = .seconds(4) }
        let run = try #require(bench.start())
        let clients = clients(bench, of: run.stream)
        bench.run(for: .seconds(40)) { !bench.runner.congestedCables.isEmpty }
        #expect(!bench.runner.congestedCables.isEmpty)
        let began = bench.kernel.now()
        bench.cables.shutDown()
        bench.run(for: .seconds(20)) { bench.daemon.hasExited }
        #expect(bench.daemon.hasExited && bench.kernel.now() - began < .milliseconds(4500))
        #expect(bench.kernel.children.all.isEmpty && bench.kernel.complaints == [])
        for client in clients { client.close() }
    }

    @Test("a cable that replaces a congested one of the same name is not congested")
    func replaced() throws {
        let bench = try bench(Self.output)
        let run = try #require(bench.start())
        let clients = clients(bench, of: run.stream)
        bench.run(for: .seconds(40)) { !bench.runner.congestedCables.isEmpty }
        #expect(!bench.runner.congestedCables.isEmpty)
        bench.cables.reload { $0.cables[0].redis = .init(url: try! RedisURL("redis://127.0.0.1:6379")) }
        bench.run(for: .milliseconds(10))
        #expect(bench.runner.congestedCables.isEmpty)
        bench.kernel.faults.sendTime = .zero
        for client in clients { client.close() }
        bench.ask("DELETE", "/apply/\(run.id)")
        bench.run(for: .seconds(60))
        #expect(bench.runner.isIdle)
    }

    @Test("a process outside of the run that prints to its terminal without end does not keep the run")
    func outsider() throws {
        let bench = try CommandBench([.printing([(.milliseconds(10), "a")], exitsAfter: .seconds(2))])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(1))
        let terminals = bench.kernel.files.values.compactMap { if case .pipe(let pipe) = $0 { pipe } else { nil } }
        let terminal = try #require(terminals.first)
        terminal.outsider = Array(repeating: 0x7a, count: 4096)
        terminal.write(Array("z".utf8))
        bench.run(for: .milliseconds(500))
        #expect(bench.state(of: run.id)["state"] == "running")
        bench.run(for: .seconds(2))
        #expect(bench.state(of: run.id)["ending"] == "exited")
        #expect(CommandBench.messages(of: client).last == "\u{4}")
        client.close()
        #expect(bench.rest() == [])
    }
}
