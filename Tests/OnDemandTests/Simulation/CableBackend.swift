@testable import OnDemand

/// The backend of a simulated cable: a service whose processes are Action Cable servers.
extension CableScenario {
    struct Backend {
        /// The number of the service.
        var service = 0
        var connect = Configuration.Cable.Connect.backend
        var hibernates = true
        var sendsNotice = false
        /// A client that cannot be restored keeps the backend awake; otherwise it is told at a sleep.
        var clientsKeepAwake = true
    }

    /// Streams that no daemon resolves by itself: of channels with and without stateless actions, and of a channel that
    /// is not listed.
    static let backendStreams = streams..<(streams + 6)

    private static let channels = ["RoomChannel", "LineChannel", "OtherChannel"]

    private static func channel(of stream: Int) -> String { channels[(stream - streams) / 2] }
    static func isListed(_ stream: Int) -> Bool { backendStreams.contains(stream) && stream < streams + 4 }

    static func streamName(_ stream: Int) -> String {
        stream < streams ? "s\(stream)" : "\(channel(of: stream))-\((stream - streams) % 2)"
    }

    /// A JSON string.
    static func identifier(of stream: Int) -> String {
        guard backendStreams.contains(stream) else { return CableHarness.identifier(streamName(stream)) }
        return "\"{\\\"channel\\\":\\\"\(channel(of: stream))\\\",\\\"room\\\":\((stream - streams) % 2)}\""
    }

    /// The stream of the backend whose identifier is in a text.
    static func backendStream(in text: String) -> Int? {
        guard text.contains("\\\"room\\\"") else { return nil }
        return backendStreams.first { text.contains(identifier(of: $0)) }
    }

    static func hibernation(of backend: Backend) throws -> Configuration.Cable.Hibernation {
        var hibernation = Configuration.Cable.Hibernation()
        hibernation.channels = try ["RoomChannel", "LineChannel"].map { name in
            ReplayableChannel(
                name: Array(name.utf8), hasStatelessActions: name == "LineChannel",
                streams: [try StreamTemplate("\(name)-{room}")])
        }
        hibernation.sendsNotice = backend.sendsNotice
        return hibernation
    }
}

/// Behaviour of a simulated Action Cable server.
struct ActionCableScript {
    enum Refusal: Equatable {
        case status(Int)
        case unauthorized
    }

    var welcomesAfter = Duration.milliseconds(1)
    var confirmsAfter = Duration.milliseconds(1)
    /// From a command's arrival, or the end of the command before.
    var performsAfter = Duration.milliseconds(1)
    /// From a message of Redis to its delivery.
    var deliversAfter = Duration.milliseconds(1)
    /// From a close frame to its own.
    var closesAfter = Duration.milliseconds(1)
    var pingInterval = Duration.seconds(3)
    /// Sends a message of the channel before each confirmation, as `transmit` in `subscribed` does.
    var greets = false
    /// Sends `disconnect` with `server_restart` to its clients on TERM.
    var saysGoodbye = false

    // Trouble.
    var refusal: Refusal?
    /// The subscription that it rejects.
    var rejects: Int?
    /// Every connection ends by itself after this time.
    var cutsAfter: Duration?
    /// With `disconnect` and a close frame, as `ActionCable.server.restart` does.
    var restartsAfter: Duration?
    /// Nothing is read or sent any more.
    var hangsAfter: Duration?
    /// Crashes instead of performing this action, counted from one.
    var crashesAtAction: Int?

    var trouble: String? {
        if refusal != nil { return "a server that refuses clients" }
        if rejects != nil { return "a server that rejects a subscription" }
        if cutsAfter != nil || restartsAfter != nil { return "a server that ends connections" }
        if hangsAfter != nil { return "a server that hangs" }
        return crashesAtAction == nil ? nil : "a crash at an action"
    }
}

// MARK: - From a seed

extension Scenario {
    /// Gives some cables a backend. A generator of their own, so that other seeds keep their meaning.
    mutating func drawCableBackends() {
        var dice = Seeded(seed: seed ^ 0x6261_636b_656e_6473)
        guard cables != nil, dice.chance(60) else { return }
        for index in cables!.cables.indices where !cables!.cables[index].isTurboOnly && dice.chance(80) {
            var backend = CableScenario.Backend(service: services.count)
            backend.connect = dice.chance(60) ? .backend : .local
            backend.hibernates = dice.chance(85)
            backend.sendsNotice = dice.chance(20)
            backend.clientsKeepAwake = dice.chance(85)
            cables!.cables[index].backend = backend
            services.append(.drawnActionCable(with: &dice, backend))
            // A sleep before Redis has confirmed the daemon's own subscriptions tells the clients (R3).
            if cables!.cables[index].hasRedis {
                let idle = services[backend.service].policy.idleTimeout ?? .zero
                services[backend.service].policy.idleTimeout = max(idle, .seconds(1))
            }
            for client in cables!.clients.indices where cables!.clients[client].cable == index {
                cables!.clients[client].drawBackendActions(with: &dice)
            }
            cables!.drawBackendMessages(with: &dice, of: index)
            // An operation may name a service that a reload has removed.
            guard dice.chance(35), reloads.allSatisfy(\.change.isOfCable) else { continue }
            operations += (0..<dice.number(in: 1...3)).map { _ in
                (
                    dice.duration(.zero ... .seconds(25)), backend.service,
                    dice.one(of: [.stop, .stop, .restart, .restart, .start, .pin, .unpin, .disable, .enable])
                )
            }
        }
    }
}

