import Testing

@testable import OnDemand

/// The situations of a client in which the machine's effects differ, and how to reach them. The client has one
/// confirmed subscription of a listed channel with a stream, and where commands wait, one action is queued.
enum RelayPlace: String, CaseIterable {
    case neverAttached = "hibernating, and new (`connect: local`)"
    case hibernating = "hibernating"
    case firstWaking = "waking for the first time (`connect: local`), a subscription is queued"
    case waking = "waking, an action is queued"
    case restoring = "waking, because the backend is awake"
    case replaying = "replaying, an action is queued"
    case restored = "restored, an action is queued"
    case attached = "attached"
    case inFlight = "attached, an action was sent and nothing has come back"
    case stateful = "attached, with a channel that is not listed"
    case dismissed = "attached, the backend has disconnected the client"
    case detaching = "detaching"
    case over = "over"

    var rules: RelayMachine.Rules {
        switch self {
        case .neverAttached, .firstWaking: RelayBench.local
        default: RelayBench.rules
        }
    }

    func bench() -> RelayBench {
        var bench: RelayBench
        switch self {
        case .neverAttached: bench = RelayBench(isAttached: false, rules)
        case .hibernating: bench = .hibernating()
        case .firstWaking:
            bench = RelayBench(isAttached: false, rules)
            bench.tell(RelayBench.subscribe(RelayBench.chat))
        case .waking: bench = .waking()
        case .restoring:
            bench = .hibernating()
            bench.tell(.backendAwake)
        case .replaying: bench = .replaying()
        case .restored:
            bench = .replaying()
            bench.tell(RelayBench.confirm(RelayBench.chat))
        case .attached: bench = .attached()
        case .inFlight:
            bench = .attached()
            bench.tell(RelayBench.perform(RelayBench.chat))
        case .stateful: bench = .attached([RelayBench.chat, RelayBench.game])
        case .dismissed:
            bench = .attached()
            bench.tell(.message(RelayBench.disconnection("remote")))
        case .detaching: bench = .detaching()
        case .over: bench = .over()
        }
        return bench
    }

    /// The state's name in the documentation of the machine.
    static func state(_ state: RelayMachine.State) -> String {
        switch state {
        case .hibernating: "hibernating"
        case .waking: "waking"
        case .replaying: "replaying"
        case .restored: "restored"
        case .attached: "attached"
        case .detaching: "detaching"
        case .over: "over"
        }
    }
}

/// The events of a client, each with a sentence for operators.
enum RelayOccurrence: String, CaseIterable {
    case repeated = "the client repeats its subscription"
    case subscription = "the client subscribes to another channel"
    case unsubscription = "the client unsubscribes"
    case action = "the client performs an action"
    case unreadable = "the client sends a text that is no command of Action Cable"
    case binary = "the client sends a binary message"
    case welcome = "the backend: `welcome`"
    case sid = "the backend: `welcome` with a session identifier"
    case ping = "the backend: `ping`"
    case confirmation = "the backend: `confirm_subscription`"
    case rejection = "the backend: `reject_subscription`"
    case data = "the backend: a message of a channel"
    case backendBinary = "the backend: a binary message"
    case unauthorized = "the backend: `disconnect`, `unauthorized`"
    case serverRestart = "the backend: `disconnect`, `server_restart`"
    case remote = "the backend: `disconnect`, `remote`"
    case ended = "the upstream ends"
    case endedWithGap = "the upstream ends, just after a message of Redis"
    case refused = "the backend refuses the upstream for now (5xx, no connection)"
    case refusedForGood = "the backend refuses the upstream (4xx)"
    case wakeFailed = "the backend did not start in time"
    case unreachable = "the backend is awake and was not reached in time"
    case backendAwake = "the backend is awake"
    case stops = "the backend will be stopped"
    case stopsUnheard = "the backend will be stopped, and Redis is unreachable"
    case mayLeave = "commands may be sent"
    case endedCut = "the upstream ends, with commands or messages on their way"
    case reloaded = "the configuration is reloaded"

    var event: RelayMachine.Event {
        typealias Bench = RelayBench
        return switch self {
        case .repeated: Bench.subscribe(Bench.chat)
        case .subscription: Bench.subscribe(Bench.otherChat)
        case .unsubscription: Bench.unsubscribe(Bench.chat)
        case .action: Bench.perform(Bench.chat)
        case .unreadable: .clientCommand(Bench.bytes("{"))
        case .binary: .clientSentBinary([1])
        case .welcome: Bench.welcome
        case .sid: .message(Bench.typed("welcome", #","sid":"x""#))
        case .ping: Bench.ping
        case .confirmation: Bench.confirm(Bench.chat)
        case .rejection: Bench.reject(Bench.chat)
        case .data: .message(Bench.data(Bench.chat))
        case .backendBinary: .upstreamSentBinary([1])
        case .unauthorized: .message(Bench.disconnection("unauthorized", reconnect: false))
        case .serverRestart: .message(Bench.disconnection("server_restart"))
        case .remote: .message(Bench.disconnection("remote", reconnect: false))
        case .ended: .upstreamEnded(hasGap: false)
        case .endedWithGap: .upstreamEnded(hasGap: true)
        case .refused: .upstreamRefused(isFinal: false)
        case .refusedForGood: .upstreamRefused(isFinal: true)
        case .wakeFailed: .wakeFailed(isAwake: false)
        case .unreachable: .wakeFailed(isAwake: true)
        case .backendAwake: .backendAwake
        case .stops: .backendStops(canListen: true)
        case .stopsUnheard: .backendStops(canListen: false)
        case .mayLeave: .commandsMayLeave
        case .endedCut: .upstreamEnded(hasGap: false, isCut: true)
        case .reloaded: .rulesChanged
        }
    }

    /// One case of the machine's events, so that a new one does not compile without an occurrence here.
    static func kind(of event: RelayMachine.Event) -> Int {
        switch event {
        case .clientCommand: 0
        case .clientSentBinary: 1
        case .message: 2
        case .upstreamSentBinary: 3
        case .upstreamEnded: 4
        case .upstreamRefused: 5
        case .wakeFailed: 6
        case .backendAwake: 7
        case .backendStops: 8
        case .commandsMayLeave: 9
        case .rulesChanged: 10
        }
    }
    static let kinds = 11
}
