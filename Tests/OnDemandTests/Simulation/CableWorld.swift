@testable import OnDemand

/// Clients, publishers and Redis of a simulation's cables, and every message that was sent to them.
///
/// The oracle: a client that stays gets each message that was posted after its subscription was confirmed, once and in
/// order, or it is told that it has to reconnect. It is told only if there is a reason.
final class CableWorld {
    struct Message {
        let cable: Int
        let stream: Int
        let text: String
        let sentAt: Instant
        /// By a publisher, not by another program through Redis.
        let isPosted: Bool
        /// When its publisher had the response; nil: the message may have been lost.
        var acceptedAt: Instant?
        /// By an Action Cable server without Redis.
        var isOfProcess = false
    }

    let scenario: CableScenario
    let redis: SimulatedRedis
    private(set) var clients: [VirtualCableClient] = []
    private(set) var publishers: [VirtualPublisher] = []
    /// By their number, which is in their text.
    var messages: [Message] = []
    /// Stays with a client until this moment at least.
    private(set) var end = Instant(nanoseconds: 0)
    /// A reload or a shutdown may end clients and requests.
    var mayRestart = false
    private var variants: [CableScenario.Variant]
    private(set) var redisHadTrouble = false
    /// Open connections of Action Cable servers.
    var connections: [VirtualActionCable] = []
    /// Actions that a backend has performed, and the last one of each client.
    private(set) var performed: Set<Int> = []
    private var lastPerformed: [Int: Int] = [:]
    private unowned let kernel: SimulatedKernel

    init(_ scenario: CableScenario, _ kernel: SimulatedKernel) {
        (self.scenario, self.kernel) = (scenario, kernel)
        redis = SimulatedRedis(kernel)
        variants = scenario.cables.map { _ in .init() }
        if scenario.cables.contains(where: \.hasRedis) { redis.start() }
        redis.programs = { [weak self] channel, text in
            for connection in self?.connections ?? [] { connection.heard(text, on: channel) }
        }
    }

    func arrange() {
        end = kernel.clock + scenario.end + .seconds(2)
        // Without descriptors Redis cannot be reached; they are free after 120 s.
        if kernel.isCramped { end = max(end, kernel.clock + .seconds(150)) }
        for script in scenario.clients { add(script) }
        for (index, script) in scenario.publishers.enumerated() {
            publishers.append(VirtualPublisher(number: index + 1, script: script, self, kernel))
        }
        for trouble in scenario.troubles { arrange(trouble) }
        for other in scenario.others { kernel.scenario(after: other.at) { [weak self] in self?.publish(other) } }
    }

    private func add(_ script: CableScenario.Client) {
        clients.append(VirtualCableClient(number: clients.count + 1, script: script, self, kernel))
    }

    /// A new client and a new message of each cable, when all faults are over.
    func retry(after delay: Duration) {
        if scenario.cables.contains(where: \.hasRedis) {
            redis.thaw()
            redis.start()
        }
        end = kernel.clock + delay + .seconds(20)
        for (index, cable) in scenario.cables.enumerated() {
            var client = CableScenario.Client(arrives: delay, cable: index, isTurbo: cable.isTurboOnly)
            client.token = cable.needsToken ? .valid : .none
            client.actions = [(.zero, .subscribe(0))]
            if cable.backend != nil, !cable.isTurboOnly {
                let stream = CableScenario.backendStreams.lowerBound
                client.actions += [(.zero, .subscribe(stream)), (.seconds(5), .perform(0)), (.seconds(9), .perform(0))]
            }
            add(client)
            publishers.append(
                VirtualPublisher(
                    number: 1000 + index, script: .init(arrives: delay + .seconds(10), cable: index, posts: [[(0, 9)]]),
                    self, kernel))
        }
    }

    // MARK: Messages

