/// A cable's two connections to its Redis server: performs what a `SubscriberMachine` decides.
///
/// The owner calls `listen`, `stopListening` and `publish`, passes readiness and timers on, and takes the outputs after
/// each call: messages, confirmations and gaps. Nothing is connected while the machine needs no connection.
///
/// A call may cause events at once (a connect that fails, a send that breaks): they are queued, and applied in order
/// before the call returns. So the machine is never called from inside its own step.
final class RedisConnection<K: Kernel> {
    /// What the cable is to do.
    enum Output: Equatable {
        case deliver(stream: [UInt8], [UInt8])
        case request([UInt8])
        case confirmed([UInt8])
        case gap([UInt8])
        case fenced
        case fenceFailed
        case settled
        case away
        case returned
    }

    /// One of the two sockets.
    private struct Link {
        var descriptor: Descriptor
        /// Tells the connections apart that the link has had, for tokens.
        var number: UInt32
        var isConnecting: Bool
        var hasPeerEnded = false
        var unsent = ByteQueue()
        var parser = RESPParser()
    }

    private let id: CableID
    private let name: String
    private let url: RedisURL
    private let reactor: Reactor<K>
    private let log: Log
    private var machine: SubscriberMachine
    private var links: [Link?] = [nil, nil]
    private var lastNumber: UInt32 = 0
    private var events: [SubscriberMachine.Event] = []
    private var isApplying = false
    private var outputs: [Output] = []
    private var buffer: [UInt8] = []
    /// The cable cannot take more messages: the listening link is not read.
    private var isPaused = false
    /// The timer for a sign of life has fired meanwhile; the sign may be unread.
    private var isLivenessDue = false
    /// Gaps since the cable was opened, for metrics.
    private(set) var gaps: UInt64 = 0

    private var kernel: K { reactor.kernel }

    /// For the status: both connections are usable, or not needed.
    var isReachable: Bool { !machine.states.contains(.backoff) }
    var isConnected: Bool { machine.state(of: .listening) == .ready }

    init(_ id: CableID, name: String, url: RedisURL, prefix: [UInt8]?, reactor: Reactor<K>, log: Log) {
        self.id = id
        self.name = name
        self.url = url
        self.reactor = reactor
        self.log = log
        machine = SubscriberMachine(
            settings: .init(user: url.user, password: url.password, database: url.database, prefix: prefix))
    }

    // MARK: For the cable

    func listen(_ stream: [UInt8]) { apply(.listen(stream)) }
    func stopListening(_ stream: [UInt8]) { apply(.stopListening(stream)) }
    func publish(_ text: [UInt8], to stream: [UInt8]) { apply(.publish(stream: stream, text)) }
    func fence() { apply(.fence) }

    /// Nothing that was published here is on its way.
    var isSettled: Bool { machine.isSettled }
    /// Answered by `Output.settled`.
    func settle() { apply(.settle) }

    /// Stops and resumes reading messages. The server keeps what is not read, within a limit of its own.
    func pause(_ isPaused: Bool) {
        self.isPaused = isPaused
        guard !isPaused else { return }
        if let link = links[position(.listening)] { reactor.resumeLater(token(.listening, link.number)) }
        guard isLivenessDue else { return }
        isLivenessDue = false
        reactor.arm(key(of: .liveness(.listening)), at: kernel.now() + Limits.redisTimeout)
    }

    /// The outputs since the last call, in order.
    func takeOutputs() -> [Output] {
        guard !outputs.isEmpty else { return [] }
        defer { outputs = [] }
        return outputs
    }

    /// Closes both connections and disarms the timers; the object is of no use afterwards.
    func close() {
        for connection in SubscriberMachine.Connection.allCases {
            closeLink(connection)
            reactor.disarm(key(of: .retry(connection)))
            reactor.disarm(key(of: .liveness(connection)))
        }
        reactor.disarm(key(of: .linger))
        isLivenessDue = false
    }

    // MARK: Events

    func timerFired(_ timer: RedisTimer) {
        guard !isPaused || timer != .listeningLiveness else {
            isLivenessDue = true
            return
        }
        apply(.fired(timer.timer))
    }

    /// `index` is that of the token: the cable's index and the link. Without readiness the event loop resumes a read.
    func ready(_ token: Token, _ readiness: Readiness) {
        let connection: SubscriberMachine.Connection = token.index & 1 == 0 ? .listening : .publishing
        guard let link = links[position(connection)], link.number == token.generation else { return }
        if link.isConnecting {
            guard !readiness.isEmpty else { return }
            guard !readiness.contains(.broken), kernel.connectFailure(of: link.descriptor) == nil else {
                return lose(connection)
            }
            links[position(connection)]?.isConnecting = false
            apply(.connected(connection))
        }
        if readiness.contains(.writable) { flush(connection) }
        if readiness.contains(.peerEnded) { links[position(connection)]?.hasPeerEnded = true }
        if readiness != .writable { read(connection, link.number) }
    }