extension Scenario.Service {
    fileprivate static func drawnActionCable(with dice: inout Seeded, _ backend: CableScenario.Backend)
        -> Scenario.Service
    {
        var service = Scenario.Service()
        service.policy.isBehindHibernatingCable = backend.hibernates
        service.policy.idleTimeout = dice.one(of: [.milliseconds(50), .milliseconds(300), .seconds(1), .seconds(4)])
        service.policy.idleWhen = backend.clientsKeepAwake ? .noConnections : .noClientData
        service.policy.readiness = dice.one(of: [
            .tcp, .http(path: BackendConversation.probePath, status: .success),
            .webSocket(path: BackendConversation.probePath), .notify, .socket,
        ])
        service.policy.closeJitter = dice.one(of: [.zero, .milliseconds(200)])
        service.picksPort = dice.chance(20)
        let isRough = dice.chance(45)
        service.children = (0..<dice.number(in: 1...5)).map { _ in
            var child = ChildScript()
            child.listensAfter = dice.duration(.zero ... .milliseconds(150))
            child.lingers = dice.duration(.zero ... .milliseconds(400))
            child.resetsAtEnd = dice.chance(20)
            child.cable = .drawn(with: &dice)
            if isRough, dice.chance(60) { child.spoilActionCable(with: &dice) }
            return child
        }
        service.children.append(.healthy)
        return service
    }
}

extension ChildScript {
    fileprivate mutating func spoilActionCable(with dice: inout Seeded) {
        switch dice.below(9) {
        case 0: cable.refusal = dice.one(of: [.status(404), .status(503), .unauthorized])
        case 1: cable.rejects = CableScenario.backendStreams.lowerBound + dice.below(6)
        case 2: cable.cutsAfter = dice.duration(.zero ... .seconds(5))
        case 3: cable.restartsAfter = dice.duration(.zero ... .seconds(5))
        case 4: cable.hangsAfter = dice.duration(.zero ... .seconds(5))
        case 5: cable.crashesAtAction = dice.number(in: 1...4)
        case 6: listensAfter = nil
        default: exitsAfter = dice.duration(.zero ... .seconds(8))
        }
        exit = dice.one(of: [.status(0), .status(1), .signal(11)])
    }
}

extension ActionCableScript {
    fileprivate static func drawn(with dice: inout Seeded) -> ActionCableScript {
        var script = ActionCableScript()
        func pause() -> Duration { dice.duration(.zero...dice.one(of: [.milliseconds(1), .milliseconds(80)])) }
        script.welcomesAfter = pause()
        script.confirmsAfter = pause()
        script.performsAfter = pause()
        script.deliversAfter = pause()
        script.closesAfter = dice.duration(.zero...dice.one(of: [.milliseconds(5), .milliseconds(500), .seconds(3)]))
        script.pingInterval = dice.one(of: [.milliseconds(500), .seconds(3)])
        script.greets = dice.chance(20)
        script.saysGoodbye = dice.chance(30)
        return script
    }
}

extension CableScenario.Client {
    fileprivate mutating func drawBackendActions(with dice: inout Seeded) {
        guard !isTurbo, !(actions.contains { $0.action == .violation }) else { return }
        var moment = actions.last?.after ?? .zero
        // Only a client without state can be restored.
        let isStateless = dice.chance(60)
        for _ in 0..<dice.number(in: 1...8) {
            let listed = CableScenario.backendStreams.lowerBound + (isStateless ? 2 + dice.below(2) : dice.below(4))
            let stream =
                isStateless || dice.chance(80) ? listed : listed / 2 % 2 + CableScenario.backendStreams.upperBound - 2
            let action: Action =
                switch dice.below(100) {
                case ..<45: .subscribe(stream)
                case ..<90: .perform(dice.below(4))
                default: .unsubscribe(stream)
                }
            let pauses = [Duration.zero, .milliseconds(20), .milliseconds(700), .seconds(4), .seconds(9)]
            moment = moment + dice.duration(.zero...dice.one(of: pauses))
            actions.append((moment, action))
        }
        // A client that leaves early does not see much.
        if leaves != nil, dice.chance(50) { leaves = nil }
    }
}

extension CableScenario {
    fileprivate mutating func drawBackendMessages(with dice: inout Seeded, of cable: Int) {
        func stream() -> Int { Self.backendStreams.lowerBound + dice.below(4) }
        publishers += (0..<dice.number(in: 0...2)).map { _ in
            Publisher(
                arrives: dice.duration(.zero ... .seconds(10)), cable: cable,
                posts: (0..<dice.number(in: 1...8)).map { _ in [(stream(), dice.below(200))] },
                thinks: dice.one(of: [.milliseconds(1), .milliseconds(400), .seconds(2)]))
        }
        guard cables[cable].hasRedis else { return }
        others += (0..<dice.number(in: 0...12)).map { _ in
            Other(
                at: dice.duration(.zero ... .seconds(20)), cable: cable,
                stream: dice.chance(90) ? stream() : Self.backendStreams.upperBound - 1, size: dice.below(200))
        }
    }
}