    /// Numbers a message; its text contains the number.
    func message(
        to stream: Int, of cable: Int, size: Int, isPosted: Bool = true
    ) -> (number: Int, text: String) {
        let text = "{\"n\":\(messages.count),\"p\":\"\(String(repeating: "x", count: size))\"}"
        messages.append(Message(cable: cable, stream: stream, text: text, sentAt: kernel.clock, isPosted: isPosted))
        return (messages.count - 1, text)
    }

    private func publish(_ other: CableScenario.Other) {
        guard scenario.cables[other.cable].hasRedis, redis.isUp, !redis.isFrozen else { return }
        let (number, text) = message(to: other.stream, of: other.cable, size: other.size, isPosted: false)
        // Which of several cables hear AnyCable's channel is known to Redis only.
        guard !other.isAnyCable || scenario.cables.count == 1 else { return }
        if other.isAnyCable {
            redis.publish("__anycable__", "{\"stream\":\"\(CableScenario.streamName(other.stream))\",\"data\":\(text)}")
        } else {
            let prefix = CableScenario.prefix(of: other.cable, variants[other.cable])
            redis.publish("\(prefix):\(CableScenario.streamName(other.stream))", text)
        }
        messages[number].acceptedAt = kernel.clock
    }

    /// The configuration file has changed; messages of other programs follow at once.
    func apply(_ variants: [CableScenario.Variant]) { self.variants = variants }

    // MARK: Backends

    /// A client's own number of an action.
    static func action(_ number: Int, of client: Int) -> Int { client * 1000 + number }

    /// An Action Cable server has performed an action.
    func performed(_ action: Int, of client: Int) {
        if !performed.insert(action).inserted { kernel.complain("action \(action) is performed twice") }
        if let last = lastPerformed[client], last >= action {
            kernel.complain("action \(action) is performed behind action \(last)")
        }
        lastPerformed[client] = action
    }

    /// Where an Action Cable server hears a stream; nil while Redis cannot be reached.
    func channel(of stream: Int, in cable: Int) -> String? {
        let name = CableScenario.streamName(stream)
        guard scenario.cables[cable].hasRedis else { return name }
        guard redis.isUp, !redis.isFrozen else { return nil }
        return "\(CableScenario.prefix(of: cable, variants[cable])):\(name)"
    }

    /// An action has broadcast to a stream: with Redis to every subscriber, otherwise to the clients of its process.
    func broadcast(to stream: Int, by server: VirtualActionCable) {
        guard let channel = channel(of: stream, in: server.cable) else { return }
        let (number, text) = message(to: stream, of: server.cable, size: 5, isPosted: false)
        kernel.trace.note("an action broadcasts message \(number)", at: kernel.clock)
        if scenario.cables[server.cable].hasRedis {
            redis.publish(channel, text)
        } else {
            messages[number].isOfProcess = true
            for connection in connections where connection.isServed(by: server) { connection.heard(text, on: channel) }
        }
        messages[number].acceptedAt = kernel.clock
    }

    /// Whether a subscriber must receive a message, or be told.
    func isDue(_ message: Message) -> Bool {
        guard CableScenario.backendStreams.contains(message.stream) else { return true }
        let cable = scenario.cables[message.cable]
        guard let backend = cable.backend else { return false }
        // Without Redis no broadcast reaches a client that is not connected to the process.
        if message.isOfProcess { return !mayLoseBackend(of: message.cable) }
        // A post that Redis did not get is delivered by the daemon alone.
        if message.isPosted, cable.hasRedis { return !mayLoseRedis && !mayRestart }
        return cable.hasRedis || backend.hibernates && CableScenario.isListed(message.stream)
    }

    /// The backend of a cable may end or refuse clients.
    func mayLoseBackend(of cable: Int) -> Bool {
        guard let backend = scenario.cables[cable].backend else { return false }
        return !backend.clientsKeepAwake || kernel.troubles.hasAny(of: backend.service) || mayRestart || kernel.isSlow
            || kernel.failedVerb != nil
    }

    // MARK: Redis

