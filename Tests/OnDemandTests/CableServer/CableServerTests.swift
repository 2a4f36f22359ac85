import Testing

@testable import OnDemand

/// The driver of cable clients on the simulated kernel: the way from a socket to a machine and back.
struct CableServerTests {
    private static let restart = "{\"type\":\"disconnect\",\"reason\":\"server_restart\",\"reconnect\":true}"
    private static let tooSlow = "{\"type\":\"disconnect\",\"reason\":\"too_slow\",\"reconnect\":true}"

    private static func refusal(_ reason: String) -> String {
        "{\"type\":\"disconnect\",\"reason\":\"\(reason)\",\"reconnect\":false}"
    }

    /// No client is left, and nothing that belonged to one.
    private func expectEmpty(_ bench: CableBench, _ place: SourceLocation = #_sourceLocation) {
        #expect(bench.server.sessions.count == 0, sourceLocation: place)
        #expect(bench.connectionCount == 0, sourceLocation: place)
        #expect(bench.kernel.complaints == [], sourceLocation: place)
        for cable in bench.server.cables.all.map(\.cable) {
            #expect(cable.machine.clientCount == 0 && cable.machine.table.streamCount == 0, sourceLocation: place)
            #expect(cable.machine.table.pendingBytes == 0 && cable.machine.deadline == nil, sourceLocation: place)
        }
        #expect(bench.daemon.proxy.cables.totalCount == 0, sourceLocation: place)
        #expect(!bench.daemon.reactor.hasTimers, sourceLocation: place)
    }

    // MARK: Opening

    @Test("an Action Cable client gets 101 and a welcome with a sid, and a TurboCable client 101 only")
    func opens() throws {
        let bench = try CableBench()
        let (action, turbo) = (bench.open(), bench.open(isTurbo: true))
        #expect(action.status == 101 && turbo.status == 101)
        #expect(action.frames.count == 1 && turbo.frames == [])
        let welcome = try #require(action.frames.first?.wholeMatch(of: /\{"type":"welcome","sid":"([0-9a-f]{40})"\}/))
        let other = bench.open()
        #expect(other.frames.first?.contains(String(welcome.1)) == false)
        for client in [action, turbo, other] { client.close() }
        expectEmpty(bench)
    }

    @Test("frames that arrive in one piece with the request are read, in any pieces")
    func earlyFrames() throws {
        let text = CableBench.command("subscribe", "s", isTurbo: false)
        let frame = FrameWriter.text(text, key: CableBench.mask)
        for count in 0...frame.count {
            let bench = try CableBench()
            let client = bench.open(early: Array(frame[..<count]))
            client.send(Array(frame[count...]))
            #expect(client.confirmations(of: "s") == 1, "\(count)")
            bench.publish(1)
            #expect(client.numbers == [1], "\(count)")
            client.close()
            expectEmpty(bench)
        }
    }

    @Test("an Action Cable client is pinged every ping_interval, a TurboCable client every 30 s")
    func pings() throws {
        let bench = try CableBench { $0.cables[0].pingInterval = .seconds(2) }
        let (action, turbo) = (bench.open(), bench.open(isTurbo: true))
        for _ in 0..<4 {
            bench.run(for: .seconds(30))
            turbo.send("{\"type\":\"pong\"}")
        }
        #expect((59...60).contains(action.pings))
        #expect(turbo.pings == 4)
        action.close()
        turbo.close()
        expectEmpty(bench)
    }

    @Test("a TurboCable client that sends nothing for 60 s is closed with 1001, and any frame renews its time")
    func silence() throws {
        let bench = try CableBench()
        let (silent, talking) = (bench.open(isTurbo: true), bench.open(isTurbo: true))
        for _ in 0..<8 {
            bench.run(for: .seconds(10))
            talking.send("{\"type\":\"pong\"}")
        }
        #expect(silent.news == ["close 1001"] && silent.peer.heardEndAt != nil)
        #expect(talking.news == [] && talking.peer.heardEndAt == nil)
        talking.close()
        silent.close()
        expectEmpty(bench)
    }

    @Test("a client over max_connections gets 503, and the next one is accepted when another has left")
    func connectionLimit() throws {
        let bench = try CableBench { $0.cables[0].limits.maximumConnections = 2 }
        let clients = [bench.open(), bench.open(isTurbo: true)]
        let refused = bench.open()
        #expect(refused.status == 503)
        refused.close()
        clients[0].close()
        let next = bench.open()
        #expect(next.status == 101)
        clients[1].close()
        next.close()
        expectEmpty(bench)
    }

    // MARK: Tokens

    private static let valid =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCIxNVwifSIsImV4cCI6NDEwMjQ0NDgwMH0.KKcuuwWoSJSQDW8Oclr59VbG29m2NOPkgS5hK-rKwNs"
    private static let expired =
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHQiOiJ7XCJ1c2VyX2lkXCI6XCIxNVwifSIsImV4cCI6MTMwMDgxOTM4MH0.ZBw07eWyKEBrOQYYaOlobBSjhIT0iv3aH_RMrr3zTAo"

