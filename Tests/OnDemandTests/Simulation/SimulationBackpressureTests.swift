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

    /// A cable with as much to deliver to two other clients as it takes; returns them.
    private func congest(_ bench: CommandBench) throws -> [CableBench.Client] {
        let clients = (0..<2).map { _ in bench.cables.subscribed("s") }
        for client in clients { client.peer.isForgetful = true }
        let id = try #require(bench.cables.server.cables.id(named: "cable"))
        let body = Array("{\"stream\":\"s\",\"data\":\"\(String(repeating: "x", count: 100_000))\"}".utf8)
        bench.kernel.faults.sendTime = .milliseconds(100)
        for _ in 0..<100 where bench.cables.server.broadcast(body, to: id).status == 201 {}
        #expect(pendingBytes(bench) > Limits.cableUndeliveredBytes)
        bench.run(for: .seconds(10)) { !bench.runner.congestedCables.isEmpty }
        #expect(bench.runner.congestedCables == ["cable"])
        return clients
    }

    @Test("a program waits while its cable has too much to deliver, and nothing of its output is lost")
    func waits() throws {
        let bench = try bench(Self.output)
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        let others = try congest(bench)
        let read = bench.runner.runs.first??.output.byteCount ?? 0
        var turns = 0
        bench.run(for: .seconds(60)) {
            if !bench.runner.congestedCables.isEmpty {
                turns += 1
                #expect(bench.runner.runs.first??.output.byteCount == read)
            }
            return bench.runner.congestedCables.isEmpty
        }
        #expect(turns > 0 && bench.runner.congestedCables.isEmpty && read < UInt64(Self.bytes))
        bench.kernel.faults.sendTime = .zero
        bench.run(for: .seconds(20)) { bench.runner.runs.first??.output.byteCount == UInt64(Self.bytes) }
        bench.run(for: .seconds(1))
        #expect(client.peer.heardCount > Self.bytes)
        #expect(bench.state(of: run.id)["output_bytes"] == "\(Self.bytes)")
        for client in others + [client] { client.close() }
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
        let clients = try [bench.cables.subscribed(run.stream)] + congest(bench)
        let began = bench.kernel.now()
        bench.cables.shutDown()
        bench.run(for: .seconds(20)) { bench.daemon.hasExited }
        #expect(bench.daemon.hasExited && bench.kernel.now() - began < .seconds(12))
        #expect(bench.kernel.children.all.isEmpty && bench.kernel.complaints == [])
        for client in clients { client.close() }
    }

    @Test("a cable that replaces a congested one of the same name is not congested")
    func replaced() throws {
        let bench = try bench(Self.output)
        let run = try #require(bench.start())
        let clients = try [bench.cables.subscribed(run.stream)] + congest(bench)
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
