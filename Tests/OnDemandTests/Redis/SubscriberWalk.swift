@testable import OnDemand

/// A subscriber machine with a server, timers and an oracle, all of them values.
struct SubscriberWalk {
    enum Move: Equatable {
        case listen(Int)
        case stopListening(Int)
        case publish(Int)
        case accept(SubscriberMachine.Connection)
        case lose(SubscriberMachine.Connection)
        /// The server executes its input, and its replies arrive.
        case serve(SubscriberMachine.Connection)
        case hear(SubscriberMachine.Connection)
        case fire(SubscriberMachine.Timer)
        case fence
        case settle
        /// Rails disconnects a client through Redis.
        case disconnectRemotely
    }

    private struct Connection {
        var isOpen = false
        var commands: [[String]] = []
        var replies: [RESPValue] = []
        var channels: Set<String> = []
        var patterns: Set<String> = []
    }

    /// A message that was published while its stream was confirmed.
    private struct Owed: Equatable {
        let stream: Int
        let text: String
    }

    private(set) var machine: SubscriberMachine
    private(set) var now = Instant(nanoseconds: 0)
    private(set) var timers: [SubscriberMachine.Timer: Instant] = [:]
    private(set) var localReply: String?
    private(set) var reports: [SubscriberMachine.Report] = []
    private var connections: [Connection] = [Connection(), Connection()]
    private var isConnecting: [Bool] = [false, false]
    private var listened: Set<Int> = []
    private var confirmed: Set<Int> = []
    private var isAway = false
    private var owed: [Owed] = []
    private var delivered: [String: Int] = [:]
    private var published = 0
    /// Fences without an answer, each with the messages that the server had sent before it.
    private var fences: [Set<String>] = []
    /// Messages that had been published when the machine was asked to settle; nil while it has no such question.
    private var settling: Set<String>?
    private let hasPattern: Bool

    /// `hasPattern`: the second stream is the pattern on which Rails disconnects clients.
    init(settings: SubscriberMachine.Settings = SubscriberMachine.Settings(), hasPattern: Bool = false) {
        machine = SubscriberMachine(settings: settings)
        self.hasPattern = hasPattern
    }

    private func name(_ stream: Int) -> [UInt8] {
        hasPattern && stream == 1 ? SubscriberMachine.remoteDisconnects : Array("s\(stream)".utf8)
    }

    private mutating func expect(_ dependencies: Bool, _ promise: @autoclosure () -> String) {
        if !dependencies, localReply == nil { localReply = promise() }
    }

    var moves: [Move] {
        var moves: [Move] = []
        for stream in 0..<2 {
            moves.append(listened.contains(stream) ? .stopListening(stream) : .listen(stream))
        }
        moves.append(.publish(0))
        moves.append(.fence)
        if settling == nil { moves.append(.settle) }
        if hasPattern { moves.append(.disconnectRemotely) }
        for connection in SubscriberMachine.Connection.allCases {
            let index = Int(connection.rawValue)
            if isConnecting[index] { moves.append(.accept(connection)) }
            if isConnecting[index] || connections[index].isOpen { moves.append(.lose(connection)) }
            if !connections[index].commands.isEmpty { moves.append(.serve(connection)) }
            if !connections[index].replies.isEmpty { moves.append(.hear(connection)) }
            for timer in [SubscriberMachine.Timer.retry(connection), .liveness(connection)] where timers[timer] != nil {
                moves.append(.fire(timer))
            }
        }
        if timers[.linger] != nil { moves.append(.fire(.linger)) }
        return moves
    }

    mutating func make(_ move: Move) {
        now = now + .milliseconds(30)
        switch move {
        case .listen(let stream):
            listened.insert(stream)
            if isAway { confirmed.insert(stream) }
            tell(.listen(name(stream)))
        case .stopListening(let stream):
            listened.remove(stream)
            confirmed.remove(stream)
            owed.removeAll { $0.stream == stream }
            tell(.stopListening(name(stream)))
        case .publish(let stream):
            published += 1
            let text = "m\(published)"
            if confirmed.contains(stream) { owed.append(Owed(stream: stream, text: text)) }
            tell(.publish(stream: name(stream), Array(text.utf8)))
        case .accept(let connection):
            isConnecting[Int(connection.rawValue)] = false
            connections[Int(connection.rawValue)].isOpen = true
            tell(.connected(connection))
        case .lose(let connection):
            isConnecting[Int(connection.rawValue)] = false
            connections[Int(connection.rawValue)] = Connection()
            tell(.lost(connection))
        case .serve(let connection): serve(connection)
        case .hear(let connection): hear(connection)
        case .fire(let timer):
            now = max(now, timers.removeValue(forKey: timer)!)
            tell(.fired(timer))
        case .fence:
            fences.append(Set(connections[0].replies.compactMap { Self.message(in: $0) }))
            tell(.fence)
        case .settle:
            settling = Set(owed.map(\.text))
            tell(.settle)
        case .disconnectRemotely:
            published += 1
            let text = "m\(published)"
            if confirmed.contains(1) { owed.append(Owed(stream: 1, text: text)) }
            pushToPatterns(channel(of: "action_cable/Z2lk"), text)
        }
        check()
    }

