import Testing

@testable import OnDemand

/// A relay machine, the messages of a client and a backend, and an oracle that looks at each step.
struct RelayBench {
    typealias Effect = RelayMachine.Effect

    private(set) var model: RelayModel

    /// `isWelcomed`: what an attached client usually is.
    init(isAttached: Bool = true, isWelcomed: Bool = true, _ rules: RelayMachine.Rules = RelayBench.rules) {
        model = RelayModel(isAttached: isAttached, rules: rules)
        if isAttached, isWelcomed { _ = model.apply(Self.welcome) }
    }

    var machine: RelayMachine { model.machine }
    var state: RelayMachine.State { model.machine.state }

    @discardableResult
    mutating func tell(_ event: RelayMachine.Event, sourceLocation: SourceLocation = #_sourceLocation) -> [Effect] {
        let effects = model.apply(event)
        #expect(model.violation == nil, "\(event)", sourceLocation: sourceLocation)
        return effects
    }

    @discardableResult
    mutating func tell(_ events: [RelayMachine.Event], sourceLocation: SourceLocation = #_sourceLocation) -> [Effect] {
        events.flatMap { tell($0, sourceLocation: sourceLocation) }
    }

    // MARK: Rules

    /// `connect: backend`, hibernation, and Redis.
    static let rules = rules { _ in }

    static func rules(_ change: (inout RelayMachine.Rules) -> Void) -> RelayMachine.Rules {
        var rules = RelayMachine.Rules(hibernates: true, hasSource: true)
        rules.channels.listed = [
            ReplayableChannel(
                name: Array("ChatChannel".utf8), hasStatelessActions: true,
                streams: [try! StreamTemplate("chat-{room}")]),
            ReplayableChannel(name: Array("BoardChannel".utf8), streams: []),
        ]
        change(&rules)
        return rules
    }

    static let local = rules { $0.backendAccepts = false }

    // MARK: Identifiers

    /// Stateless actions, and a stream of Redis.
    static let chat = #""{\"channel\":\"ChatChannel\",\"room\":\"1\"}""#
    static let otherChat = #""{\"channel\":\"ChatChannel\",\"room\":\"2\"}""#
    /// Its actions leave state behind, and other processes publish nothing to it.
    static let board = #""{\"channel\":\"BoardChannel\"}""#
    /// Not listed.
    static let game = #""{\"channel\":\"GameChannel\"}""#

    static let chatStream = Array("chat-1".utf8)

    // MARK: Messages

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    static func command(_ word: String, _ identifier: String, _ rest: String = "") -> [UInt8] {
        bytes(#"{"command":"\#(word)","identifier":\#(identifier)\#(rest)}"#)
    }

    static func subscribe(_ identifier: String) -> RelayMachine.Event {
        .clientCommand(command("subscribe", identifier))
    }
    static func unsubscribe(_ identifier: String) -> RelayMachine.Event {
        .clientCommand(command("unsubscribe", identifier))
    }
    static func perform(_ identifier: String, _ data: String = "1") -> RelayMachine.Event {
        .clientCommand(performed(identifier, data))
    }
    static func performed(_ identifier: String, _ data: String = "1") -> [UInt8] {
        command("message", identifier, #","data":"\#(data)""#)
    }

    static func typed(_ type: String, _ rest: String = "") -> [UInt8] { bytes(#"{"type":"\#(type)"\#(rest)}"#) }
    static let welcome = RelayMachine.Event.message(typed("welcome"))
    static let ping = RelayMachine.Event.message(typed("ping", #","message":1700000000"#))
    static func confirmation(_ identifier: String) -> [UInt8] {
        bytes(#"{"identifier":\#(identifier),"type":"confirm_subscription"}"#)
    }
    static func confirm(_ identifier: String) -> RelayMachine.Event { .message(confirmation(identifier)) }
    static func rejection(_ identifier: String) -> [UInt8] {
        bytes(#"{"identifier":\#(identifier),"type":"reject_subscription"}"#)
    }
    static func reject(_ identifier: String) -> RelayMachine.Event { .message(rejection(identifier)) }
    static func data(_ identifier: String, _ text: String = "hello") -> [UInt8] {
        bytes(#"{"identifier":\#(identifier),"message":"\#(text)"}"#)
    }
    static func disconnection(_ reason: String, reconnect: Bool = true) -> [UInt8] {
        typed("disconnect", #","reason":"\#(reason)","reconnect":\#(reconnect)"#)
    }

    // MARK: Clients

    /// Attached, with confirmed subscriptions.
    static func attached(_ identifiers: [String] = [chat], _ rules: RelayMachine.Rules = rules) -> RelayBench {
        var bench = RelayBench(rules)
        for identifier in identifiers { bench.tell([subscribe(identifier), confirm(identifier)]) }
        return bench
    }

    static func hibernating(_ identifiers: [String] = [chat], _ rules: RelayMachine.Rules = rules) -> RelayBench {
        var bench = attached(identifiers, rules)
        bench.tell([.backendStops(canListen: true), .upstreamEnded(hasGap: false)])
        #expect(bench.state == .hibernating)
        return bench
    }

    static func waking(_ identifiers: [String] = [chat], _ rules: RelayMachine.Rules = rules) -> RelayBench {
        var bench = hibernating(identifiers, rules)
        bench.tell(perform(chat))
        return bench
    }

    static func replaying(_ identifiers: [String] = [chat], _ rules: RelayMachine.Rules = rules) -> RelayBench {
        var bench = waking(identifiers, rules)
        bench.tell(welcome)
        return bench
    }

    static func detaching(_ identifiers: [String] = [chat], _ rules: RelayMachine.Rules = rules) -> RelayBench {
        var bench = attached(identifiers, rules)
        bench.tell(.backendStops(canListen: true))
        return bench
    }

    static func over() -> RelayBench {
        var bench = attached([game])
        bench.tell(.upstreamEnded(hasGap: false))
        #expect(bench.state == .over)
        return bench
    }
}
