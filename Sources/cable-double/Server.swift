/// A loop around poll(2): waits for clients, deadlines and SIGTERM.
final class Server {
    private let arguments: Arguments
    private let started = ContinuousClock.now
    private let clock = ContinuousClock()
    private var listener: Descriptor?
    private var connections: [Connection] = []
    private var endlessFlood: Flood?

    init(_ arguments: Arguments) {
        self.arguments = arguments
        if case .forever = arguments.flood { endlessFlood = Flood() }
    }

    func run() -> Never {
        do throws(SocketError) {
            let termination = arguments.ignoreTerm ? nil : try Process.watchTermination()
            while true { try turn(termination) }
        } catch {
            Console.complain("cable-double: \(error.sentence)")
            Process.exit(1)
        }
    }

    private func turn(_ termination: Descriptor?) throws(SocketError) {
        let now = clock.now
        if let exitAfter = arguments.exitAfter, now >= started + exitAfter { leave(saying: "leaving") }
        if listener == nil, let time = listenTime, now >= time { try listen() }
        for connection in connections where connection.deadline.map({ now >= $0 }) ?? false { advance(connection) }
        removeFinished()

        var extra: [Interest] = []
        if let termination { extra.append(Interest(descriptor: termination, reads: true)) }
        if let listener { extra.append(Interest(descriptor: listener, reads: true)) }
        if let flood = endlessFlood { extra.append(Interest(descriptor: flood.descriptor, writes: true)) }
        var interests = extra + connections.map(Self.interest)
        Sockets.wait(for: &interests, timeout: nextDeadline.map { $0 - clock.now })

        for interest in interests.prefix(extra.count) where interest.canRead || interest.canWrite {
            if interest.descriptor == termination { leave(saying: "bye") }
            if interest.descriptor == listener { acceptAll() }
            if interest.writes { endlessFlood?.writeLine() }
        }
        serve(Array(interests.dropFirst(extra.count)))
    }

    private static func interest(of connection: Connection) -> Interest {
        Interest(
            descriptor: connection.socket, reads: connection.wantsToRead, writes: connection.wantsToWrite)
    }

    /// `ready` is in the order of the connections. Connections accepted since follow.
    private func serve(_ ready: [Interest]) {
        for (connection, interest) in zip(connections, ready) where interest.canRead || interest.canWrite {
            if interest.canRead { connection.receive() }
            if interest.canWrite { connection.send() }
            advance(connection)
        }
        removeFinished()
    }

    private func advance(_ connection: Connection) {
        for broadcast in connection.advance(at: clock.now) {
            for other in connections { other.send(broadcast.frame, toSubscribersOf: broadcast.identifier) }
        }
    }

    private func removeFinished() {
        for connection in connections where connection.isFinished { Sockets.close(connection.socket) }
        connections.removeAll { $0.isFinished }
    }

    private func acceptAll() {
        guard let listener else { return }
        while let socket = Sockets.accept(listener) {
            if arguments.crashAfterAccept { Process.crash() }
            connections.append(Connection(socket))
        }
    }
}

// MARK: - Time

extension Server {
    private var listenTime: ContinuousClock.Instant? {
        arguments.neverListen ? nil : started + arguments.listenAfter
    }

    private var nextDeadline: ContinuousClock.Instant? {
        var deadlines = connections.compactMap(\.deadline)
        if let exitAfter = arguments.exitAfter { deadlines.append(started + exitAfter) }
        if listener == nil, let listenTime { deadlines.append(listenTime) }
        return deadlines.min()
    }

    private func listen() throws(SocketError) {
        switch arguments.address {
        case .port(let wanted):
            let (listener, port) = try Sockets.listen(port: wanted)
            self.listener = listener
            Console.say("listening on 127.0.0.1:\(port)")
        case .unix(let path):
            listener = try Sockets.listen(unix: path)
            Console.say("listening on unix:\(path)")
        case nil:
            Console.complain("cable-double: neither --port nor --unix nor PORT is given\n\n\(Arguments.usage)")
            Process.exit(64)
        }
        if arguments.unterminated {
            Console.write([UInt8](repeating: UInt8(ascii: "u"), count: 1 << 20), to: Console.output)
        }
    }

    private func leave(saying word: String) -> Never {
        for connection in connections { connection.sendClose() }
        if case .unix(let path) = arguments.address, listener != nil { Sockets.remove(path) }
        Console.say(word)
        Process.exit(0)
    }
}
