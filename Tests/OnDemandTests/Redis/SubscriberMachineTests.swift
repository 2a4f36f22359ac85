import Testing

@testable import OnDemand

struct SubscriberMachineTests {
    private func walk(_ here: SubscriberWalk, depth: Int, _ count: inout Int) -> (moves: [SubscriberWalk.Move], String)?
    {
        if let localReply = here.localReply { return ([], localReply) }
        guard depth > 0 else {
            count += 1
            var end = here
            end.finish()
            return end.localReply.map { ([], $0) }
        }
        for move in here.moves {
            var next = here
            next.make(move)
            if let (moves, localReply) = walk(next, depth: depth - 1, &count) { return ([move] + moves, localReply) }
        }
        return nil
    }

    /// Listening to a stream that is confirmed, with both links ready.
    private static let confirmed: [SubscriberWalk.Move] = [
        .listen(0), .accept(.listening), .serve(.listening), .hear(.listening), .serve(.listening), .hear(.listening),
        .accept(.publishing), .serve(.publishing), .hear(.publishing),
    ]
    /// The same after the listening link was lost, and while it is tried again.
    private static let away = confirmed + [.lose(.listening), .fire(.retry(.listening))]

    @Test(
        "no sequence of events loses a message silently, delivers one twice or waits endlessly",
        arguments: [([], "a new machine"), (confirmed, "a confirmed stream"), (away, "an outage")], [false, true])
    func everyWay(_ beginning: (moves: [SubscriberWalk.Move], name: String), hasPattern: Bool) {
        var count = 0
        var here = SubscriberWalk(hasPattern: hasPattern)
        for move in beginning.moves { here.make(move) }
        let failure = walk(here, depth: hasPattern ? 4 : 5, &count)
        #expect(failure == nil, "\(beginning.name): \(String(describing: failure))")
        #expect(count > 300)
    }

    @Test("no long random sequence does so either", arguments: 0..<10)
    func random(block: Int) {
        for seed in block * 100..<block * 100 + 100 {
            var random = Seeded(seed: UInt64(seed))
            var settings = SubscriberMachine.Settings()
            if seed % 2 == 1 { settings = .init(password: [0x70], database: 3, prefix: Array("app".utf8)) }
            var walk = SubscriberWalk(settings: settings, hasPattern: seed % 4 > 1)
            var moves: [SubscriberWalk.Move] = []
            for _ in 0..<(10 + random.below(90)) where walk.localReply == nil {
                moves.append(random.one(of: walk.moves))
                walk.make(moves[moves.count - 1])
            }
            if walk.localReply == nil { walk.finish() }
            guard walk.localReply == nil else {
                Issue.record("seed \(seed): \(walk.localReply ?? "") after \(moves)")
                return
            }
        }
    }

    private let start = Instant(nanoseconds: 0)
    private let chat = Array("chat".utf8)

    private func sent(_ actions: [SubscriberMachine.Action], _ connection: SubscriberMachine.Connection) -> [[String]] {
        actions.compactMap { action in
            guard case .send(connection, let bytes) = action else { return nil }
            return SubscriberWalk.decoded(bytes)
        }
    }

    private func ok(_ machine: inout SubscriberMachine, _ connection: SubscriberMachine.Connection, _ count: Int)
        -> [SubscriberMachine.Action]
    {
        (0..<count).flatMap { _ in
            machine.apply(.reply(connection, .status(Array("OK".utf8))), at: start, jitter: 0)
        }
    }

