@testable import OnDemand

/// A Redis server of the simulated world: speaks RESP2, delivers messages to the connections that subscribed, keeps
/// nothing. It reads and writes RESP itself, so that two implementations must agree.
final class SimulatedRedis {
    /// One connection, in the order in which the server accepted them.
    final class Connection: SocketOwner {
        let socket: SimulatedSocket
        private unowned let server: SimulatedRedis
        private var inbound: [UInt8] = []
        private var outbound: [UInt8] = []
        fileprivate(set) var channels: [String] = []
        /// Patterns that end in an asterisk, without it.
        fileprivate(set) var patterns: [String] = []
        fileprivate var isListening: Bool { !channels.isEmpty || !patterns.isEmpty }

        init(_ socket: SimulatedSocket, _ server: SimulatedRedis) {
            (self.socket, self.server) = (socket, server)
            socket.owner = self
        }

        func inspect(_ socket: SimulatedSocket) {
            guard !server.isFrozen else { return }
            while socket.queueLength > 0 { inbound += socket.take(.max) }
            while let command = nextCommand() { server.execute(command, for: self) }
            flush()
            if socket.peerHasEnded || socket.isReset { server.drop(self) }
        }

        /// An array of strings; nil when it is not complete.
        private func nextCommand() -> [String]? {
            var position = 0
            guard let count = number(after: "*", &position) else { return nil }
            var words: [String] = []
            for _ in 0..<count {
                guard let length = number(after: "$", &position), inbound.count >= position + length + 2 else {
                    return nil
                }
                words.append(String(decoding: inbound[position..<position + length], as: UTF8.self))
                position += length + 2
            }
            inbound.removeFirst(position)
            return words
        }

        private func number(after type: Character, _ position: inout Int) -> Int? {
            guard position < inbound.count, let end = inbound[position...].firstIndex(of: 10) else { return nil }
            precondition(inbound[position] == type.asciiValue, "a command has no \(type)")
            defer { position = end + 1 }
            return Int(String(decoding: inbound[(position + 1)..<(end - 1)], as: UTF8.self))
        }

        fileprivate func say(_ text: String) {
            outbound += text.utf8
            flush()
        }

        private func flush() {
            while !outbound.isEmpty, case .bytes(let count) = socket.send(outbound[...]), count > 0 {
                outbound.removeFirst(count)
            }
        }
    }

    static let address = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 6379)

    private unowned let kernel: SimulatedKernel
    private var listener: SimulatedListener?
    private(set) var connections: [Connection] = []
    private(set) var isFrozen = false
    /// Messages in the order in which they were published, by any program.
    private(set) var published: [(channel: String, text: String, receivers: Int)] = []
    private(set) var accepted = 0
    /// Subscribers that are programs of the simulated world.
    var programs: (_ channel: String, _ text: String) -> Void = { _, _ in }
    /// nil: clients need no password.
    var password: String?

    init(_ kernel: SimulatedKernel) { self.kernel = kernel }

    var isUp: Bool { listener != nil }
    var listeningConnection: Connection? { connections.first { $0.isListening } }
    var publishingConnection: Connection? { connections.first { !$0.isListening } }

    // MARK: Faults

    func start() {
        guard listener == nil else { return }
        let listener = SimulatedListener(address: Self.address, isForeign: true)
        listener.acceptLater = { [weak self] in
            guard let self else { return }
            self.kernel.scenario(after: self.kernel.drawLatency()) { [weak self] in self?.accept() }
        }
        self.listener = listener
        kernel.listeners[Self.address] = listener
    }

    private func accept() {
        guard let listener, !isFrozen else { return }
        while !listener.queue.isEmpty {
            let connection = Connection(listener.queue.removeFirst(), self)
            connections.append(connection)
            accepted += 1
            connection.inspect(connection.socket)
        }
    }

    /// Ends the process: all connections break, and new ones are refused.
    func crash() {
        guard let listener else { return }
        self.listener = nil
        kernel.listeners[Self.address] = nil
        listener.close()
        for connection in connections { connection.socket.reset() }
        connections = []
        isFrozen = false
    }

    /// Suspends the process: connections stay, and nothing is read.
    func freeze() { isFrozen = isUp }

    func thaw() {
        guard isFrozen else { return }
        isFrozen = false
        accept()
        for connection in connections { connection.inspect(connection.socket) }
    }

    /// Breaks one connection, as an operator does with CLIENT KILL.
    func cut(_ connection: Connection?) {
        guard let connection, !isFrozen else { return }
        connections.removeAll { $0 === connection }
        connection.socket.reset()
    }

    fileprivate func drop(_ connection: Connection) {
        connections.removeAll { $0 === connection }
        connection.socket.close()
    }

    // MARK: Commands

    fileprivate func execute(_ command: [String], for connection: Connection) {
        switch command.first {
        case "AUTH":
            let isRight = command.last == password
            connection.say(isRight ? "+OK\r\n" : "-WRONGPASS invalid username-password pair or user is disabled.\r\n")
        case _ where password != nil && !connection.isListening && command.first != "PING":
            connection.say("-NOAUTH Authentication required.\r\n")
        case "SELECT": connection.say("+OK\r\n")
        case "PING":
            let payload = command.count > 1 ? command[1] : ""
            let pushed = "*2\r\n$4\r\npong\r\n$\(payload.utf8.count)\r\n\(payload)\r\n"
            connection.say(connection.isListening ? pushed : "+PONG\r\n")
        case "SUBSCRIBE":
            for channel in command.dropFirst() {
                if !connection.channels.contains(channel) { connection.channels.append(channel) }
                acknowledge("subscribe", channel, connection)
            }
        case "UNSUBSCRIBE":
            for channel in command.dropFirst() {
                connection.channels.removeAll { $0 == channel }
                acknowledge("unsubscribe", channel, connection)
            }
        case "PSUBSCRIBE":
            for pattern in command.dropFirst() {
                if !pattern.hasSuffix("*") { kernel.complain("Redis got the pattern \(pattern)") }
                connection.patterns.append(String(pattern.dropLast()))
                acknowledge("psubscribe", pattern, connection)
            }
        case "PUNSUBSCRIBE":
            for pattern in command.dropFirst() {
                connection.patterns.removeAll { $0 == pattern.dropLast() }
                acknowledge("punsubscribe", pattern, connection)
            }
        case "PUBLISH": connection.say(":\(publish(command[1], command[2]))\r\n")
        default: kernel.complain("Redis got the command \(command)")
        }
    }

    private func acknowledge(_ kind: String, _ channel: String, _ connection: Connection) {
        let count = connection.channels.count + connection.patterns.count
        connection.say("*3\r\n\(Self.string(kind))\(Self.string(channel)):\(count)\r\n")
    }

    /// Returns the number of receivers.
    @discardableResult
    func publish(_ channel: String, _ text: String) -> Int {
        let receivers = connections.filter { $0.channels.contains(channel) }
        published.append((channel, text, receivers.count))
        let message = "*3\r\n\(Self.string("message"))\(Self.string(channel))\(Self.string(text))"
        for receiver in receivers { receiver.say(message) }
        for connection in connections {
            for pattern in connection.patterns where channel.hasPrefix(pattern) {
                let words = ["pmessage", "\(pattern)*", channel, text].map(Self.string).joined()
                connection.say("*4\r\n\(words)")
            }
        }
        programs(channel, text)
        return receivers.count
    }

    private static func string(_ text: String) -> String { "$\(text.utf8.count)\r\n\(text)\r\n" }
}
