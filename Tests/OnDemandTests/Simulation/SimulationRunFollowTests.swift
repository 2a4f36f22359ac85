import Testing

@testable import OnDemand

/// An operator starts a run over the control socket and follows its output.
@Suite("Simulation: followed runs")
struct SimulationRunFollowTests {
    private func bench(_ script: ChildScript) throws -> CommandBench {
        try CommandBench([script]) { $0.control = Scenario.controlAddress }
    }

    private func ask(_ bench: CommandBench, _ line: String) -> DaemonBench.Peer {
        let peer = bench.cables.connect(capacity: 1_000_000, to: Scenario.controlAddress)
        peer.send(Array("\(line) HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8))
        bench.run(for: .milliseconds(10))
        return peer
    }

    private func follow(_ bench: CommandBench) -> DaemonBench.Peer {
        ask(bench, "POST /v1/commands/apply/run?database=boston")
    }

    /// The events behind the head of the response.
    private func events(_ peer: DaemonBench.Peer) -> [RunFollower.Event] {
        var follower = RunFollower()
        guard peer.heard.starts(with: RunEvents.head) else { return [] }
        return follower.take(peer.heard[RunEvents.head.count...])
    }

    private func text(_ events: [RunFollower.Event]) -> String {
        let pieces = events.map { event in if case .output(let bytes) = event { bytes } else { [UInt8]() } }
        return String(decoding: pieces.joined(), as: UTF8.self)
    }

    private func result(_ events: [RunFollower.Event]) -> RunFollower.Result? {
        if case .ended(let result)? = events.last { result } else { nil }
    }

    @Test("the response has the ID, the output as it comes, and the result, and then the connection ends")
    func wholeRun() throws {
        let bench = try bench(
            .printing(
                [(.milliseconds(20), "one\r\n"), (.milliseconds(300), "zwölf")], exitsAfter: .milliseconds(400),
                exit: .status(3)))
        let peer = follow(bench)
        bench.run(for: .milliseconds(100))
        #expect(text(events(peer)) == "one\r\n")
        bench.run(for: .seconds(2))
        let seen = events(peer)
        guard case .began(let id)? = seen.first else {
            Issue.record("no ID: \(seen)")
            return
        }
        #expect(RunID(id) != nil && text(seen) == "one\r\nzwölf\r\nExited with status 3.\r\n")
        #expect(result(seen)?.hasSucceeded == false && result(seen)?.sentence.hasPrefix("status 3 after") == true)
        #expect(peer.heardEndAt != nil)
        peer.socket.close()
        #expect(bench.rest() == [])
        #expect(bench.kernel.logLines.allSatisfy { !String(decoding: $0, as: UTF8.self).contains("boston") })
    }

    @Test("a follower that leaves ends nothing, and is forgotten")
    func leaving() throws {
        let bench = try bench(.printing([(.milliseconds(500), "later")], exitsAfter: .seconds(2)))
        let peer = follow(bench)
        #expect(bench.runner.runs.compactMap { $0?.followers.count } == [1])
        peer.socket.close()
        bench.run(for: .milliseconds(100))
        #expect(bench.runner.runs.compactMap { $0?.followers.count } == [0])
        #expect(!bench.daemon.proxy.subscribers.hasRunSubscribers)
        bench.run(for: .seconds(3))
        #expect(bench.daemon.snapshot().commands.first?.counters.succeeded == 1)
        #expect(bench.rest() == [])
    }

    @Test("an operator asks for the state of a run and stops it")
    func stopping() throws {
        let bench = try bench(.printing(exitsAfter: nil))
        let peer = follow(bench)
        guard case .began(let id)? = events(peer).first else {
            Issue.record("no ID")
            return
        }
        let state = ask(bench, "GET /v1/commands/apply/runs/\(id)")
        #expect(String(decoding: state.heard, as: UTF8.self).contains("\"state\":\"running\""))
        let stop = ask(bench, "DELETE /v1/commands/apply/runs/\(id)")
        #expect(String(decoding: stop.heard, as: UTF8.self).contains("202 Accepted"))
        let unknown = ask(bench, "DELETE /v1/commands/apply/runs/x")
        #expect(String(decoding: unknown.heard, as: UTF8.self).contains("404 Not Found"))
        bench.run(for: .seconds(1))
        #expect(result(events(peer))?.sentence.hasPrefix("stopped after") == true)
        for one in [peer, state, stop, unknown] { one.socket.close() }
        #expect(bench.rest() == [])
    }

    @Test("a request that starts nothing gets its reason")
    func refused() throws {
        let bench = try bench(.printing(exitsAfter: .seconds(1)))
        func answer(_ query: String) -> String {
            let peer = ask(bench, "POST /v1/commands/apply/run\(query)")
            defer { peer.socket.close() }
            return String(decoding: peer.heard, as: UTF8.self)
        }
        #expect(answer("").contains("400 Bad Request") && answer("?database=a&x=1").contains("no parameter"))
        let peer = follow(bench)
        #expect(answer("?database=b").contains("409 Conflict"))
        bench.run(for: .seconds(2))
        peer.socket.close()
        #expect(bench.daemon.snapshot().commands.first?.counters.rejected.first { $0.name == "busy" }?.count == 1)
        #expect(bench.rest() == [])
    }

    @Test("a shutdown ends a followed run before its connection")
    func shutdown() throws {
        let bench = try bench(.printing([(.zero, "a")], exitsAfter: nil))
        let peer = follow(bench)
        bench.cables.shutDown()
        bench.run(for: .seconds(3))
        let seen = events(peer)
        #expect(text(seen) == "a\r\nStopped, because the daemon shuts down.\r\n")
        #expect(result(seen)?.sentence.hasPrefix("stopped by the shutdown after") == true)
        peer.socket.close()
        bench.run(for: .seconds(3))
        #expect(bench.daemon.hasExited && bench.kernel.children.all.isEmpty && bench.kernel.complaints == [])
    }
}
