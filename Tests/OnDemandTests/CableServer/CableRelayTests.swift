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
}