    private func arrange(_ event: (at: Duration, trouble: CableScenario.Trouble, lasts: Duration)) {
        kernel.scenario(after: event.at) { [weak self] in
            guard let self, self.redis.isUp, !self.redis.isFrozen else { return }
            self.redisHadTrouble = true
            self.kernel.trace.note("Redis: \(event.trouble) for \(event.lasts)", at: self.kernel.clock)
            switch event.trouble {
            case .crash: self.redis.crash()
            case .freeze: self.redis.freeze()
            case .cutListening: self.redis.cut(self.redis.listeningConnection)
            case .cutPublishing: self.redis.cut(self.redis.publishingConnection)
            }
            self.kernel.scenario(after: event.lasts) { [weak self] in
                self?.redis.thaw()
                self?.redis.start()
            }
        }
    }

    // MARK: Excuses

    /// A connection may break without a word.
    var mayCut: Bool {
        mayRestart || kernel.isSlow || kernel.failedVerb != nil || kernel.hasLackedDescriptors
            || kernel.faults.failingWatches > 0 || kernel.faults.smallBuffers > 0
    }

    /// A connection to Redis may break by itself.
    var mayLoseRedis: Bool {
        redisHadTrouble || kernel.isSlow || kernel.failedVerb != nil || kernel.hasLackedDescriptors
            || kernel.faults.failingWatches > 0
    }

    // MARK: Verdicts

    /// At rest: no client is left, and nothing that belonged to one.
    func judgeQuiet(_ daemon: Daemon<SimulatedKernel>) {
        for client in clients where !client.isOver { kernel.complain("\(client.name) never ends") }
        for publisher in publishers where !publisher.isOver { kernel.complain("\(publisher.name) waits for ever") }
        let server = daemon.cableServer
        if server.sessions.count != 0 { kernel.complain("\(server.sessions.count) sessions are left") }
        if daemon.proxy.cables.totalCount != 0 {
            kernel.complain("sessions are counted that do not exist: \(daemon.proxy.cables.totalCount)")
        }
        let names = server.cables.all.map(\.cable.name).sorted()
        let expected = daemon.configuration.cables.map(\.name).sorted()
        if names != expected { kernel.complain("the cables \(names) exist where \(expected) are configured") }
        for cable in server.cables.all.map(\.cable) {
            let (machine, table) = (cable.machine, cable.machine.table)
            let isEmpty =
                machine.clientCount == 0 && table.streamCount == 0 && table.subscriptionCount == 0
                && table.pendingBytes == 0 && table.isDelivered && machine.clients.queues.count == 0
                && machine.deadline == nil && !machine.hasActions
            if !isEmpty { kernel.complain("\(cable.name) keeps something of clients that have left") }
        }
        if server.ticketCount > 0 { kernel.complain("\(server.ticketCount) tickets of sessions are left") }
        for (cable, relays) in server.cables.all.map({ ($0.cable, $0.relays) }) {
            let isEmpty = relays.count == 0 && relays.restoringCount == 0 && relays.fences.isEmpty
            if !isEmpty { kernel.complain("\(cable.name) keeps relays of clients that have left") }
        }
        if !connections.isEmpty { kernel.complain("\(connections.count) upstreams are left") }
        if !redis.connections.isEmpty { kernel.complain("\(redis.connections.count) connections to Redis are left") }
    }

    /// At the end: all clients of a stream have seen its messages in the same order.
    func judgeOrder() {
        for (position, first) in clients.enumerated() {
            let places = Dictionary(first.received.enumerated().map { ($1.number, $0) }, uniquingKeysWith: { $1 })
            for second in clients[(position + 1)...] {
                for stream in 0..<CableScenario.streams {
                    let common = second.received.filter { messages[$0.number].stream == stream }
                        .compactMap { places[$0.number] }
                    if zip(common, common.dropFirst()).contains(where: { $0 > $1 }) {
                        kernel.complain("\(first.name) and \(second.name) have messages in different orders")
                    }
                }
            }
        }
    }
}
