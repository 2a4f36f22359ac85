import Testing

@testable import OnDemand

/// What a cable has accepted: delivered before its clients are ended, and bounded before it is accepted.
struct CableDeliveryTests {
    private static let restart = "{\"type\":\"disconnect\",\"reason\":\"server_restart\",\"reconnect\":true}"

    private func pendingBytes(_ bench: CableBench) -> Int { bench.machine()?.table.pendingBytes ?? 0 }

    enum Cause: CaseIterable {
        case shutdown, removal, disabling

        func happen(to bench: CableBench) throws {
            switch self {
            case .shutdown: bench.shutDown()
            case .removal: try bench.reload { $0.cables = [try CableBench.cable("other")] }
            case .disabling: bench.reload { $0.cables[0].enabled = false }
            }
        }
    }

    // MARK: Drain

    @Test(
        "a client is ended when it has all that was accepted, however long the delivery takes",
        arguments: Cause.allCases)
    func drainBehindDelivery(cause: Cause) throws {
        let bench = try CableBench()
        let clients = (0..<600).map { bench.subscribed("s", isTurbo: $0.isMultiple(of: 4)) }
        bench.kernel.faults.sendTime = .milliseconds(1)
        #expect(bench.post("{\"stream\":\"s\",\"data\":\"1\"}", runs: .zero) == 201)
        #expect(pendingBytes(bench) > 0, "the delivery takes several turns")
        try cause.happen(to: bench)
        bench.run(for: .seconds(5))
        for client in clients {
            let first = client.news.first ?? ""
            #expect(first.hasSuffix("\"message\":1}") || first.hasSuffix("\"data\":\"1\"}"), "\(first)")
            #expect(client.news.last == "close 1001")
        }
        #expect(bench.daemon.hasExited == (cause == .shutdown) && bench.kernel.complaints == [])
        for client in clients { client.close() }
    }

    @Test("messages that are not delivered within the drain time do not keep a client of a removed cable")
    func drainHasABound() throws {
        let bench = try CableBench { $0.drainTimeout = .milliseconds(400) }
        let clients = (0..<600).map { _ in bench.subscribed("s") }
        bench.kernel.faults.sendTime = .milliseconds(5)
        #expect(bench.post("{\"stream\":\"s\",\"data\":\"1\"}", runs: .zero) == 201)
        bench.reload { $0.cables[0].enabled = false }
        bench.run(for: .seconds(10))
        #expect(clients.allSatisfy { $0.news.suffix(2) == [Self.restart, "close 1001"] })
        #expect(clients.contains { $0.numbers == [] }, "the bound came before the delivery")
        for client in clients { client.close() }
        #expect(bench.kernel.complaints == [])
    }

    @Test(
        "a message that Redis has not returned is waited for, at a shutdown and at a reload", arguments: Cause.allCases)
    func drainBehindRedis(cause: Cause) throws {
        let bench = try CableBench(hasRedis: true)
        let client = bench.subscribed("s")
        bench.redis.freeze()
        #expect(bench.publish(1) == 201)
        try cause.happen(to: bench)
        bench.run(for: .seconds(2))
        #expect(client.news == [] && !bench.daemon.hasExited)
        bench.redis.thaw()
        bench.run(for: .seconds(1))
        #expect(client.numbers == [1] && client.news.suffix(2) == [Self.restart, "close 1001"])
        client.close()
        bench.run(for: .seconds(1))
        #expect(bench.daemon.hasExited == (cause == .shutdown) && bench.kernel.complaints == [])
    }

    @Test("a Redis that returns nothing holds up a shutdown no longer than the drain time")
    func drainBehindFrozenRedis() throws {
        let bench = try CableBench(hasRedis: true) { $0.drainTimeout = .seconds(3) }
        let client = bench.subscribed("s")
        bench.redis.freeze()
        #expect(bench.publish(1) == 201)
        let began = bench.kernel.now()
        bench.shutDown()
        bench.run(for: .seconds(9)) { bench.daemon.hasExited }
        #expect(bench.daemon.hasExited && bench.kernel.now() - began <= .milliseconds(3100))
        bench.run(for: .milliseconds(100))
        #expect(client.news == [Self.restart, "close 1001"], "the client is told within the drain time")
    }