    // MARK: The server

    private mutating func serve(_ connection: SubscriberMachine.Connection) {
        let index = Int(connection.rawValue)
        let commands = connections[index].commands
        connections[index].commands = []
        for command in commands {
            switch command[0] {
            case "SUBSCRIBE", "UNSUBSCRIBE":
                for channel in command.dropFirst() {
                    if command[0] == "SUBSCRIBE" {
                        connections[index].channels.insert(channel)
                    } else {
                        connections[index].channels.remove(channel)
                    }
                    let count = connections[index].channels.count
                    connections[index].replies.append(
                        .array([Self.bulk(command[0].lowercased()), Self.bulk(channel), .integer(count)]))
                }
            case "PSUBSCRIBE", "PUNSUBSCRIBE":
                for pattern in command.dropFirst() {
                    if command[0] == "PSUBSCRIBE" {
                        connections[index].patterns.insert(pattern)
                    } else {
                        connections[index].patterns.remove(pattern)
                    }
                    let count = connections[index].channels.count + connections[index].patterns.count
                    connections[index].replies.append(
                        .array([Self.bulk(command[0].lowercased()), Self.bulk(pattern), .integer(count)]))
                }
            case "PING":
                let isSubscribed = !connections[index].channels.isEmpty || !connections[index].patterns.isEmpty
                let word = command.count > 1 ? command[1] : nil
                connections[index].replies.append(
                    isSubscribed
                        ? .array([Self.bulk("pong"), Self.bulk(word ?? "")])
                        : word.map { Self.bulk($0) } ?? .status(Array("PONG".utf8)))
            case "PUBLISH":
                let isHeard = connections[0].channels.contains(command[1])
                if isHeard {
                    connections[0].replies.append(
                        .array([Self.bulk("message"), Self.bulk(command[1]), Self.bulk(command[2])]))
                }
                connections[index].replies.append(.integer(isHeard ? 1 : 0))
            default: connections[index].replies.append(.status(Array("OK".utf8)))
            }
        }
    }

    private func channel(of name: String) -> String {
        String(decoding: machine.channel(of: Array(name.utf8)), as: UTF8.self)
    }

    /// All patterns end with their only `*`.
    private mutating func pushToPatterns(_ channel: String, _ text: String) {
        for pattern in connections[0].patterns where channel.hasPrefix(pattern.dropLast()) {
            connections[0].replies.append(
                .array([Self.bulk("pmessage"), Self.bulk(pattern), Self.bulk(channel), Self.bulk(text)]))
        }
    }

    /// The text of a message that the server pushes.
    private static func message(in reply: RESPValue) -> String? {
        guard case .array(let items?) = reply, items.first == bulk("message") || items.first == bulk("pmessage"),
            case .string(let text?)? = items.last
        else { return nil }
        return String(decoding: text, as: UTF8.self)
    }

    static func bulk(_ text: String) -> RESPValue { .string(Array(text.utf8)) }

    private mutating func hear(_ connection: SubscriberMachine.Connection) {
        let index = Int(connection.rawValue)
        while connections[index].isOpen, !connections[index].replies.isEmpty {
            let reply = connections[index].replies.removeFirst()
            tell(.reply(connection, reply))
        }
    }

    // MARK: The driver

    private mutating func tell(_ event: SubscriberMachine.Event) {
        for action in machine.apply(event, at: now, jitter: 0.5) { perform(action) }
    }

