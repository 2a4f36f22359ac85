import Testing

@testable import OnDemand

/// Requests that the daemon itself answers, in messages of the same turn: status, reload.
@Suite("Simulation: requests for the daemon itself")
struct SimulationDaemonRequestTests {
    private func bench(seed: UInt64 = 1) throws -> CommandBench {
        try CommandBench([.printing()], seed: seed) { $0.control = Scenario.controlAddress }
    }

    private func connect(_ bench: CommandBench) -> DaemonBench.Peer {
        bench.cables.connect(capacity: 1_000_000, to: Scenario.controlAddress)
    }

    private func request(_ line: String) -> [UInt8] {
        Array("\(line) HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".utf8)
    }

    private func statuses(_ peer: DaemonBench.Peer) -> [Int] {
        String(decoding: peer.heard, as: UTF8.self).split(separator: "HTTP/1.1 ").compactMap { Int($0.prefix(3)) }
    }

    @Test(
        "a client that ends its direction behind a request gets its response",
        arguments: ["GET /v1/status", "POST /v1/reload"])
    func halfClosed(line: String) throws {
        let bench = try bench()
        let peer = connect(bench)
        peer.send(request(line))
        peer.socket.end()
        bench.run(for: .milliseconds(10))
        #expect(statuses(peer) == [200])
        #expect(bench.rest() == [])
    }

    @Test("pipelined requests get their responses in order")
    func pipelined() throws {
        let bench = try bench()
        let peer = connect(bench)
        let lines = ["GET /v1/status", "GET /v1/nothing", "POST /v1/reload", "GET /v1/commands?format=text"]
        peer.send(lines.flatMap(request))
        bench.run(for: .milliseconds(10))
        #expect(statuses(peer) == [200, 404, 200, 200])
        peer.socket.close()
        #expect(bench.rest() == [])
    }

    @Test("a reload is done although its client has left")
    func requesterLeft() throws {
        let bench = try bench()
        let peer = connect(bench)
        peer.send(request("POST /v1/reload"))
        peer.socket.close()
        bench.run(for: .milliseconds(10))
        #expect(bench.daemon.snapshot().reloads.done == 1)
        #expect(bench.rest() == [])
    }

    @Test("a reload that arrives together with a shutdown is done or refused, and its client is told")
    func reloadAtShutdown() throws {
        for seed in 1...20 {
            let bench = try bench(seed: UInt64(seed))
            let peer = connect(bench)
            bench.run(for: .milliseconds(10))
            peer.send(request("POST /v1/reload"))
            bench.kernel.raise(.terminate)
            bench.run(for: .milliseconds(10))
            let isDone = bench.daemon.snapshot().reloads.done == 1
            #expect(statuses(peer) == [isDone ? 200 : 409], "seed \(seed)")
        }
    }

    @Test("after a reload the new names are known, and the removed ones are not")
    func names() throws {
        let bench = try bench()
        let peer = connect(bench)
        peer.send(request("POST /v1/commands/aply/run"))
        bench.run(for: .milliseconds(10))
        #expect(String(decoding: peer.heard, as: UTF8.self).contains("No command is named \"aply\"; there are apply."))
        bench.cables.reload { $0.commands = [] }
        peer.send(request("POST /v1/commands/apply/run"))
        bench.run(for: .milliseconds(10))
        #expect(String(decoding: peer.heard, as: UTF8.self).contains("No commands are configured."))
        peer.socket.close()
        #expect(bench.rest() == [])
    }
}