    @Test("a message that has not reached Redis is waited for also without a client here")
    func drainOfPublisher() throws {
        let bench = try CableBench(hasRedis: true)
        bench.redis.freeze()
        #expect(bench.publish(1) == 201)
        bench.shutDown()
        bench.run(for: .seconds(2))
        #expect(!bench.daemon.hasExited)
        bench.redis.thaw()
        bench.run(for: .seconds(1))
        #expect(bench.daemon.hasExited && bench.redis.published.map(\.text) == ["1"])
        #expect(bench.kernel.complaints == [])
    }

    @Test("a message that has not reached Redis is published also when its cable is removed")
    func removalOfPublisher() throws {
        let bench = try CableBench(hasRedis: true)
        bench.redis.freeze()
        #expect(bench.publish(1) == 201)
        try Cause.removal.happen(to: bench)
        bench.run(for: .seconds(2))
        bench.redis.thaw()
        bench.run(for: .seconds(1))
        #expect(bench.redis.published.map(\.text) == ["1"])
        #expect(bench.server.cables.all.count == 1 && bench.redis.connections.isEmpty)
        #expect(bench.kernel.complaints == [])
    }

    @Test("a Redis that returns nothing keeps a removed cable no longer than the drain time")
    func removalBehindFrozenRedis() throws {
        let bench = try CableBench(hasRedis: true) { $0.drainTimeout = .seconds(3) }
        bench.redis.freeze()
        #expect(bench.publish(1) == 201)
        try Cause.removal.happen(to: bench)
        bench.run(for: .milliseconds(3100))
        #expect(bench.server.cables.all.count == 1)
        bench.redis.thaw()
        bench.run(for: .seconds(1))
        #expect(bench.redis.connections.isEmpty && bench.kernel.complaints == [])
    }

    // MARK: Shutdown

    @Test("a publisher whose request comes together with a shutdown is told what becomes of its message")
    func publisherAtShutdown() throws {
        for seed in 1...20 {
            let bench = try CableBench(seed: UInt64(seed))
            let client = bench.subscribed("s")
            let publisher = bench.connect(capacity: 1_000_000)
            bench.run(for: .milliseconds(5))
            publisher.send(CableBench.request("{\"stream\":\"s\",\"data\":\"1\"}"))
            // In the same turn.
            bench.kernel.pendingSignals.append(.terminate)
            bench.run(for: .seconds(1))
            let isAccepted = publisher.heard.starts(with: "HTTP/1.1 201 ".utf8)
            #expect(isAccepted == (client.numbers == [1]), "seed \(seed)")
            client.close()
        }
    }

    @Test("a broadcast behind the end of all clients gets 503")
    func broadcastBehindTheEnd() throws {
        for hasRedis in [false, true] {
            let bench = try CableBench(hasRedis: hasRedis)
            let id = try #require(bench.server.cables.id(named: "cable"))
            bench.server.closeEverything()
            #expect(bench.server.broadcast(Array("{\"stream\":\"s\",\"data\":\"1\"}".utf8), to: id).status == 503)
            bench.run(for: .seconds(1))
            #expect(bench.redis.connections.isEmpty)
        }
    }

    @Test("a publisher that ends its direction behind its request gets its response")
    func halfClosedPublisher() throws {
        let bench = try CableBench()
        let client = bench.subscribed("s")
        let publisher = bench.connect(capacity: 1_000_000)
        publisher.send(CableBench.request("{\"stream\":\"s\",\"data\":\"1\"}"))
        publisher.socket.end()
        bench.run(for: .milliseconds(10))
        #expect(publisher.heard.starts(with: "HTTP/1.1 201 ".utf8) && client.numbers == [1])
        client.close()
        #expect(bench.kernel.complaints == [])
    }

    // MARK: Congestion