    private mutating func perform(_ action: SubscriberMachine.Action) {
        switch action {
        case .connect(let connection):
            let index = Int(connection.rawValue)
            expect(!isConnecting[index] && !connections[index].isOpen, "\(connection) connects twice")
            isConnecting[index] = true
        case .close(let connection):
            let index = Int(connection.rawValue)
            expect(isConnecting[index] || connections[index].isOpen, "\(connection) is closed and was not open")
            isConnecting[index] = false
            connections[index] = Connection()
        case .send(let connection, let bytes):
            expect(connections[Int(connection.rawValue)].isOpen, "\(connection) sends without a connection")
            connections[Int(connection.rawValue)].commands.append(Self.decoded(bytes))
        case .arm(let timer, let instant):
            expect(instant > now, "\(timer) was armed in the past")
            timers[timer] = instant
        case .disarm(let timer): timers[timer] = nil
        case .deliver(let stream, let text):
            let text = String(decoding: text, as: UTF8.self)
            delivered[text, default: 0] += 1
            expect(delivered[text] == 1, "\(text) was delivered twice")
            if stream == SubscriberMachine.remoteDisconnects {
                expect(listened.contains(1), "\(text) arrived on a pattern that is not listened to")
            }
            owed = owed.filter { $0.text != text || name($0.stream) != stream }
        case .request: break
        case .confirmed(let found):
            if let stream = listened.first(where: { name($0) == found }) { confirmed.insert(stream) }
            let isListened = listened.contains { name($0) == found }
            expect(isListened, "a stream is confirmed that is not listened to")
        case .gap(let found): owed = owed.filter { name($0.stream) != found }
        case .fenced:
            let (before, owed) = (fences.first, owed)
            expect(before != nil, "an answer without a fence")
            let isMissing = owed.contains { before?.contains($0.text) == true }
            expect(!isMissing, "a fence passed \(owed)")
            if !fences.isEmpty { fences.removeFirst() }
        case .fenceFailed:
            expect(!fences.isEmpty, "a failure without a fence")
            if !fences.isEmpty { fences.removeFirst() }
        case .settled:
            expect(settling != nil, "settled without a question")
            // A stream that is not live cannot get it back, and has a gap when it is.
            let (asked, machine) = (settling ?? [], machine)
            let missing = owed.filter { asked.contains($0.text) && machine.isLive(name($0.stream)) }
            expect(missing.isEmpty, "settled in front of \(missing)")
            settling = nil
        case .away:
            isAway = true
            confirmed = listened
        case .returned: isAway = false
        case .report(let report):
            expect(report != reports.last || report != .unreachable, "the same outage was reported twice")
            reports.append(report)
        }
    }

    static func decoded(_ bytes: [UInt8]) -> [String] {
        let parts = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n").map { String($0) }
        return stride(from: 2, to: parts.count, by: 2).map { parts[$0] }
    }

    // MARK: Invariants

    private mutating func check() {
        let (machine, armed, listened) = (machine, timers, listened)
        expect(machine.wantedCount == listened.count, "\(machine.wantedCount) wanted, listened to \(listened)")
        let listening = machine.state(of: .listening)
        expect((listening == .closed) == listened.isEmpty, "listening is \(listening) for \(listened)")
        for connection in SubscriberMachine.Connection.allCases {
            let state = machine.state(of: connection)
            let isConnected = connections[Int(connection.rawValue)].isOpen
            switch state {
            case .closed:
                expect(
                    armed[.retry(connection)] == nil && armed[.liveness(connection)] == nil, "\(connection) has a timer"
                )
            case .backoff:
                expect(
                    armed[.retry(connection)] != nil && armed[.liveness(connection)] == nil,
                    "\(connection) waits for ever")
            case .connecting:
                expect(armed[.liveness(connection)] != nil && !isConnected, "\(connection) waits for ever")
            case .greeting, .ready:
                expect(armed[.liveness(connection)] != nil && isConnected, "\(connection) waits for ever")
            }
        }
        if listened.isEmpty, machine.unpublishedCount == 0 {
            let publishing = machine.state(of: .publishing)
            expect(publishing == .closed || armed[.linger] != nil, "publishing is \(publishing), and not needed")
        }
    }

    /// The server works from here on: all messages must be delivered.
    mutating func finish() {
        for _ in 0..<60 {
            let next = moves.first { move in
                switch move {
                case .accept, .serve, .hear, .fire(.retry): true
                default: false
                }
            }
            guard let next else { break }
            make(next)
        }
        let (machine, owed, reports) = (machine, owed, reports)
        expect(owed.isEmpty, "lost in silence: \(owed)")
        for stream in listened.sorted() {
            let isConfirmed = confirmed.contains(stream)
            let isLive = machine.isLive(name(stream))
            expect(isLive && isConfirmed, "stream \(stream) is not live")
        }
        expect(!isAway, "still away")
        expect(fences.isEmpty, "a fence without an answer")
        let open = reports.filter { $0 == .unreachable }.count - reports.filter { $0 == .reachable }.count
        expect(listened.isEmpty || open == 0, "an outage without an end: \(reports)")
        expect(machine.unpublishedCount == 0, "messages wait for ever")
        expect(settling == nil, "it never settles")
    }
}