    private func read(_ connection: SubscriberMachine.Connection, _ number: UInt32) {
        // `pause` resumes it, and the end of the connection is noticed then.
        guard !isPaused || connection == .publishing else { return }
        if buffer.isEmpty { buffer = Array(repeating: 0, count: Limits.cableReadBytes) }
        for _ in 0..<Limits.cableReadsPerTurn {
            guard let link = links[position(connection)], link.number == number else { return }
            switch kernel.receive(from: link.descriptor, into: &buffer) {
            case .wouldBlock: return
            case .ended, .failed: return lose(connection)
            case .bytes(let count):
                let replies: [RESPValue]
                do throws(RESPError) {
                    replies = try Self.replies(in: buffer, count, &links[position(connection)]!.parser)
                } catch {
                    log(.redisUnreachable, LogField("cable", name), LogField("detail", error.sentence))
                    return lose(connection)
                }
                for reply in replies {
                    // A reply before it may have ended the connection.
                    guard links[position(connection)]?.number == number else { return }
                    apply(.reply(connection, reply))
                }
                // A short read has emptied the socket, unless its end is still to be read (epoll(7), question 9).
                if count < buffer.count, links[position(connection)]?.hasPeerEnded != true { return }
                guard replies.count <= Limits.redisRepliesPerTurn else {
                    return reactor.resumeLater(token(connection, number))
                }
            }
        }
        if let link = links[position(connection)] { reactor.resumeLater(token(connection, link.number)) }
    }

    private static func replies(
        in buffer: [UInt8], _ count: Int, _ parser: inout RESPParser
    ) throws(RESPError) -> [RESPValue] {
        var replies: [RESPValue] = []
        try parser.feed(buffer.span.extracting(0..<count)) { replies.append($0) }
        return replies
    }

    private func lose(_ connection: SubscriberMachine.Connection) {
        closeLink(connection)
        apply(.lost(connection))
    }

    // MARK: The machine

    private func apply(_ event: SubscriberMachine.Event) {
        events.append(event)
        guard !isApplying else { return }
        isApplying = true
        defer { isApplying = false }
        while !events.isEmpty {
            let event = events.removeFirst()
            let jitter = Double(kernel.random() >> 11) / Double(1 << 53)
            for action in machine.apply(event, at: kernel.now(), jitter: jitter) { perform(action) }
        }
    }

    private func perform(_ action: SubscriberMachine.Action) {
        switch action {
        case .connect(let connection): connect(connection)
        case .close(let connection):
            closeLink(connection)
            // A send of the same step may have failed; the machine has already given the link up.
            events.removeAll { $0 == .lost(connection) || $0 == .connected(connection) }
        case .send(let connection, let bytes):
            links[position(connection)]?.unsent.append(bytes)
            flush(connection)
        case .arm(let timer, let instant):
            if timer == .liveness(.listening) { isLivenessDue = false }
            reactor.arm(key(of: timer), at: instant)
        case .disarm(let timer):
            if timer == .liveness(.listening) { isLivenessDue = false }
            reactor.disarm(key(of: timer))
        case .deliver(let stream, let text): outputs.append(.deliver(stream: stream, text))
        case .request(let text): outputs.append(.request(text))
        case .confirmed(let stream): outputs.append(.confirmed(stream))
        case .gap(let stream):
            gaps += 1
            outputs.append(.gap(stream))
        case .fenced: outputs.append(.fenced)
        case .fenceFailed: outputs.append(.fenceFailed)
        case .settled: outputs.append(.settled)
        case .away: outputs.append(.away)
        case .returned: outputs.append(.returned)
        case .report(let report): record(report)
        }
    }

    private func record(_ report: SubscriberMachine.Report) {
        let fields = [LogField("cable", name), LogField("address", url.address.description)]
        func text(_ words: [UInt8]) -> LogField { LogField("detail", String(decoding: words, as: UTF8.self)) }
        switch report {
        case .unreachable: log.record(.redisUnreachable, fields)
        case .reachable: log.record(.redisConnected, fields)
        case .authenticationFailed(let words): log.record(.redisRefused, fields + [text(words)])
        case .publishRefused(let words): log.record(.redisRefused, fields + [text(words)])
        }
    }

    // MARK: Sockets

    private func position(_ connection: SubscriberMachine.Connection) -> Int { Int(connection.rawValue) }

    private func token(_ connection: SubscriberMachine.Connection, _ number: UInt32) -> Token {
        Token(RedisToken.connection, index: id.index << 1 | position(connection), generation: number)
    }

    private func connect(_ connection: SubscriberMachine.Connection) {
        let descriptor: Descriptor
        let isConnecting: Bool
        switch kernel.connect(to: url.address) {
        case .connected(let made): (descriptor, isConnecting) = (made, false)
        case .inProgress(let made): (descriptor, isConnecting) = (made, true)
        case .failed: return events.append(.lost(connection))
        }
        lastNumber = (lastNumber + 1) & 0xff_ffff
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .edges, as: token(connection, lastNumber))
        } catch {
            kernel.close(descriptor)
            return events.append(.lost(connection))
        }
        links[position(connection)] = Link(descriptor: descriptor, number: lastNumber, isConnecting: isConnecting)
        if !isConnecting { events.append(.connected(connection)) }
    }

    private func flush(_ connection: SubscriberMachine.Connection) {
        while let link = links[position(connection)], !link.isConnecting, !link.unsent.isEmpty {
            switch link.unsent.withSpan({ kernel.send($0, to: link.descriptor) }) {
            case .bytes(let count): links[position(connection)]!.unsent.removeFirst(count)
            case .wouldBlock: return
            case .failed:
                closeLink(connection)
                return apply(.lost(connection))
            }
        }
    }

    private func closeLink(_ connection: SubscriberMachine.Connection) {
        guard let link = links[position(connection)] else { return }
        links[position(connection)] = nil
        kernel.close(link.descriptor)
        if links.allSatisfy({ $0 == nil }) { buffer = [] }
    }

    // MARK: Timers

    private func key(of timer: SubscriberMachine.Timer) -> TimerKey { TimerKey(RedisTimer(timer), index: id.index) }
}