    /// A client that takes everything at once.
    private func subscribed(to bench: CableBench) -> CableBench.Client {
        let client = bench.open(capacity: 1_000_000)
        client.subscribe("s")
        return client
    }

    /// A cable whose connection to Redis takes more than one turn reads, and its first client.
    private func roomy() throws -> (bench: CableBench, client: CableBench.Client) {
        for seed: UInt64 in 1...40 {
            let bench = try CableBench(seed: seed, hasRedis: true) {
                $0.cables[0].limits.maximumQueuedBytes = 64 * 1024 * 1024
            }
            let client = subscribed(to: bench)
            if bench.redis.listeningConnection?.socket.peer?.capacity ?? 0 > 100_000 { return (bench, client) }
        }
        throw DaemonBench.NoConnection()
    }

    @Test("what one turn does not read of Redis is read in the next turns")
    func manyMessages() throws {
        let (bench, client) = try roomy()
        for number in 0..<2000 { bench.redis.publish("s", "\(number)") }
        bench.run(for: .milliseconds(100))
        #expect(client.numbers.count == 2000 && client.numbers == client.numbers.sorted())
        client.close()
        #expect(bench.kernel.complaints == [])
    }

    @Test("Redis is not read while a cable has too much to deliver, and is read again afterwards")
    func redisWaits() throws {
        let (bench, first) = try roomy()
        let clients = [first] + (0..<39).map { _ in subscribed(to: bench) }
        for client in clients { client.peer.isForgetful = true }
        let id = try #require(bench.server.cables.id(named: "cable"))
        let cable = try #require(bench.server.cables[id]?.cable)
        bench.kernel.faults.sendTime = .milliseconds(5)
        let text = "\"\(String(repeating: "x", count: 100_000))\""
        for _ in 0..<80 { bench.redis.publish("s", text) }
        bench.run(for: .seconds(20)) { cable.isCongested }
        #expect(cable.isCongested)
        var most = 0
        bench.run(for: .seconds(60)) {
            most = max(most, cable.machine.table.pendingBytes)
            return !cable.isCongested
        }
        #expect(!cable.isCongested && most < Limits.cableUndeliveredBytes + 6 * text.utf8.count)
        bench.kernel.faults.sendTime = .zero
        bench.run(for: .seconds(2))
        #expect(clients.allSatisfy { $0.peer.heardCount > 80 * text.utf8.count && $0.peer.heardEndAt == nil })
        for client in clients { client.close() }
        #expect(bench.kernel.complaints == [])
    }

    @Test("a broadcast to a cable with too much to deliver gets 503 and is counted, and a later one is accepted")
    func broadcastsAreBounded() throws {
        let bench = try CableBench { $0.cables[0].limits.maximumQueuedBytes = 64 * 1024 * 1024 }
        let clients = (0..<2).map { _ in bench.subscribed("s") }
        let id = try #require(bench.server.cables.id(named: "cable"))
        let body = Array("{\"stream\":\"s\",\"data\":\"\(String(repeating: "x", count: 100_000))\"}".utf8)
        var accepted = 0
        var reply = bench.server.broadcast(body, to: id)
        while reply.status == 201, accepted < 1000 {
            accepted += 1
            reply = bench.server.broadcast(body, to: id)
        }
        #expect(reply.status == 503 && reply.retryAfterSeconds == 1 && reply.body.contains("cable"))
        #expect(pendingBytes(bench) <= Limits.cableUndeliveredBytes + 3 * body.count)
        bench.kernel.faults.sendTime = .milliseconds(10)
        #expect(bench.post("{\"stream\":\"t\",\"data\":\"1\"}") == 503)
        bench.kernel.faults.sendTime = .zero
        bench.run(for: .seconds(1))
        #expect(pendingBytes(bench) == 0 && bench.publish(1) == 201)
        for client in clients { #expect(client.peer.heard.count > accepted * 100_000) }
        let snapshot = try #require(bench.daemon.snapshot().cables.first)
        #expect(snapshot.overloadedPublications == 2 && snapshot.refusedPublications == 0)
        for client in clients { client.close() }
        #expect(bench.kernel.complaints == [])
    }
}
