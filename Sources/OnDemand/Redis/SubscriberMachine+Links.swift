// The two connections of a `SubscriberMachine`: how they are made, watched and lost, and what arrives over them.

// MARK: - Links

extension SubscriberMachine {
    private mutating func set(_ connection: Connection, _ state: LinkState) { states[Int(connection.rawValue)] = state }

    mutating func need(_ connection: Connection, at now: Instant) {
        stopLingering()
        if state(of: connection) == .closed { connect(connection, at: now) }
    }

    mutating func connect(_ connection: Connection, at now: Instant) {
        set(connection, .connecting)
        actions.append(.connect(connection))
        actions.append(.arm(.liveness(connection), at: now + Limits.redisTimeout))
    }

    mutating func connected(_ connection: Connection, at now: Instant) {
        precondition(state(of: connection) == .connecting, "\(connection) connected while \(state(of: connection))")
        var commands: [[[UInt8]]] = []
        if let password = settings.password {
            commands.append([Self.auth] + (settings.user.map { [$0] } ?? []) + [password])
        }
        if settings.database != 0 { commands.append([Self.select, Array("\(settings.database)".utf8)]) }
        for command in commands { send(connection, command) }
        // The sign of life shows that the server serves: one that loads its data answers with an error.
        send(connection, [Self.ping])
        set(connection, .greeting(missing: commands.count + 1))
    }

    private mutating func becomeReady(_ connection: Connection, at now: Instant) {
        set(connection, .ready)
        failures[Int(connection.rawValue)] = 0
        liveness[Int(connection.rawValue)] = .heard
        actions.append(.arm(.liveness(connection), at: now + Limits.redisLookInterval))
        switch outage {
        case .none: break
        case .unreachable, .authenticationFailed:
            // Another wrong password is another outage, also while the other link is away.
            outage = states.contains(.backoff) ? .unreachable : .none
            if outage == .none { actions.append(.report(.reachable)) }
        }
        switch connection {
        case .listening:
            comeBack()
            send(.listening, [Self.subscribe, Self.broadcaster])
            subscribe(channelNumbers)
        case .publishing:
            publishWaiting()
            lingerIfIdle(at: now)
        }
    }

    mutating func close(_ connection: Connection) {
        switch state(of: connection) {
        case .closed: return
        case .backoff: actions.append(.disarm(.retry(connection)))
        case .connecting, .greeting, .ready:
            actions.append(.disarm(.liveness(connection)))
            actions.append(.close(connection))
        }
        set(connection, .closed)
        failures[Int(connection.rawValue)] = 0
        guard connection == .listening else { return }
        failFences()
        comeBack()
    }

    private mutating func comeBack() {
        guard isAway else { return }
        isAway = false
        actions.append(.returned)
    }

    /// The connection has failed by itself.
    mutating func lost(_ connection: Connection, at now: Instant, _ jitter: Double) {
        switch state(of: connection) {
        case .connecting, .greeting, .ready: actions.append(.disarm(.liveness(connection)))
        case .closed, .backoff: preconditionFailure("\(connection) was lost while \(state(of: connection))")
        }
        set(connection, .backoff)
        failures[Int(connection.rawValue)] += 1
        actions.append(.arm(.retry(connection), at: now + Self.delay(failures[Int(connection.rawValue)], jitter)))
        if outage == .none {
            outage = .unreachable
            actions.append(.report(.unreachable))
        }
        switch connection {
        case .listening:
            failFences()
            for number in channelNumbers {
                guard channels[number].isWanted else {
                    forget(number)
                    continue
                }
                channels[number].missing = 0
                channels[number].hasGap = true
            }
            guard !isAway else { return }
            isAway = true
            actions.append(.away)
        case .publishing:
            let unknown = sent.takeAll()
            sentBytes = 0
            deliverWaiting()
            reportGaps(of: unknown)
            stopLingering()
            if wanted == 0 { close(.publishing) }
        }
    }

    /// Sent, and perhaps never published: where the listening link still works, its streams have a gap of their own.
    private mutating func reportGaps(of messages: [Message]) {
        var reported: Set<[UInt8]> = []
        for message in messages where isLive(message.stream) && reported.insert(message.stream).inserted {
            actions.append(.gap(message.stream))
        }
    }

    /// Our own decision: the server does not answer, or answers what it must not.
    private mutating func abandon(_ connection: Connection, at now: Instant, _ jitter: Double) {
        actions.append(.close(connection))
        lost(connection, at: now, jitter)
    }

    mutating func fired(_ timer: Timer, at now: Instant, _ jitter: Double) {
        switch timer {
        case .retry(let connection):
            precondition(state(of: connection) == .backoff, "a retry while \(state(of: connection))")
            connect(connection, at: now)
        case .liveness(let connection):
            guard state(of: connection) == .ready, liveness[Int(connection.rawValue)] == .heard else {
                return abandon(connection, at: now, jitter)
            }
            liveness[Int(connection.rawValue)] = .asked
            send(connection, [Self.ping])
            actions.append(.arm(.liveness(connection), at: now + Limits.redisTimeout))
        case .linger:
            isLingering = false
            close(.publishing)
        }
    }

