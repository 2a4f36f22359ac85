import Testing

@testable import OnDemand

/// Clients whose cables have a backend: what one client's end means for the backend and for other clients.
struct CableRelayTests {
    /// Posts on a connection that stays open.
    private func post(_ body: String, to bench: CableBench) -> DaemonBench.Peer {
        let publisher = bench.connect(capacity: 1_000_000)
        publisher.send(CableBench.request(body, to: "c0"))
        bench.run(for: .milliseconds(5))
        return publisher
    }

    @Test("a backend sleeps after idle_timeout when a delivery finds its last client gone, whatever else happens")
    func lastClientLostInDelivery() throws {
        var losses = 0
        for call in 1...12 {
            let bench = try CableBackendBench(cables: 1, hibernates: false)
            let client = bench.subscribed(1, to: 0)
            client.subscribe("s")
            // The guard has its news.
            bench.run(for: .seconds(2))
            bench.kernel.failingCall = bench.kernel.fallibleCalls + call
            let publisher = post("{\"stream\":\"s\",\"data\":\"1\"}", to: bench.cables)
            guard bench.cables.server.sessions.count == 0, !publisher.heard.isEmpty, publisher.heardEndAt == nil else {
                continue
            }
            losses += 1
            bench.run(for: .seconds(3))
            #expect(bench.backend.machine.state == .asleep, "call \(call), \(bench.kernel.failedVerb ?? "")")
        }
        #expect(losses > 0)
    }

    /// Two cables whose clients hibernate: the second one has one client.
    private func hibernating(
        _ count: Int, streams: Int = 1, _ script: ActionCableScript, closeJitter: Duration = .zero
    ) throws -> (bench: CableBackendBench, first: [CableBench.Client], second: CableBench.Client) {
        let bench = try CableBackendBench(cables: 2, hibernates: true, script) { $0.closeJitter = closeJitter }
        let first = (1...count).map { bench.subscribed($0, to: 0, streams: streams) }
        let second = bench.subscribed(9, to: 1)
        bench.run(for: .seconds(10)) { bench.backend.machine.state == .asleep }
        #expect(bench.backend.machine.state == .asleep && bench.relays(of: 0)?.describe()?.hibernating == count)
        return (bench, first, second)
    }

    @Test("a command does not wait for a client of another cable that a delivery has lost")
    func restoringClientLostInDelivery() throws {
        var losses = 0
        var script = ActionCableScript()
        script.welcomesAfter = .seconds(1)
        for call in 1...16 {
            let (bench, first, second) = try hibernating(1, script)
            bench.perform(9000, by: second)
            bench.run(for: .milliseconds(300))
            #expect(bench.relays(of: 0)?.restoringCount == 1)
            bench.kernel.failingCall = bench.kernel.fallibleCalls + call
            let name = CableScenario.streamName(CableBackendBench.streams[0])
            _ = post("{\"stream\":\"\(name)\",\"data\":\"1\"}", to: bench.cables)
            guard bench.relays(of: 0)?.count == 0, bench.kernel.failedVerb == "send" else { continue }
            losses += 1
            bench.run(for: .seconds(5))
            #expect(bench.performed == [9000] && bench.relays(of: 1)?.isRestoring == false, "call \(call)")
            #expect(second.news.allSatisfy { !$0.contains("close") }, "call \(call)")
            first[0].close()
        }
        #expect(losses > 0)
    }

    @Test("a command does not wait for clients of a cable that is removed meanwhile")
    func restoringCableRemoved() throws {
        var script = ActionCableScript()
        script.performsAfter = .seconds(1)
        let (bench, first, second) = try hibernating(2, streams: 2, script, closeJitter: .seconds(10))
        bench.perform(9000, by: second)
        bench.run(for: .milliseconds(1500))
        #expect(bench.relays(of: 0)?.restoringCount == 2, "their second subscription is not confirmed")
        #expect(bench.relays(of: 1)?.restoringCount == 0 && bench.performed == [])
        bench.cables.reload { $0.cables.removeFirst() }
        for client in first { client.peer.socket.close() }
        bench.run(for: script.performsAfter + .milliseconds(100))
        #expect(bench.cables.server.cables.all.count == 1)
        #expect(bench.performed == [9000] && bench.relays(of: 1)?.isRestoring == false)
        second.close()
        #expect(bench.kernel.complaints == [])
    }

    @Test("a held command does not use up the timer of its client's close handshake")
    func heldDuringCloseHandshake() throws {
        var script = ActionCableScript()
        script.performsAfter = .seconds(1)
        script.closesAfter = .seconds(60)
        let bench = try CableBackendBench(cables: 2, hibernates: true, script)
        let first = bench.subscribed(1, to: 0, streams: 2)
        bench.run(for: .seconds(30)) { bench.backend.machine.state == .asleep }
        let client = bench.subscribed(2, to: 1)
        bench.perform(9000, by: client)
        var found: Relay?
        bench.relays(of: 1)?.visit { _, relay in found = relay }
        let relay = try #require(found)
        #expect(relay.held.count == 1, "the second subscription of the first client is not confirmed")
        bench.cables.daemon.supervisor.execute(.restart, on: bench.backend.id)
        bench.run(for: .milliseconds(100))
        #expect(relay.upstream?.stage == .closing && relay.held.count == 1)
        bench.run(for: Limits.closeTimeout)
        #expect(relay.upstream?.stage != .closing)
        bench.run(for: .seconds(20)) { !bench.performed.isEmpty }
        #expect(bench.performed == [9000] && first.news == [] && client.news == [])
    }

    @Test("clients without streams are restored at once, however many, when their cable has Redis")
    func restoredWithoutStreams() throws {
        let bench = try CableBackendBench(cables: 1, hibernates: true, hasRedis: true) {
            $0.cables[0].pingInterval = .seconds(60)
        }
        let count = Limits.restoresAtOnce * 2 + 1
        let clients = (1...count).map { bench.subscribed($0, to: 0, streams: 0) }
        bench.run(for: .seconds(10)) { bench.backend.machine.state == .asleep }
        #expect(bench.relays(of: 0)?.describe()?.hibernating == count)
        bench.cables.daemon.supervisor.execute(.start, on: bench.backend.id)
        bench.run(for: .milliseconds(400))
        #expect(bench.relays(of: 0)?.describe()?.attached == count && bench.relays(of: 0)?.isRestoring == false)
        #expect(bench.kernel.complaints == [] && clients.allSatisfy { $0.news == [] })
    }
}
