import Testing

@testable import OnDemand

struct CableMachineTests {
    private let chat = CableHarness.identifier("chat")

    @Test("a client gets a welcome with its sid and a confirmation, and then each broadcast")
    func conversation() {
        var cable = CableHarness()
        let client = cable.open()
        cable.subscribe(client, to: "chat")
        cable.broadcast("{\"a\":1.50}", to: "chat")
        cable.deliverAll()
        let sid = SIDSecret(high: 1, low: 7).sid(of: client)
        #expect(
            cable.texts(client) == [
                "{\"type\":\"welcome\",\"sid\":\"\(sid)\"}",
                "{\"identifier\":\(chat),\"type\":\"confirm_subscription\"}",
                "{\"identifier\":\(chat),\"message\":{\"a\":1.50}}",
            ])
        #expect(cable.machine.takeActions() == [.listen(Array("chat".utf8))])
        #expect(cable.machine.client(withSID: Array(sid.utf8)) == client)
        #expect(cable.machine.client(withSID: Array(SIDSecret(high: 2, low: 7).sid(of: client).utf8)) == nil)
    }

    @Test("a client that is ended while its 101 is sent in part gets the rest of it, and whole frames")
    func endedDuringResponse() {
        let response = UpgradeResponse.accepting(key: "dGhlIHNhbXBsZSBub25jZQ==")
        for cableProtocol in CableProtocol.allCases {
            for room in 0...response.count + 80 {
                var cable = CableHarness()
                cable.sockets.sockets[1] = .init(room: room)
                let client = cable.machine.open(
                    1, cableProtocol, secret: SIDSecret(high: 1, low: 7), response: response, at: cable.now,
                    &cable.sockets)
                _ = cable.machine.endNext(1, .serverRestart, at: cable.now, &cable.sockets)
                cable.machine.endStalled(at: cable.now, &cable.sockets)
                cable.sockets.sockets[1]?.room = .max
                cable.machine.writable(client, at: cable.now, &cable.sockets)
                let received = cable.sockets.sockets[1]?.received ?? []
                #expect(received.starts(with: response), "\(cableProtocol), \(room)")
                let texts = FrameTexts.all(in: Array(received.dropFirst(response.count)))
                #expect(texts.last == "close 1001", "\(cableProtocol), \(room)")
            }
            for room in 0...response.count + 80 {
                // Too slow: only the rest of what has begun, and the reason.
                var cable = CableHarness { $0.maximumQueuedBytes = 0 }
                cable.sockets.sockets[1] = .init(room: room)
                let client = cable.machine.open(
                    1, cableProtocol, secret: SIDSecret(high: 1, low: 7), response: response, at: cable.now,
                    &cable.sockets)
                cable.subscribe(client, to: "chat")
                cable.broadcast("1", to: "chat")
                cable.deliverAll()
                cable.sockets.sockets[1]?.room = .max
                cable.machine.writable(client, at: cable.now, &cable.sockets)
                let received = cable.sockets.sockets[1]?.received ?? []
                #expect(received.starts(with: response), "\(cableProtocol), \(room)")
                let texts = FrameTexts.all(in: Array(received.dropFirst(response.count)))
                #expect(texts.last == "close 1013", "\(cableProtocol), \(room)")
            }
        }
    }

    @Test("a duplicate subscription is confirmed again and delivered once, also where it is written with other escapes")
    func duplicate() {
        var cable = CableHarness()
        let client = cable.open()
        cable.subscribe(client, to: "chat")
        cable.subscribe(client, to: "chat")
        let escaped = chat.replacing("channel", with: "\\\\u0063hannel".replacing("\\\\", with: "\\"))
        cable.receive("{\"command\":\"subscribe\",\"identifier\":\(escaped)}", from: client)
        cable.broadcast("1", to: "chat")
        cable.deliverAll()
        #expect(cable.texts(client).count == 5 && cable.texts(client).filter { $0.contains("confirm") }.count == 3)
        cable.receive("{\"command\":\"unsubscribe\",\"identifier\":\(escaped)}", from: client)
        #expect(cable.machine.table.subscriptionCount == 0)
    }

    @Test("a TurboCable client gets a confirmation per request, no welcome, and each broadcast once")
    func turbo() {
        var cable = CableHarness()
        let client = cable.open(.turboCable)
        cable.subscribe(client, to: "chat")
        cable.subscribe(client, to: "chat")
        cable.broadcast("\"x\"", to: "chat")
        cable.deliverAll()
        let confirmed = "{\"type\":\"subscribed\",\"stream\":\"chat\"}"
        #expect(
            cable.texts(client) == [confirmed, confirmed, "{\"type\":\"message\",\"stream\":\"chat\",\"data\":\"x\"}"])
        cable.subscribe(client, to: "chat", command: "unsubscribe")
        cable.broadcast("2", to: "chat")
        cable.deliverAll()
        #expect(cable.texts(client).count == 3 && cable.machine.counters.unheard == 1)
    }

    @Test("malformed messages and unknown commands are counted and never end the connection")
    func nonsense() {
        var cable = CableHarness()
        let client = cable.open()
        for text in ["{", "{\"command\":\"dance\"}", "{\"command\":\"message\",\"identifier\":\"x\",\"data\":\"{}\"}"] {
            cable.receive(text, from: client)
        }
        cable.receive(FrameWriter.binary([1], key: cable.key), from: client)
        for reason in [IgnoredReason.malformed, .unknownCommand, .notSubscribed, .binary] {
            #expect(cable.machine.counters.count(of: reason) == 1)
        }
        cable.subscribe(client, to: "chat")
        #expect(cable.texts(client).count == 2 && cable.machine.takeActions().count == 1)
    }

    @Test("subscriptions over the limit are rejected, and an unsubscribe frees one")
    func maximum() {
        var cable = CableHarness { $0.maximumSubscriptions = 2 }
        let client = cable.open()
        for stream in ["a", "b", "c"] { cable.subscribe(client, to: stream) }
        #expect(cable.texts(client).last?.contains("reject_subscription") == true)
        cable.subscribe(client, to: "a", command: "unsubscribe")
        cable.subscribe(client, to: "c")
        #expect(cable.texts(client).last?.contains("confirm_subscription") == true)
    }

    @Test("an identifier above the length limit of signed names is rejected, because the cable would store it")
    func longIdentifier() {
        var cable = CableHarness()
        let client = cable.open()
        cable.subscribe(
            client, to: "chat\\\",\\\"x\\\":\\\"" + String(repeating: "x", count: Limits.cableIdentifierBytes))
        #expect(cable.machine.counters.count(of: .identifierTooLong) == 1 && cable.machine.table.subscriptionCount == 0)
        #expect(cable.texts(client).last?.hasSuffix("reject_subscription\"}") == true)
    }

    @Test("a rejected client gets the reason and reconnect false, and is closed")
    func refusal() {
        #expect(
            FrameTexts.all(in: ActionCableFrame.refusal(.tokenExpired)) == [
                "{\"type\":\"disconnect\",\"reason\":\"token_expired\",\"reconnect\":false}", "close 1000",
            ])
    }

    @Test("a broadcast request becomes parsed content for Action Cable and the posted data for TurboCable")
    func messages() throws {
        let body = Array(#"{"stream":"chat","data":"{\"a\":1.50}"}"#.utf8)
        guard case .publish(let broadcasts) = try BroadcastRequest.read(body.span) else {
            Issue.record("not a message")
            return
        }
        let message = StreamMessage(try #require(broadcasts.first), in: body.span)
        #expect(message.message == Array(#"{"a":1.50}"#.utf8))
        #expect(message.data == Array(#""{\"a\":1.50}""#.utf8))
        #expect(StreamMessage(published: Array("{".utf8)) == nil)
        #expect(StreamMessage(published: Array("1".utf8)) == StreamMessage(message: [0x31], data: [0x31]))
    }

    @Test("a WebSocket error gets its close code at once, and nothing after it has an effect")
    func violation() {
        var cable = CableHarness()
        let client = cable.open()
        cable.receive(FrameWriter.text("unmasked") + FrameWriter.text("x", key: cable.key), from: client)
        #expect(cable.texts(client).last == "close 1002")
        let connection = cable.connection(of: client)
        #expect(
            cable.machine.takeActions() == [
                .end(connection: connection, .violation(.frame(.unmaskedFromClient))), .flushed(connection: connection),
            ])
        cable.subscribe(client, to: "chat")
        #expect(cable.machine.takeActions() == [] && cable.texts(client).count == 2)
        cable.machine.leave(client)
        #expect(cable.machine.clientCount == 0 && cable.machine.deadline == nil)
    }

    @Test("changes of the ping interval make no client wait longer than the longest interval", arguments: 0..<40)
    func changedInterval(seed: Int) {
        var random = Seeded(seed: UInt64(seed))
        var cable = CableHarness()
        let intervals: [Duration] = [.seconds(5), .milliseconds(4900), .seconds(3), .milliseconds(700)]
        var last: [UInt32: (bytes: Int, pings: Int, at: Instant)] = [:]
        let end = cable.now + .seconds(60)
        var change = cable.now + .seconds(8)
        cable.machine.update(cable.machine.rules, pingInterval: intervals[0], at: cable.now)
        for _ in 0..<30 { last[cable.open()] = (0, 0, cable.now) }
        while let deadline = cable.machine.deadline, deadline < end {
            cable.now = min(deadline, change)
            if cable.now == change {
                let interval = random.one(of: intervals)
                cable.machine.update(cable.machine.rules, pingInterval: interval, at: cable.now)
                change = change + random.duration(.milliseconds(1) ... .seconds(7))
                last[cable.open()] = (0, 0, cable.now)
            }
            cable.machine.ping(at: cable.now, unixSeconds: 0, &cable.sockets)
            for (client, (known, pings, at)) in last {
                #expect(cable.now - at <= .milliseconds(5001), "client \(client)")
                let bytes = cable.byteCount(of: client)
                guard bytes > known else { continue }
                let count = cable.texts(client).count { $0.contains("ping") }
                last[client] = (bytes, count, count > pings ? cable.now : at)
            }
        }
        #expect(last.values.contains { $0.pings > 12 })
        for client in last.keys { cable.machine.leave(client) }
        #expect(cable.machine.deadline == nil && cable.machine.formerPings == nil)
    }

    @Test("subscriptions of the backend that the cable delivers while it sleeps do not count twice")
    func relayedSubscriptions() {
        var cable = CableHarness(hasBackend: true) { $0.maximumSubscriptions = 2 }
        let client = cable.open()
        for number in 0..<3 {
            cable.machine.beginDelivery(to: client, Array("\"b\(number)\"".utf8), [[1, UInt8(number)]])
        }
        for stream in ["s", "t", "u"] { cable.subscribe(client, to: stream) }
        let answers = cable.texts(client).dropFirst().map { $0.contains("confirm_subscription") }
        #expect(answers == [true, true, false])
    }

    @Test("pings and closes of a client get a response, also in one read with a subscription")
    func controlFrames() {
        var cable = CableHarness()
        let client = cable.open()
        let subscribe = FrameWriter.text("{\"command\":\"subscribe\",\"identifier\":\(chat)}", key: cable.key)
        let sends = cable.sockets.sends
        cable.receive(
            FrameWriter.ping([1], key: cable.key) + subscribe + FrameWriter.close(.goingAway, key: cable.key),
            from: client)
        #expect(cable.texts(client)[1] == "pong" && cable.texts(client)[3] == "close 1001")
        #expect(cable.sockets.sends == sends + 2, "all replies leave in one write, and then the close frame")
    }

    @Test("a client that does not read is closed as too slow, and delays no other")
    func tooSlow() {
        var cable = CableHarness { $0.maximumQueuedBytes = 500 }
        let (slow, other) = (cable.open(), cable.open())
        for client in [slow, other] { cable.subscribe(client, to: "chat") }
        let connection = cable.connection(of: slow)
        cable.sockets.sockets[connection]?.room = 40
        for number in 0..<20 {
            cable.broadcast("\(number)", to: "chat")
            cable.deliverAll()
        }
        #expect(cable.texts(other).count == 22)
        #expect(cable.machine.takeActions().contains(.end(connection: connection, .tooSlow)))
        cable.sockets.sockets[connection]?.room = .max
        cable.machine.writable(slow, at: cable.now, &cable.sockets)
        let last = cable.texts(slow).suffix(3)
        #expect(last.first == "{\"identifier\":\(chat),\"message\":0}", "the frame that was sent in part is finished")
        #expect(last.dropFirst().first == "{\"type\":\"disconnect\",\"reason\":\"too_slow\",\"reconnect\":true}")
        #expect(last.last == "close 1013" && cable.machine.takeActions() == [.flushed(connection: connection)])
    }

    @Test("a client whose socket accepts nothing for the send timeout is closed")
    func stalled() {
        var cable = CableHarness()
        let client = cable.open()
        cable.subscribe(client, to: "chat")
        cable.sockets.sockets[cable.connection(of: client)]?.room = 0
        cable.broadcast("1", to: "chat")
        cable.deliverAll()
        cable.now = cable.now + .seconds(9)
        cable.machine.endStalled(at: cable.now, &cable.sockets)
        #expect(!cable.machine.takeActions().contains(.end(connection: 1, .stalled)))
        cable.now = cable.now + .seconds(1)
        cable.machine.endStalled(at: cable.now, &cable.sockets)
        #expect(cable.machine.takeActions().contains(.end(connection: 1, .stalled)))
    }

    @Test("a client whose socket fails in a fan-out is aborted, and the others get the message")
    func broken() {
        var cable = CableHarness()
        let clients = (0..<3).map { _ in cable.open() }
        for client in clients { cable.subscribe(client, to: "chat") }
        _ = cable.machine.takeActions()
        cable.sockets.sockets[2]?.isBroken = true
        cable.broadcast("1", to: "chat")
        cable.deliverAll()
        #expect(cable.machine.takeActions() == [.abort(connection: 2, .connectionLost)])
        #expect(cable.texts(clients[0]).count == 3 && cable.texts(clients[2]).count == 3)
    }

    @Test("with a source a subscription is confirmed when the source confirms its stream, and once")
    func source() {
        var cable = CableHarness(hasSource: true)
        let client = cable.open()
        cable.subscribe(client, to: "chat")
        cable.subscribe(client, to: "chat")
        #expect(cable.texts(client).count == 1)
        cable.machine.sourceConfirmed(Array("chat".utf8), at: cable.now, &cable.sockets)
        cable.machine.sourceConfirmed(Array("chat".utf8), at: cable.now, &cable.sockets)
        #expect(cable.texts(client).count == 2)
        let other = cable.open()
        cable.subscribe(other, to: "chat")
        #expect(cable.texts(other).count == 2, "the stream is live already")
    }

    @Test("subscriptions are confirmed without the source, and after a gap their clients get a reconnect")
    func gap() {
        var cable = CableHarness(hasSource: true)
        let (client, turbo) = (cable.open(), cable.open(.turboCable))
        cable.subscribe(client, to: "chat")
        cable.machine.sourceLost(at: cable.now, &cable.sockets)
        cable.subscribe(turbo, to: "chat")
        #expect(cable.texts(client).count == 2 && cable.texts(turbo).count == 1)
        cable.machine.sourceReturned()
        cable.machine.gap(in: Array("chat".utf8), at: cable.now, &cable.sockets)
        #expect(
            cable.texts(client).suffix(2) == [
                "{\"type\":\"disconnect\",\"reason\":\"server_restart\",\"reconnect\":true}", "close 1012",
            ])
        #expect(cable.texts(turbo).last == "close 1012")
    }

    @Test("a client is disconnected by the identifiers of its token, and no other")
    func remote() {
        var cable = CableHarness()
        let (first, second, third) = (cable.open(identifiers: "u1"), cable.open(identifiers: "u2"), cable.open())
        cable.machine.disconnect(Array("u1".utf8), reconnect: false, at: cable.now, &cable.sockets)
        cable.machine.disconnect(Array("u3".utf8), reconnect: false, at: cable.now, &cable.sockets)
        #expect(
            cable.texts(first).suffix(2) == [
                "{\"type\":\"disconnect\",\"reason\":\"remote\",\"reconnect\":false}", "close 1000",
            ])
        #expect(cable.texts(second).count == 1 && cable.texts(third).count == 1)
    }

    @Test("a shutdown ends clients in parts, lowest number first, each with a restart notice and 1001")
    func shutdown() {
        var cable = CableHarness()
        let clients = (0..<5).map { cable.open($0 == 4 ? .turboCable : .actionCable) }
        #expect(cable.machine.endNext(2, .serverRestart, at: cable.now, &cable.sockets) == 3)
        #expect(cable.texts(clients[1]).last == "close 1001" && cable.texts(clients[2]).count == 1)
        #expect(cable.machine.endNext(9, .serverRestart, at: cable.now, &cable.sockets) == 0)
        #expect(cable.texts(clients[3]).count == 3 && cable.texts(clients[4]) == ["close 1001"])
    }

    @Test("an excluded sid does not get a broadcast, and a forged one excludes no client")
    func excluded() {
        var cable = CableHarness()
        let (first, second) = (cable.open(), cable.open())
        for client in [first, second] { cable.subscribe(client, to: "chat") }
        cable.broadcast("1", to: "chat", excluding: SIDSecret(high: 1, low: 7).sid(of: first))
        cable.broadcast("2", to: "chat", excluding: SIDSecret(high: 1, low: 8).sid(of: first))
        cable.deliverAll()
        #expect(cable.texts(first).count == 3 && cable.texts(second).count == 4)
    }

    @Test(
        "every Action Cable client gets a ping every 3 s, and a silent TurboCable client is closed after 60 s"
    )
    func time() {
        var cable = CableHarness()
        let clients = (0..<30).map { _ in cable.open() }
        let (turbo, silent) = (cable.open(.turboCable), cable.open(.turboCable))
        var wakeUps = 0
        while let deadline = cable.machine.deadline, deadline < Instant(nanoseconds: 91_000_000_000) {
            cable.now = deadline
            wakeUps += 1
            cable.machine.ping(at: cable.now, unixSeconds: 1_700_000_000, &cable.sockets)
            if wakeUps % 40 == 0 { cable.receive("{\"type\":\"pong\"}", from: turbo) }
        }
        for client in clients { #expect((29...30).contains(cable.texts(client).count - 1)) }
        #expect(cable.texts(clients[0])[1] == "{\"type\":\"ping\",\"message\":1700000000}")
        #expect(cable.texts(turbo).allSatisfy { $0 == "{\"type\":\"ping\"}" } && cable.texts(turbo).count == 3)
        #expect(cable.texts(silent).last == "close 1001" && cable.texts(silent).count <= 3)
        #expect(wakeUps <= 90 * 9)
    }

    @Test("a subscription that the backend must decide is forwarded unchanged, and rejected without a backend")
    func forwarded() {
        let text = "{\"command\":\"subscribe\",\"identifier\":\"{\\\"channel\\\":\\\"ChatChannel\\\"}\"}"
        var cable = CableHarness(hasBackend: true)
        let client = cable.open()
        cable.receive(text, from: client)
        #expect(cable.machine.takeActions() == [.forward(connection: 1, Array(text.utf8))])
        var alone = CableHarness()
        let other = alone.open()
        alone.receive(text, from: other)
        #expect(alone.texts(other).last?.contains("reject_subscription") == true)
        #expect(alone.machine.counters.count(of: .unknownChannel) == 1)
    }
}