    @Test("a connection logs in, selects its database, and subscribes with the prefix and to AnyCable's channel")
    func greeting() {
        var machine = SubscriberMachine(
            settings: .init(
                user: Array("u".utf8), password: Array("p".utf8), database: 2, prefix: Array("app".utf8)))
        let first = machine.apply(.listen(chat), at: start, jitter: 0)
        #expect(first.contains(.connect(.listening)) && first.contains(.connect(.publishing)))
        let greeting = machine.apply(.connected(.listening), at: start, jitter: 0)
        #expect(sent(greeting, .listening) == [["AUTH", "u", "p"], ["SELECT", "2"], ["PING"]])
        let ready = ok(&machine, .listening, 3)
        #expect(sent(ready, .listening) == [["SUBSCRIBE", "__anycable__"], ["SUBSCRIBE", "app:chat"]])
        let reply = RESPValue.array([
            SubscriberWalk.bulk("subscribe"), SubscriberWalk.bulk("app:chat"), .integer(2),
        ])
        #expect(machine.apply(.reply(.listening, reply), at: start, jitter: 0) == [.confirmed(chat)])
        let message = RESPValue.array([
            SubscriberWalk.bulk("message"), SubscriberWalk.bulk("app:chat"), SubscriberWalk.bulk("1"),
        ])
        #expect(
            machine.apply(.reply(.listening, message), at: start, jitter: 0) == [.deliver(stream: chat, [0x31])])
        let foreign = RESPValue.array([
            SubscriberWalk.bulk("message"), SubscriberWalk.bulk("chat"), SubscriberWalk.bulk("1"),
        ])
        #expect(machine.apply(.reply(.listening, foreign), at: start, jitter: 0) == [])
        let request = RESPValue.array([
            SubscriberWalk.bulk("message"), SubscriberWalk.bulk("__anycable__"), SubscriberWalk.bulk("{}"),
        ])
        #expect(
            machine.apply(.reply(.listening, request), at: start, jitter: 0) == [.request(Array("{}".utf8))])
    }

    private func push(_ items: String...) -> SubscriberMachine.Event {
        .reply(.listening, .array(items.map { SubscriberWalk.bulk($0) }))
    }

    @Test("a pattern has commands of its own, its messages are delivered as its stream, and not when it has ended")
    func pattern() {
        var machine = SubscriberMachine(settings: .init(prefix: Array("app".utf8)))
        let pattern = SubscriberMachine.remoteDisconnects
        for stream in [pattern, chat] { _ = machine.apply(.listen(stream), at: start, jitter: 0) }
        _ = machine.apply(.connected(.listening), at: start, jitter: 0)
        let ready = sent(ok(&machine, .listening, 1), .listening)
        #expect(ready.first == ["SUBSCRIBE", "__anycable__"])
        #expect(ready.dropFirst() == [["SUBSCRIBE", "app:chat"], ["PSUBSCRIBE", "app:action_cable/*"]])
        let acknowledged = push("psubscribe", "app:action_cable/*")
        #expect(machine.apply(acknowledged, at: start, jitter: 0) == [.confirmed(pattern)])
        let message = push("pmessage", "app:action_cable/*", "app:action_cable/Z2lk", "1")
        #expect(machine.apply(message, at: start, jitter: 0) == [.deliver(stream: pattern, [0x31])])
        let other = push("pmessage", "app:*", "app:action_cable/Z2lk", "1")
        #expect(machine.apply(other, at: start, jitter: 0) == [])
        let ended = machine.apply(.stopListening(pattern), at: start, jitter: 0)
        #expect(sent(ended, .listening) == [["PUNSUBSCRIBE", "app:action_cable/*"]])
        #expect(machine.apply(message, at: start, jitter: 0) == [])
        #expect(machine.apply(push("punsubscribe", "app:action_cable/*"), at: start, jitter: 0) == [])
    }

    private func ready(_ streams: [UInt8]...) -> SubscriberMachine {
        var machine = SubscriberMachine(settings: .init())
        for stream in streams { _ = machine.apply(.listen(stream), at: start, jitter: 0) }
        for connection in SubscriberMachine.Connection.allCases {
            _ = machine.apply(.connected(connection), at: start, jitter: 0)
            _ = ok(&machine, connection, 1)
        }
        return machine
    }

    @Test("a client that names AnyCable's channel as its stream ends nothing that the daemon listens to")
    func broadcasterAsStream() {
        var machine = ready(chat)
        let broadcaster = SubscriberMachine.broadcaster
        let subscribed = machine.apply(.listen(broadcaster), at: start, jitter: 0)
        #expect(sent(subscribed, .listening) == [["SUBSCRIBE", "__anycable__"]])
        #expect(
            machine.apply(push("subscribe", "__anycable__"), at: start, jitter: 0) == [.confirmed(broadcaster)])
        #expect(machine.apply(.stopListening(broadcaster), at: start, jitter: 0) == [])
        #expect(machine.apply(push("message", "__anycable__", "{}"), at: start, jitter: 0) == [.request([0x7b, 0x7d])])
        // With a prefix it is a stream like any other one.
        var prefixed = SubscriberMachine(settings: .init(prefix: Array("app".utf8)))
        for stream in [chat, broadcaster] { _ = prefixed.apply(.listen(stream), at: start, jitter: 0) }
        _ = prefixed.apply(.connected(.listening), at: start, jitter: 0)
        _ = ok(&prefixed, .listening, 1)
        let ended = prefixed.apply(.stopListening(broadcaster), at: start, jitter: 0)
        #expect(sent(ended, .listening) == [["UNSUBSCRIBE", "app:__anycable__"]])
    }

    @Test("a client that names the pattern of remote disconnects as its stream gets a stream, and ends no pattern")
    func patternAsStream() {
        var machine = ready(SubscriberMachine.remoteDisconnects)
        _ = machine.apply(push("psubscribe", "action_cable/*"), at: start, jitter: 0)
        let named = SubscriberMachine.remotePattern
        let subscribed = machine.apply(.listen(named), at: start, jitter: 0)
        #expect(sent(subscribed, .listening) == [["SUBSCRIBE", "action_cable/*"]])
        #expect(machine.apply(push("subscribe", "action_cable/*"), at: start, jitter: 0) == [.confirmed(named)])
        let own = machine.apply(push("message", "action_cable/*", "1"), at: start, jitter: 0)
        #expect(own == [.deliver(stream: named, [0x31])])
        let ended = machine.apply(.stopListening(named), at: start, jitter: 0)
        #expect(sent(ended, .listening) == [["UNSUBSCRIBE", "action_cable/*"]])
        #expect(machine.isLive(SubscriberMachine.remoteDisconnects))
    }

    @Test("what a server that acknowledges nothing has not taken is bounded, and follows in order later")
    func slowAcknowledgements() {
        var machine = ready(chat)
        _ = machine.apply(push("subscribe", "chat"), at: start, jitter: 0)
        let text = Array(repeating: UInt8(0x31), count: Limits.redisWaitingBytes / 8)
        var published = 0
        for _ in 0..<12 {
            published += sent(machine.apply(.publish(stream: chat, text), at: start, jitter: 0), .publishing).count
        }
        #expect(published == 8 && machine.unpublishedCount == 12)
        for number in 0..<12 {
            let next = machine.apply(.reply(.publishing, .integer(1)), at: start, jitter: 0)
            #expect(sent(next, .publishing).count == (number < 4 ? 1 : 0))
        }
        #expect(machine.unpublishedCount == 0)
        // One that never acknowledges does not get the rest: it is delivered here, behind what may come back.
        for _ in 0..<40 { _ = machine.apply(.publish(stream: chat, text), at: start, jitter: 0) }
        #expect(machine.sentBytes + machine.waitingBytes + machine.localBytes <= 4 * Limits.redisWaitingBytes)
    }

    @Test("a fence is answered in order, at once without a connection, and fails with its connection")
    func fences() {
        var machine = SubscriberMachine(settings: .init())
        #expect(machine.apply(.fence, at: start, jitter: 0) == [.fenced])
        _ = machine.apply(.listen(chat), at: start, jitter: 0)
        #expect(machine.apply(.fence, at: start, jitter: 0) == [.fenceFailed])
        _ = machine.apply(.connected(.listening), at: start, jitter: 0)
        _ = ok(&machine, .listening, 1)
        for _ in 0..<2 {
            #expect(sent(machine.apply(.fence, at: start, jitter: 0), .listening) == [["PING", "fence"]])
        }
        // The answer to a sign of life is none to a fence.
        #expect(machine.apply(push("pong", ""), at: start, jitter: 0) == [])
        #expect(machine.apply(push("pong", "fence"), at: start, jitter: 0) == [.fenced])
        let lost = machine.apply(.lost(.listening), at: start, jitter: 0)
        #expect(lost.filter { $0 == .fenceFailed }.count == 1)
    }

    @Test("a wrong password is reported once, and the connection is retried")
    func password() {
        var machine = SubscriberMachine(settings: .init(password: Array("wrong".utf8)))
        _ = machine.apply(.listen(chat), at: start, jitter: 0)
        var reports: [SubscriberMachine.Report] = []
        let words = Array("WRONGPASS invalid username-password pair".utf8)
        for round in 0..<5 {
            for connection in SubscriberMachine.Connection.allCases {
                if round > 0 { _ = machine.apply(.fired(.retry(connection)), at: start, jitter: 0) }
                _ = machine.apply(.connected(connection), at: start, jitter: 0)
                for action in machine.apply(.reply(connection, .error(words)), at: start, jitter: 0) {
                    if case .report(let report) = action { reports.append(report) }
                }
                #expect(machine.state(of: connection) == .backoff)
            }
        }
        #expect(reports == [.authenticationFailed(words)])
    }

    @Test("a suspended server is detected within ten seconds, and delays double up to five seconds")
    func suspended() {
        var machine = SubscriberMachine(settings: .init())
        _ = machine.apply(.listen(chat), at: start, jitter: 0)
        _ = machine.apply(.connected(.listening), at: start, jitter: 0)
        _ = ok(&machine, .listening, 1)
        let asked = machine.apply(.fired(.liveness(.listening)), at: start + .seconds(5), jitter: 0)
        #expect(sent(asked, .listening) == [["PING"]])
        #expect(asked.contains(.arm(.liveness(.listening), at: start + .seconds(10))))
        let lost = machine.apply(.fired(.liveness(.listening)), at: start + .seconds(10), jitter: 1)
        #expect(lost.contains(.close(.listening)) && lost.contains(.away))
        #expect(lost.contains(.arm(.retry(.listening), at: start + .milliseconds(10_100))))
        var delays: [Instant] = []
        for _ in 0..<8 {
            _ = machine.apply(.fired(.retry(.listening)), at: start, jitter: 1)
            for case .arm(.retry(.listening), let at) in machine.apply(.lost(.listening), at: start, jitter: 1) {
                delays.append(at)
            }
        }
        #expect(delays.first == start + .milliseconds(200) && delays.last == start + .seconds(5))
    }

    @Test("a broadcast without subscribers uses a connection of its own, which is closed when idle")
    func publishOnly() {
        var machine = SubscriberMachine(settings: .init())
        let first = machine.apply(.publish(stream: chat, [0x31]), at: start, jitter: 0)
        #expect(first.contains(.connect(.publishing)) && !first.contains(.connect(.listening)))
        _ = machine.apply(.connected(.publishing), at: start, jitter: 0)
        #expect(sent(ok(&machine, .publishing, 1), .publishing) == [["PUBLISH", "chat", "1"]])
        let done = machine.apply(.reply(.publishing, .integer(0)), at: start, jitter: 0)
        #expect(done.contains(.arm(.linger, at: start + Limits.redisLinger)))
        #expect(machine.apply(.fired(.linger), at: start, jitter: 0).contains(.close(.publishing)))
    }

    @Test("broadcasts during an outage are delivered locally, in order, and the outage is reported once")
    func unreachable() {
        var machine = SubscriberMachine(settings: .init())
        _ = machine.apply(.listen(chat), at: start, jitter: 0)
        #expect(machine.apply(.publish(stream: chat, [1]), at: start, jitter: 0) == [])
        let listening = machine.apply(.lost(.listening), at: start, jitter: 0)
        #expect(listening.contains(.report(.unreachable)) && listening.contains(.away))
        let publishing = machine.apply(.lost(.publishing), at: start, jitter: 0)
        #expect(publishing.contains(.deliver(stream: chat, [1])) && !publishing.contains(.report(.unreachable)))
        #expect(
            machine.apply(.publish(stream: chat, [2]), at: start, jitter: 0) == [.deliver(stream: chat, [2])])
    }

    @Test("a published message without an acknowledgement is a gap of its stream")
    func unacknowledged() {
        var walk = SubscriberWalk()
        for move in Self.confirmed + [.publish(0), .lose(.publishing)] { walk.make(move) }
        walk.finish()
        #expect(walk.localReply == nil)
    }

    @Test("a rejected PUBLISH is delivered locally and reported with the server's text")
    func refused() {
        var machine = SubscriberMachine(settings: .init())
        _ = machine.apply(.listen(chat), at: start, jitter: 0)
        _ = machine.apply(.connected(.publishing), at: start, jitter: 0)
        _ = ok(&machine, .publishing, 1)
        _ = machine.apply(.publish(stream: chat, [1]), at: start, jitter: 0)
        let words = Array("OOM command not allowed".utf8)
        let actions = machine.apply(.reply(.publishing, .error(words)), at: start, jitter: 0)
        #expect(actions == [.deliver(stream: chat, [1]), .report(.publishRefused(words))])
    }

    @Test("thousands of streams are subscribed to in commands of a hundred")
    func many() {
        var machine = SubscriberMachine(settings: .init())
        for number in 0..<1050 { _ = machine.apply(.listen(Array("s\(number)".utf8)), at: start, jitter: 0) }
        _ = machine.apply(.connected(.listening), at: start, jitter: 0)
        let commands = sent(ok(&machine, .listening, 1), .listening)
        #expect(commands.count == 12 && commands.map(\.count).max() == 101 && commands.last?.count == 51)
    }
}