    /// Equal jitter: half of the delay is certain.
    private static func delay(_ failures: Int, _ jitter: Double) -> Duration {
        let doublings = min(failures - 1, 10)
        let delay = min(Limits.redisRetryFirst * (1 << doublings), Limits.redisRetryLongest)
        return delay / 2 + delay / 2 * jitter
    }
}

// MARK: - Replies

extension SubscriberMachine {
    /// AnyCable's channel for broadcasts; it has no prefix.
    static let broadcaster = Array("__anycable__".utf8)
    private static let message = Array("message".utf8)
    private static let patternMessage = Array("pmessage".utf8)
    private static let pong = Array("pong".utf8)
    private static let acknowledgements = ["subscribe", "unsubscribe", "psubscribe", "punsubscribe"].map {
        Array($0.utf8)
    }

    mutating func take(_ reply: RESPValue, from connection: Connection, at now: Instant, _ jitter: Double) {
        switch state(of: connection) {
        case .greeting(let missing):
            if case .error(let words) = reply { return refused(connection, words, at: now, jitter) }
            guard missing == 1 else { return set(connection, .greeting(missing: missing - 1)) }
            becomeReady(connection, at: now)
        case .ready:
            if liveness[Int(connection.rawValue)] == .asked {
                actions.append(.arm(.liveness(connection), at: now + Limits.redisLookInterval))
            }
            liveness[Int(connection.rawValue)] = .heard
            takeReady(reply, from: connection, at: now, jitter)
        case .closed, .connecting, .backoff:
            preconditionFailure("a reply from \(connection) while \(state(of: connection))")
        }
    }

    private mutating func refused(_ connection: Connection, _ words: [UInt8], at now: Instant, _ jitter: Double) {
        let isAboutPassword = ["WRONGPASS", "NOAUTH", "NOPERM", "ERR"].contains { words.starts(with: $0.utf8) }
        if isAboutPassword, outage != .authenticationFailed {
            outage = .authenticationFailed
            actions.append(.report(.authenticationFailed(words)))
        }
        abandon(connection, at: now, jitter)
    }

    private mutating func takeReady(_ reply: RESPValue, from connection: Connection, at now: Instant, _ jitter: Double)
    {
        switch (connection, reply) {
        case (.publishing, .status): break  // The answer to PING.
        case (.publishing, .integer), (.publishing, .error):
            guard !sent.isEmpty else { return abandon(connection, at: now, jitter) }
            published(reply, at: now)
        case (.listening, .array(let items?)):
            guard case .string(let kind?)? = items.first else { return abandon(connection, at: now, jitter) }
            takePush(kind, items)
        case (.publishing, .string), (.publishing, .array), (.listening, .status), (.listening, .integer),
            (.listening, .string), (.listening, .array(nil)), (.listening, .error):
            abandon(connection, at: now, jitter)
        }
    }

    private mutating func takePush(_ kind: [UInt8], _ items: [RESPValue]) {
        guard items.count > 1, case .string(let name?) = items[1] else { return }
        switch kind {
        case Self.pong:
            if name == Self.fenceName { fenceReached() }
        case Self.patternMessage:
            guard items.count == 4, case .string(let text?) = items[3], let stream = stream(ofPattern: name),
                let number = numbers[stream], channels[number].isWanted
            else { return }
            actions.append(.deliver(stream: stream, text))
        case _ where Self.acknowledgements.contains(kind):
            acknowledged(name, isPattern: kind.first == UInt8(ascii: "p"))
        case Self.message:
            guard items.count == 3, case .string(let text?) = items[2] else { return }
            guard name != Self.broadcaster else { return actions.append(.request(text)) }
            guard let stream = stream(of: name), let number = numbers[stream], channels[number].isWanted else { return }
            actions.append(.deliver(stream: stream, text))
        default: break  // What later versions push.
        }
    }

    private static let auth = Array("AUTH".utf8)
    private static let select = Array("SELECT".utf8)
    static let ping = Array("PING".utf8)
    static let fenceName = Array("fence".utf8)
    static let subscribe = Array("SUBSCRIBE".utf8)
    static let unsubscribe = Array("UNSUBSCRIBE".utf8)
    static let subscribePattern = Array("PSUBSCRIBE".utf8)
    static let unsubscribePattern = Array("PUNSUBSCRIBE".utf8)
    static let publish = Array("PUBLISH".utf8)

    mutating func send(_ connection: Connection, _ command: [[UInt8]]) {
        var bytes: [UInt8] = []
        RedisCommand.append(command, to: &bytes)
        actions.append(.send(connection, bytes))
    }
}
