import Testing

@testable import OnDemand

/// Every event in every state that any sequence of events reaches.
struct RelayWalkTests {
    private static let subscriptions = [RelayBench.chat, RelayBench.board, RelayBench.game]

    private static let commands: [RelayMachine.Event] =
        subscriptions.flatMap { [RelayBench.subscribe($0), RelayBench.unsubscribe($0), RelayBench.perform($0)] }
        + [.clientCommand([0x7b])]

    private static let messages: [RelayMachine.Event] =
        subscriptions.flatMap { [RelayBench.confirm($0), RelayBench.reject($0)] }
        + [RelayBench.welcome, RelayBench.ping, .message(RelayBench.typed("welcome", #","sid":"x""#))]
        + ["unauthorized", "server_restart", "remote", "other"].map { .message(RelayBench.disconnection($0)) }
        + [.message(RelayBench.data(RelayBench.chat))]

    private static let others: [RelayMachine.Event] = [
        .clientSentBinary([1]), .upstreamSentBinary([2]), .upstreamEnded(hasGap: false), .upstreamEnded(hasGap: true),
        .upstreamRefused(isFinal: false), .upstreamRefused(isFinal: true), .wakeFailed(isAwake: false),
        .wakeFailed(isAwake: true), .backendAwake,
        .backendStops(canListen: true), .backendStops(canListen: false), .commandsMayLeave,
        .upstreamEnded(hasGap: false, isCut: true), .rulesChanged,
    ]

    private struct Node {
        let model: RelayModel
        let path: [RelayMachine.Event]
    }

    /// Returns the number of states, and the first sequence of events that breaks an invariant.
    private func walk(_ start: RelayModel, queue: Int) -> (states: Int, kinds: Int, broken: String?) {
        var seen: Set<[UInt8]> = [start.machine.key]
        var kinds: Set<UInt8> = []
        var nodes = [Node(model: start, path: [])]
        var next = 0
        while next < nodes.count {
            let node = nodes[next]
            next += 1
            kinds.insert(node.model.machine.kind)
            let isFull = node.model.machine.queued >= queue
            for event in (isFull ? [] : Self.commands) + Self.messages + Self.others {
                var model = node.model
                model.apply(event)
                if let violation = model.violation {
                    return (seen.count, kinds.count, "\(violation), after \((node.path + [event]).map(\.text))")
                }
                guard seen.insert(model.machine.key).inserted else { continue }
                nodes.append(Node(model: model, path: node.path + [event]))
            }
        }
        return (seen.count, kinds.count, nil)
    }

    private static let variants: [(name: String, isAttached: Bool, rules: RelayMachine.Rules)] = [
        ("with Redis", true, RelayBench.rules { $0.maximumSubscriptions = 2 }),
        ("without Redis", true, RelayBench.rules { ($0.maximumSubscriptions, $0.hasSource) = (2, false) }),
        ("connect local", false, RelayBench.rules { ($0.maximumSubscriptions, $0.backendAccepts) = (2, false) }),
        ("without hibernation", true, RelayBench.rules { ($0.maximumSubscriptions, $0.hibernates) = (2, false) }),
        (
            "idle by client data, notice", false,
            RelayBench.rules { ($0.maximumSubscriptions, $0.clientsKeepAwake, $0.sendsNotice) = (1, false, true) }
        ),
    ]

    @Test("no event in any reachable state breaks an invariant", arguments: variants.map(\.name))
    func everyEvent(name: String) throws {
        let variant = try #require(Self.variants.first { $0.name == name })
        let found = walk(RelayModel(isAttached: variant.isAttached, rules: variant.rules), queue: 1)
        #expect(found.broken == nil)
        #expect(found.kinds == (variant.rules.hibernates ? 7 : 2))
        #expect(found.states > (variant.rules.hibernates ? 200 : 50))
    }

    @Test("no long random sequence does so, with up to a full queue", arguments: 0..<4)
    func random(block: UInt64) {
        for seed in block * 100..<block * 100 + 100 {
            var random = Seeded(seed: seed)
            let variant = random.one(of: Self.variants)
            var model = RelayModel(isAttached: variant.isAttached, rules: variant.rules)
            var path: [String] = []
            // What ends a client is rare.
            let likely =
                Self.commands + [RelayBench.welcome, .commandsMayLeave, .backendAwake]
                + Self.subscriptions.map { RelayBench.confirm($0) }
                + [.backendStops(canListen: true), .upstreamEnded(hasGap: false)]
            for _ in 0..<150 where model.violation == nil && model.machine.state != .over {
                let event = random.chance(97) ? random.one(of: likely) : random.one(of: Self.messages + Self.others)
                path.append(event.text)
                model.apply(event)
            }
            guard model.violation == nil else {
                Issue.record("seed \(seed), \(variant.name): \(model.violation ?? "") after \(path)")
                return
            }
        }
    }
}

extension RelayMachine {
    fileprivate var kind: UInt8 {
        switch state {
        case .hibernating: 0
        case .waking: 1
        case .replaying: 2
        case .restored: 3
        case .attached: 4
        case .detaching: 5
        case .over: 6
        }
    }

    fileprivate var queue: [[UInt8]] {
        switch state {
        case .waking(let queue), .replaying(let queue), .restored(let queue), .detaching(let queue): queue.commands
        case .hibernating, .attached, .over: []
        }
    }

    fileprivate var queued: Int { queue.count }

    /// Equal for machines that behave alike.
    fileprivate var key: [UInt8] {
        guard state != .over else { return [kind] }
        var key = [kind, isOpaque ? 1 : 0, hadUpstream ? 1 : 0]
        if case .attached(let attachment) = state {
            key += [attachment.hasCommandInFlight, attachment.isDismissed, attachment.isCounted].map { $0 ? 1 : 0 }
        }
        for command in queue { key += command + [0] }
        for subscription in journal.subscriptions {
            key.append(1)
            key += subscription.identifier
            switch subscription.progress {
            case .requested: key.append(2)
            case .confirmed: key.append(3)
            case .replayed: key.append(4)
            }
            key.append(subscription.hasState ? 1 : 0)
        }
        return key
    }
}

extension RelayMachine.Event {
    fileprivate var text: String {
        switch self {
        case .clientCommand(let text): "command \(String(decoding: text, as: UTF8.self))"
        case .message(let text): "message \(String(decoding: text, as: UTF8.self))"
        default: "\(self)"
        }
    }
}