    private func guarded(isRequired: Bool = true) throws -> CableBench {
        try CableBench { $0.cables[0].tokens = .init(secret: Array("ruby-to-go".utf8), isRequired: isRequired) }
    }

    @Test("a refused Action Cable client gets 101, the reason and a close frame, and a TurboCable client 401")
    func refused() throws {
        for (token, reason) in [
            (nil, "unauthorized"), (Self.expired, "token_expired"), (Self.valid + "x", "unauthorized"),
            ("", "unauthorized"),
        ] {
            let bench = try guarded()
            let fields = token.map { ["X-JID: \($0)"] } ?? []
            let action = bench.open(with: fields)
            #expect(action.status == 101 && action.frames == [Self.refusal(reason), "close 1000"], "\(reason)")
            // The server ends its side and waits for the client's.
            #expect(action.peer.heardEndAt != nil && !action.peer.isClosed)
            let turbo = bench.open(isTurbo: true, with: fields)
            #expect(turbo.status == 401)
            #expect(bench.machine()?.clientCount == 0)
            action.send(FrameWriter.close(.normal, key: CableBench.mask))
            action.close()
            turbo.close()
            expectEmpty(bench)
        }
    }

    @Test("a refused client that stays is closed after the close timeout, and one that floods after a limit")
    func refusedAndStays() throws {
        let bench = try guarded()
        let (silent, flood) = (bench.open(), bench.open())
        for _ in 0..<1100 where !flood.peer.isClosed {
            flood.peer.send(Array(repeating: 0, count: 1024))
            bench.run(for: .microseconds(300))
        }
        #expect(flood.peer.isClosed && !silent.peer.isClosed)
        bench.run(for: Limits.closeTimeout + .milliseconds(100))
        #expect(silent.peer.isClosed)
        expectEmpty(bench)
    }

    @Test("floods of clients are handled in steps, in order, and another client waits for one turn at most")
    func flood() throws {
        let bench = try CableBench()
        let mask = CableBench.mask
        let floods = (0..<3).map { _ in bench.open(capacity: 1_000_000) }
        let other = bench.open()
        let before = floods.map(\.peer.heard.count)
        let payloads = (0..<4000).map { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
        for client in floods { client.peer.send(payloads.flatMap { FrameWriter.frame(.ping, $0, key: mask) }) }
        let pongs = payloads.flatMap { FrameWriter.pong($0) }
        // At most so many are answered in a turn, of all clients.
        let share = Limits.cableStepsPerTurn * Limits.cableMessagesPerStep
        var answered = 0
        var turns = 0
        var otherAt: Int?
        while answered < 3 * pongs.count, turns < 100 {
            if turns == 1 { other.peer.send(FrameWriter.frame(.ping, [7], key: mask)) }
            bench.run(for: .microseconds(200))
            turns += 1
            if otherAt == nil, turns > 1, other.peer.heard.suffix(3) == FrameWriter.pong([7])[...] { otherAt = turns }
            let sum = zip(floods, before).reduce(0) { $0 + $1.0.peer.heard.count - $1.1 }
            answered = sum
        }
        #expect(answered == 3 * pongs.count && otherAt != nil)
        for (client, count) in zip(floods, before) { #expect(Array(client.peer.heard[count...]) == pongs) }
        #expect(!bench.server.sessions.hasRests && share < 3 * payloads.count)
        for client in floods + [other] { client.close() }
        expectEmpty(bench)
    }

    @Test("what a client has sent before it leaves is handled, however much it is")
    func floodAndEnd() throws {
        let bench = try CableBench()
        let reader = bench.subscribed("s")
        let client = bench.open(capacity: 1_000_000)
        let ping = FrameWriter.frame(.ping, [], key: CableBench.mask)
        let last = FrameWriter.text(CableBench.command("subscribe", "last", isTurbo: false), key: CableBench.mask)
        client.peer.send(Array(repeating: ping, count: 3000).flatMap(\.self) + last)
        bench.run(for: .milliseconds(50))
        #expect(client.confirmations(of: "last") == 1)
        client.peer.send(Array(repeating: ping, count: 3000).flatMap(\.self))
        client.peer.socket.close()
        bench.run(for: .milliseconds(50))
        #expect(!bench.server.sessions.hasRests && bench.machine()?.clientCount == 1)
        reader.close()
        expectEmpty(bench)
    }

    @Test("a client that does not take its last frames and floods is closed after a limit of bytes")
    func floodBehindTheEnd() throws {
        let bench = try CableBench { $0.cables[0].limits.maximumQueuedBytes = 4096 }
        let flood = bench.open(capacity: 20_000)
        flood.subscribe("s")
        flood.peer.isDeaf = true
        for _ in 0..<10 { bench.post("{\"stream\":\"s\",\"data\":\"\(String(repeating: "x", count: 5000))\"}") }
        #expect(bench.machine()?.openClientCount == 0 && !flood.peer.isClosed)
        let before = bench.kernel.now()
        for _ in 0..<1100 where !flood.peer.isClosed {
            flood.peer.send(Array(repeating: 0, count: 1024))
            bench.run(for: .microseconds(300))
        }
        #expect(flood.peer.isClosed && bench.kernel.now() - before < Limits.closeTimeout)
        expectEmpty(bench)
    }

    @Test("the disconnect command ends the clients with these connection identifiers and no others")
    func remoteDisconnect() throws {
        let bench = try guarded(isRequired: false)
        let (mine, other) = (bench.open(with: ["X-JID: \(Self.valid)"]), bench.open())
        #expect(mine.status == 101 && other.status == 101)
        let payload = "{\"identifier\":\"{\\\"user_id\\\":\\\"15\\\"}\",\"reconnect\":true}"
        #expect(bench.post("{\"command\":\"disconnect\",\"payload\":\(payload)}") == 201)
        #expect(mine.news == ["{\"type\":\"disconnect\",\"reason\":\"remote\",\"reconnect\":true}", "close 1000"])
        #expect(other.news == [])
        mine.close()
        other.close()
        expectEmpty(bench)
    }

    // MARK: Messages

    @Test("a broadcast reaches the subscribers of both protocols once and in order, and no others")
    func broadcasts() throws {
        let bench = try CableBench()
        let clients = [bench.subscribed("s"), bench.subscribed("s", isTurbo: true)]
        let others = [bench.subscribed("t"), bench.open()]
        for number in 1...20 { #expect(bench.publish(number) == 201) }
        bench.post(
            "[{\"stream\":\"s\",\"data\":\"21\"},{\"stream\":\"t\",\"data\":\"0\"},{\"stream\":\"s\",\"data\":\"22\"}]")
        #expect(clients[0].numbers == Array(1...22))
        // TurboCable clients get the string as it was posted.
        #expect(clients[1].news == (1...22).map { "{\"type\":\"message\",\"stream\":\"s\",\"data\":\"\($0)\"}" })
        #expect(others[0].numbers == [0] && others[1].numbers == [])
        for client in clients + others { client.close() }
        expectEmpty(bench)
    }

    @Test("a publisher gets 201, or 200 from a cable without Action Cable, and 400 changes nothing")
    func statuses() throws {
        let bench = try CableBench { configuration in
            configuration.cables.append(try! CableBench.cable("turbo"))
            configuration.cables[1].actionCable = false
        }
        let client = bench.subscribed("s")
        #expect(bench.publish(1) == 201 && bench.publish(1, of: "turbo") == 200)
        for body in ["", "{", "{}", "[{\"stream\":\"s\",\"data\":\"2\"},{\"data\":\"3\"}]", "{\"stream\":\"\"}"] {
            #expect(bench.post(body) == 400, "\(body)")
        }
        #expect(client.numbers == [1])
        client.close()
        expectEmpty(bench)
    }

    @Test("exclude_socket keeps a message from the client with this sid only")
    func excluded() throws {
        let bench = try CableBench()
        let (sender, other) = (bench.subscribed("s"), bench.subscribed("s"))
        let sid = try #require(sender.frames.first?.firstMatch(of: /"sid":"([0-9a-f]+)"/)).1
        bench.post("{\"stream\":\"s\",\"data\":\"1\",\"meta\":{\"exclude_socket\":\"\(sid)\"}}")
        bench.publish(2)
        #expect(sender.numbers == [2] && other.numbers == [1, 2])
        sender.close()
        other.close()
        expectEmpty(bench)
    }

    @Test("requests on one connection are served in order, also when they arrive together")
    func pipelined() throws {
        let bench = try CableBench()
        let client = bench.subscribed("s")
        let publisher = bench.connect()
        publisher.send((1...30).flatMap { CableBench.request("{\"stream\":\"s\",\"data\":\"\($0)\"}") })
        bench.run(for: .milliseconds(20))
        let answers = String(decoding: publisher.heard, as: UTF8.self).ranges(of: "HTTP/1.1 201 ").count
        #expect(answers == 30)
        #expect(client.numbers == Array(1...30))
        publisher.socket.close()
        client.close()
        expectEmpty(bench)
    }

    @Test("after unsubscribe nothing more of the stream arrives")
    func unsubscribe() throws {
        let bench = try CableBench()
        let clients = [bench.subscribed("s", "t"), bench.subscribed("s", "t", isTurbo: true)]
        bench.publish(1)
        for client in clients { client.subscribe("s", "unsubscribe") }
        bench.publish(2)
        bench.publish(3, to: "t")
        #expect(clients[0].numbers == [1, 3] && clients[1].news.count == 2)
        for client in clients { client.close() }
        expectEmpty(bench)
    }

    // MARK: Slow readers

    @Test("a client over max_queued_bytes is told and closed, and delays no other client and no publisher")
    func tooSlow() throws {
        for isTurbo in [false, true] {
            let bench = try CableBench { $0.cables[0].limits.maximumQueuedBytes = 20_000 }
            let slow = bench.open(isTurbo: isTurbo, capacity: 4096)
            slow.subscribe("s")
            let fast = bench.subscribed("s")
            slow.peer.isDeaf = true
            let padding = String(repeating: "x", count: 1000)
            for number in 1...40 {
                let began = bench.kernel.now()
                #expect(bench.post("{\"stream\":\"s\",\"data\":{\"n\":\(number),\"p\":\"\(padding)\"}}") == 201)
                #expect(bench.kernel.now() - began < .milliseconds(50))
                #expect(fast.news.last?.contains("\"n\":\(number),") == true)
            }
            #expect(bench.kernel.logged(.connectionAborted).count { $0.contains("reason=too_slow") } == 1)
            slow.peer.isDeaf = false
            for _ in 0..<100 {
                slow.peer.inspect(slow.peer.socket)
                bench.run(for: .milliseconds(5))
            }
            let words = isTurbo ? ["close 1013"] : [Self.tooSlow, "close 1013"]
            #expect(Array(slow.news.suffix(words.count)) == words)
            let kept = slow.news.dropLast(words.count)
            #expect(zip(kept, 1...).allSatisfy { $0.contains("\"n\":\($1),") }, "a message is missing in between")
            slow.close()
            fast.close()
            expectEmpty(bench)
        }
    }

    @Test("a client without progress for send_timeout is ended, and one with a little progress is not")
    func stalled() throws {
        let bench = try CableBench { $0.cables[0].limits.sendTimeout = .seconds(4) }
        let clients = (0..<2).map { _ in bench.open(capacity: 4096) }
        for client in clients {
            client.subscribe("s")
            client.peer.isDeaf = true
        }
        let padding = String(repeating: "x", count: 30_000)
        bench.post("{\"stream\":\"s\",\"data\":\"\(padding)\"}")
        for _ in 0..<6 {
            bench.run(for: .seconds(2))
            _ = clients[1].peer.socket.take(1500)
        }
        #expect(bench.kernel.logged(.connectionAborted).count { $0.contains("reason=stalled") } == 1)
        #expect(clients[0].peer.isClosed && !clients[1].peer.isClosed)
        clients[1].close()
        expectEmpty(bench)
    }

    // MARK: Clients that leave

    @Test("a close frame is answered with the same code, and a client without one is forgotten at once")
    func leaving() throws {
        for isTurbo in [false, true] {
            let bench = try CableBench()
            let polite = bench.subscribed("s", isTurbo: isTurbo)
            polite.send(FrameWriter.close(.goingAway, key: CableBench.mask))
            #expect(polite.news == ["close 1001"] && polite.peer.heardEndAt != nil)
            #expect(bench.machine()?.table.subscriptionCount == 0)
            polite.close()
            let abrupt = bench.subscribed("s", isTurbo: isTurbo)
            abrupt.close()
            let reset = bench.subscribed("s", isTurbo: isTurbo)
            reset.peer.socket.reset()
            bench.run(for: .milliseconds(5))
            let ended = bench.subscribed("s", isTurbo: isTurbo)
            ended.peer.socket.end()
            bench.run(for: .milliseconds(5))
            #expect(ended.peer.isClosed)
            expectEmpty(bench)
            #expect(bench.publish(1) == 201)
        }
    }

    @Test(
        "a frame that violates the protocol ends the connection with its code",
        arguments: [
            ([0x81, 0x02, 0x68, 0x69], 1002), ([0xc1, 0x80, 0, 0, 0, 0], 1002), ([0x83, 0x80, 0, 0, 0, 0], 1002),
            ([0x80, 0x80, 0, 0, 0, 0], 1002), ([0x88, 0x81, 0, 0, 0, 0, 1], 1002),
            ([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe], 1007), ([0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0], 1009),
        ] as [([UInt8], Int)])
    func violations(frame: [UInt8], code: Int) throws {
        let bench = try CableBench()
        let client = bench.subscribed("s")
        client.send(frame)
        #expect(client.news == ["close \(code)"] && client.peer.heardEndAt != nil)
        #expect(bench.kernel.logged(.connectionAborted).count == 1)
        // A client that does not end its side is closed after the close timeout.
        bench.run(for: Limits.closeTimeout + .milliseconds(100))
        #expect(client.peer.isClosed)
        expectEmpty(bench)
    }

    // MARK: Shutdown

    @Test("a shutdown tells all clients to reconnect, spread over close_jitter, and ends when they have left")
    func shutdown() throws {
        let bench = try CableBench { $0.closeJitter = .seconds(2) }
        let clients = (0..<40).map { bench.subscribed("s", isTurbo: $0.isMultiple(of: 4)) }
        let began = bench.kernel.now()
        bench.shutDown()
        bench.run(for: .seconds(10))
        #expect(bench.daemon.hasExited && bench.kernel.complaints == [])
        for (index, client) in clients.enumerated() {
            #expect(client.news == (index.isMultiple(of: 4) ? ["close 1001"] : [Self.restart, "close 1001"]))
        }
        let ends = clients.compactMap { $0.peer.heardEndAt.map { $0 - began } }.sorted()
        #expect(ends.count == 40 && ends.last! <= .milliseconds(2200))
        for quarter in 0..<4 {
            let part = ends.count { $0 > .milliseconds(500) * quarter && $0 <= .milliseconds(500) * (quarter + 1) }
            #expect((5...15).contains(part), "quarter \(quarter) has \(part)")
        }
    }

    @Test("a shutdown without close_jitter tells all clients at once")
    func shutdownAtOnce() throws {
        let bench = try CableBench()
        let clients = (0..<10).map { _ in bench.open() }
        bench.shutDown()
        bench.run(for: .milliseconds(200))
        #expect(clients.allSatisfy { $0.news == [Self.restart, "close 1001"] } && bench.daemon.hasExited)
        #expect(bench.kernel.complaints == [])
    }

    @Test("a client that does not read cannot hold up a shutdown longer than the close timeout")
    func shutdownWithSlowReader() throws {
        let bench = try CableBench()
        let slow = bench.open(capacity: 4096)
        slow.subscribe("s")
        slow.peer.isDeaf = true
        bench.post("{\"stream\":\"s\",\"data\":\"\(String(repeating: "x", count: 30_000))\"}")
        bench.shutDown()
        bench.run(for: Limits.closeTimeout + .milliseconds(200))
        #expect(bench.daemon.hasExited && bench.kernel.complaints == [])
    }

    @Test("a shutdown while a removed cable disconnects its clients leaves no descriptor open")
    func shutdownDuringRemoval() throws {
        for delay in [Duration.milliseconds(1), .milliseconds(300), .seconds(3)] {
            let bench = try CableBench(hasRedis: true) { $0.closeJitter = .seconds(1) }
            let clients = (0..<5).map { _ in bench.subscribed("s") }
            #expect(bench.publish(1) == 201)
            bench.reload { $0.cables = [try! CableBench.cable("other")] }
            bench.run(for: delay)
            bench.shutDown()
            bench.run(for: .seconds(20))
            #expect(bench.daemon.hasExited && bench.kernel.complaints == [])
            #expect(clients.allSatisfy { $0.news.suffix(2) == [Self.restart, "close 1001"] })
            #expect(sockets(bench) == 0, "\(delay)")
        }
    }

    @Test("a shutdown closes the connections to Redis, also that of publishers, which outlives the clients")
    func shutdownWithRedis() throws {
        for hasClient in [true, false] {
            let bench = try CableBench(hasRedis: true)
            let client = hasClient ? bench.subscribed("s") : nil
            #expect(bench.publish(1) == 201)
            #expect(bench.redis.connections.count == (hasClient ? 2 : 1))
            bench.shutDown()
            bench.run(for: .seconds(5))
            #expect(bench.daemon.hasExited && bench.kernel.complaints == [])
            #expect(client?.news.last ?? "close 1001" == "close 1001")
            #expect(sockets(bench) == 0)
        }
    }

    private func sockets(_ bench: CableBench) -> Int {
        bench.kernel.files.values.count { if case .socket = $0 { true } else { false } }
    }

    // MARK: Reloads

    @Test("clients of a removed cable are told to reconnect, and those of another notice nothing")
    func removal() throws {
        let bench = try CableBench { configuration in
            configuration.cables.append(try! CableBench.cable("old"))
            configuration.closeJitter = .seconds(1)
        }
        let stays = bench.subscribed("s")
        let leaving = (0..<8).map { bench.subscribed("s", to: "old", isTurbo: $0 % 2 == 1) }
        bench.reload { $0.cables.removeLast() }
        #expect(bench.publish(1, of: "old") == 404)
        bench.run(for: .milliseconds(1500))
        for (index, client) in leaving.enumerated() {
            #expect(client.news == (index % 2 == 1 ? ["close 1001"] : [Self.restart, "close 1001"]))
            client.close()
        }
        #expect(bench.server.cables.all.map(\.cable.name) == ["cable"])
        bench.publish(1)
        #expect(stays.numbers == [1])
        stays.close()
        expectEmpty(bench)
    }

    @Test("a message posted to a cable is not delivered to the clients of a cable that replaced it meanwhile")
    func replacement() throws {
        let request = CableBench.request("{\"stream\":\"s\",\"data\":\"1\"}")
        // The head has arrived when the configuration changes, or only a part of it.
        for count in [40, request.count - 5] {
            let bench = try CableBench()
            let publisher = bench.connect()
            publisher.send(Array(request[..<count]))
            bench.run(for: .milliseconds(5))
            bench.reload { $0.cables = [try! CableBench.cable("other")] }
            let client = bench.subscribed("s", to: "other")
            #expect(client.confirmations(of: "s") == 1)
            publisher.send(Array(request[count...]))
            bench.run(for: .milliseconds(5))
            #expect(String(decoding: publisher.heard, as: UTF8.self).hasPrefix("HTTP/1.1 404 "))
            #expect(client.numbers == [])
            publisher.socket.close()
            client.close()
            expectEmpty(bench)
        }
    }

    @Test("a connection to the listener of a removed cable does not reach the cable that takes its number")
    func replacedListener() throws {
        let address = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3002)
        let bench = try CableBench { $0.cables[0].broadcast?.listen = .address(address) }
        let publisher = bench.connect(to: address)
        publisher.send(CableBench.request("{\"stream\":\"s\",\"data\":\"1\"}"))
        bench.run(for: .milliseconds(5))
        #expect(String(decoding: publisher.heard, as: UTF8.self).hasPrefix("HTTP/1.1 201 "))
        bench.reload { $0.cables = [try! CableBench.cable("other")] }
        let client = bench.subscribed("s", to: "other")
        let before = publisher.heard.count
        publisher.send(CableBench.request("{\"stream\":\"s\",\"data\":\"2\"}"))
        bench.run(for: .milliseconds(5))
        #expect(client.numbers == [])
        #expect(!String(decoding: publisher.heard.dropFirst(before), as: UTF8.self).contains(" 201 "))
        publisher.socket.close()
        client.close()
        bench.run(for: .milliseconds(5))
        #expect(bench.server.sessions.count == 0 && bench.daemon.proxy.connectionCount == 0)
        #expect(bench.kernel.complaints == [])
    }

    @Test("a client whose cable is replaced in the same turn as its request is not given to the new cable")
    func replacementWhileOpening() throws {
        for offset in 0..<60 {
            let bench = try CableBench(seed: UInt64(offset + 1)) { $0.cables[0].origins = .listed([.any]) }
            bench.configuration.cables = [try CableBench.cable("other")]
            let peer = bench.connect()
            bench.kernel.scenario(after: .microseconds(8) + .microseconds(offset) / 2) {
                peer.send(
                    CableBench.upgrade()
                        + FrameWriter.text(
                            CableBench.command("subscribe", "s", isTurbo: false), key: CableBench.mask))
            }
            bench.reload { _ in }
            let client = CableBench.Client(peer, bench, isTurbo: false)
            bench.publish(1, of: "other")
            #expect(client.numbers == [], "\(offset)")
            #expect([nil, 101, 404].contains(client.status), "\(offset)")
            if client.status == 101 { #expect(client.news.last == "close 1001", "\(offset)") }
            client.close()
            expectEmpty(bench)
        }
    }

    @Test("a refused client of a removed cable does not count for the cable that takes its number")
    func countAfterReplacement() throws {
        let bench = try guarded()
        let refused = bench.open()
        #expect(refused.status == 101)
        bench.reload { configuration in
            configuration.cables = [try! CableBench.cable("other")]
            configuration.cables[0].limits.maximumConnections = 1
        }
        let client = bench.open("other")
        #expect(client.status == 101)
        refused.close()
        let second = bench.open("other")
        #expect(second.status == 503)
        second.close()
        client.close()
        expectEmpty(bench)
    }

    @Test("new limits, streams and ping intervals apply to present clients, whose subscriptions stay")
    func changes() throws {
        let bench = try CableBench { $0.cables[0].pingInterval = .seconds(3) }
        let clients = [bench.subscribed("s"), bench.subscribed("s", isTurbo: true)]
        bench.reload { configuration in
            configuration.cables[0].pingInterval = .seconds(1)
            configuration.cables[0].streams.publicStreams = .none
            configuration.cables[0].limits.maximumSubscriptions = 1
        }
        bench.publish(1)
        #expect(clients[0].numbers == [1] && clients[1].news.count == 1)
        for client in clients { client.subscribe("t") }
        #expect(clients[0].news.last?.contains("\"type\":\"reject_subscription\"") == true)
        #expect(clients[1].confirmations(of: "t") == 0)
        bench.run(for: .seconds(10))
        #expect((9...11).contains(clients[0].pings))
        for client in clients { client.close() }
        expectEmpty(bench)
    }

    @Test("a cable that is disabled tells its clients to reconnect and answers 503, until it is enabled again")
    func disabling() throws {
        let bench = try CableBench()
        let client = bench.subscribed("s")
        bench.reload { $0.cables[0].enabled = false }
        #expect(client.news == [Self.restart, "close 1001"])
        client.close()
        let refused = bench.open()
        #expect(refused.status == 503 && bench.publish(1) == 503)
        refused.close()
        bench.reload { $0.cables[0].enabled = true }
        let next = bench.subscribed("s")
        bench.publish(2)
        #expect(next.numbers == [2])
        next.close()
        expectEmpty(bench)
    }

    // MARK: Redis

    @Test("a subscription is confirmed when Redis has acknowledged it, and a post comes back once")
    func throughRedis() throws {
        let bench = try CableBench(hasRedis: true)
        #expect(bench.redis.connections.isEmpty)
        let clients = [bench.subscribed("s"), bench.subscribed("s", isTurbo: true)]
        #expect(clients.allSatisfy { $0.confirmations(of: "s") == 1 })
        for number in 1...10 { #expect(bench.publish(number) == 201) }
        bench.redis.publish("s", "11")
        bench.redis.publish("__anycable__", "{\"stream\":\"s\",\"data\":\"12\"}")
        bench.redis.publish("t", "0")
        bench.run(for: .milliseconds(5))
        #expect(clients[0].numbers == Array(1...12))
        #expect(clients[1].news.count == 12)
        #expect(bench.redis.published.filter { $0.channel == "s" }.map(\.text) == (1...11).map { "\($0)" })
        for client in clients { client.close() }
        bench.run(for: Limits.redisLinger + .seconds(1))
        #expect(bench.redis.connections.isEmpty)
        expectEmpty(bench)
    }

    @Test("no subscription is confirmed before Redis has acknowledged it")
    func pending() throws {
        let bench = try CableBench(hasRedis: true)
        let first = bench.subscribed("s")
        bench.redis.freeze()
        let second = bench.subscribed("t", "s")
        #expect(first.confirmations(of: "s") == 1)
        #expect(second.confirmations(of: "t") == 0 && second.confirmations(of: "s") == 1)
        bench.redis.thaw()
        bench.run(for: .milliseconds(5))
        #expect(second.confirmations(of: "t") == 1)
        first.close()
        second.close()
        bench.run(for: .seconds(20))
        expectEmpty(bench)
    }

    @Test("while Redis is away posts are delivered here, and when it is back every subscriber is told of the gap")
    func away() throws {
        let bench = try CableBench(hasRedis: true)
        let before = [bench.subscribed("s"), bench.subscribed("s", isTurbo: true)]
        let unsubscribed = bench.open()
        bench.redis.crash()
        bench.run(for: .milliseconds(50))
        let meanwhile = bench.subscribed("s")
        #expect(meanwhile.confirmations(of: "s") == 1)
        bench.publish(1)
        #expect(before[0].numbers == [1] && meanwhile.numbers == [1])
        bench.redis.start()
        bench.run(for: Limits.redisRetryLongest + .seconds(1))
        for client in [before[0], meanwhile] { #expect(client.news.suffix(2) == [Self.restart, "close 1012"]) }
        #expect(before[1].news.last == "close 1012")
        #expect(unsubscribed.news == [])
        let after = bench.subscribed("s")
        bench.publish(2)
        #expect(after.numbers == [2])
        #expect(bench.kernel.logged(.redisUnreachable).count == 1)
        #expect(bench.kernel.logged(.redisConnected).count == 1)
        for client in before + [meanwhile, unsubscribed, after] { client.close() }
        bench.run(for: .seconds(20))
        expectEmpty(bench)
    }

    @Test("a Redis that does not answer is given up after two timeouts, and its return is a gap")
    func frozen() throws {
        let bench = try CableBench(hasRedis: true)
        let client = bench.subscribed("s")
        bench.redis.freeze()
        bench.run(for: Limits.redisLookInterval + Limits.redisTimeout + .seconds(1))
        #expect(bench.kernel.logged(.redisUnreachable).count == 1)
        #expect(client.news == [])
        bench.redis.thaw()
        bench.run(for: .seconds(15))
        #expect(client.news == [Self.restart, "close 1012"])
        client.close()
        bench.run(for: .seconds(20))
        expectEmpty(bench)
    }

    @Test("a loss of either connection alone is a gap where a message may be missing")
    func oneConnection() throws {
        let listening = try CableBench(hasRedis: true)
        let first = listening.subscribed("s")
        listening.redis.cut(listening.redis.listeningConnection)
        listening.run(for: .seconds(1))
        #expect(first.news == [Self.restart, "close 1012"])
        let publishing = try CableBench(hasRedis: true)
        let second = publishing.subscribed("s")
        publishing.redis.cut(publishing.redis.publishingConnection)
        publishing.run(for: .seconds(1))
        // Nothing was on its way.
        #expect(second.news == [])
        publishing.publish(1)
        #expect(second.numbers == [1])
        for (bench, client) in [(listening, first), (publishing, second)] {
            client.close()
            bench.run(for: .seconds(20))
            expectEmpty(bench)
        }
    }

    @Test("the last client may leave in the moment in which Redis goes away")
    func lastClientAndLoss() throws {
        for crashesFirst in [false, true] {
            let bench = try CableBench(hasRedis: true)
            let client = bench.subscribed("s")
            if crashesFirst { bench.redis.crash() }
            client.peer.socket.close()
            bench.redis.crash()
            bench.run(for: .seconds(20))
            expectEmpty(bench)
            bench.redis.start()
            let next = bench.subscribed("s")
            bench.publish(1)
            #expect(next.numbers == [1])
            next.close()
            bench.run(for: .seconds(20))
            expectEmpty(bench)
        }
    }

    @Test("a cable with another Redis prefix disconnects its clients, and the next ones use the new names")
    func prefix() throws {
        let bench = try CableBench(hasRedis: true)
        let before = bench.subscribed("s")
        bench.reload { $0.cables[0].redis?.channelPrefix = "app" }
        #expect(before.news == [Self.restart, "close 1001"])
        let after = bench.subscribed("s")
        bench.redis.publish("s", "1")
        bench.redis.publish("app:s", "2")
        bench.publish(3)
        #expect(after.numbers == [2, 3] && bench.redis.published.last?.channel == "app:s")
        before.close()
        after.close()
        bench.run(for: .seconds(20))
        expectEmpty(bench)
        #expect(bench.redis.connections.isEmpty)
    }

    @Test("a wrong password is reported once, and clients are served meanwhile")
    func password() throws {
        let bench = try CableBench(hasRedis: true) { configuration in
            configuration.cables[0].redis?.url = try! RedisURL("redis://:wrong@127.0.0.1:6379")
        }
        bench.redis.password = "right"
        let client = bench.subscribed("s")
        bench.run(for: .seconds(20))
        #expect(client.confirmations(of: "s") == 1)
        bench.publish(1)
        #expect(client.numbers == [1])
        #expect(bench.kernel.logged(.redisRefused).count == 1)
        client.close()
        bench.run(for: .seconds(20))
        expectEmpty(bench)
    }

    @Test("a message from Redis that is no JSON is counted and reaches no client")
    func noJSON() throws {
        let bench = try CableBench(hasRedis: true)
        let client = bench.subscribed("s")
        for text in ["", "{", "hello"] { bench.redis.publish("s", text) }
        bench.redis.publish("__anycable__", "{\"data\":\"1\"}")
        bench.redis.publish("s", " 1 ")
        bench.run(for: .milliseconds(5))
        #expect(client.news.count == 1)
        #expect(bench.daemon.snapshot().cables.first?.refusedPublications == 4)
        client.close()
        bench.run(for: .seconds(20))
        expectEmpty(bench)
    }

    // MARK: Churn

    @Test("stable clients miss nothing while 10,000 others connect, subscribe and leave in every way")
    func churn() throws {
        let bench = try CableBench()
        var dice = Seeded(seed: 4)
        let stable = [bench.subscribed("s"), bench.subscribed("s", isTurbo: true)]
        var published = 0
        var passing: [(peer: DaemonBench.Peer, end: Int)] = []
        let frames = [false, true].map {
            FrameWriter.text(CableBench.command("subscribe", "s", isTurbo: $0), key: CableBench.mask)
        }
        for _ in 0..<2000 {
            for _ in 0..<5 {
                let kind = dice.below(2)
                let peer = bench.connect()
                peer.isDeaf = true
                let bytes = CableBench.upgrade(isTurbo: kind == 1) + frames[kind]
                // Some leave before their request is complete.
                peer.send(dice.chance(10) ? Array(bytes.prefix(dice.below(bytes.count))) : bytes)
                passing.append((peer, dice.below(3)))
            }
            published += 1
            let publisher = bench.connect()
            publisher.send(CableBench.request("{\"stream\":\"s\",\"data\":\"\(published)\"}"))
            bench.run(for: .microseconds(100 + dice.below(400)))
            while passing.count > 12 {
                let (peer, end) = passing.remove(at: dice.below(passing.count))
                switch end {
                case 0: peer.socket.close()
                case 1: peer.socket.reset()
                default: peer.send(FrameWriter.close(.normal, key: CableBench.mask))
                }
                if end == 2 { bench.run(for: .microseconds(20)) }
                peer.socket.close()
            }
            publisher.socket.close()
        }
        for (peer, _) in passing { peer.socket.close() }
        bench.run(for: .milliseconds(50))
        #expect(published == 2000)
        #expect(stable[0].numbers == Array(1...published))
        #expect(stable[1].news.count == published)
        for client in stable { client.close() }
        // Memory is trimmed once, after so many.
        bench.run(for: Limits.memoryTrimPause + .milliseconds(50))
        expectEmpty(bench)
    }
}
