@testable import OnDemand

/// Whatever a client, its backend and the network do in whatever order, nothing traps and every invariant of
/// `RelayModel` holds.
///
/// The bits of the first byte choose the cable's rules. Each line after it is an event. Its first byte decides: `>` a
/// text of the client, `<` a text of the backend, `b` and `B` the same with binary content, and a letter of `event` for
/// everything else. Any other line is a text of the client.
enum RelaySessionProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        guard let choice = input.first else { return }
        var rules = RelayMachine.Rules()
        rules.backendAccepts = choice & 1 == 0
        rules.hibernates = choice & 2 == 0
        rules.hasSource = choice & 4 == 0
        rules.clientsKeepAwake = choice & 8 == 0
        rules.sendsNotice = choice & 16 != 0
        rules.maximumSubscriptions = 3
        rules.channels.listed = listed
        var model = RelayModel(isAttached: choice & 32 == 0, rules: rules)
        for line in input.dropFirst().split(separator: UInt8(ascii: "\n")) {
            let event = event(Array(line))
            model.apply(event)
            try promise(model.violation == nil, "\(model.violation ?? ""), at \(event)")
        }
    }

    private static let listed = [
        ReplayableChannel(
            name: Array("ChatChannel".utf8), hasStatelessActions: true,
            streams: [try? StreamTemplate("chat-{room}")].compactMap { $0 }),
        ReplayableChannel(name: Array("BoardChannel".utf8), streams: []),
        ReplayableChannel(name: Array("FeedChannel".utf8)),
    ]

    private static func event(_ line: [UInt8]) -> RelayMachine.Event {
        let content = Array(line.dropFirst())
        return switch line.first {
        case UInt8(ascii: ">"): .clientCommand(content)
        case UInt8(ascii: "<"): .message(content)
        case UInt8(ascii: "b"): .clientSentBinary(content)
        case UInt8(ascii: "B"): .upstreamSentBinary(content)
        case UInt8(ascii: "e"): .upstreamEnded(hasGap: false)
        case UInt8(ascii: "E"): .upstreamEnded(hasGap: true)
        case UInt8(ascii: "r"): .upstreamRefused(isFinal: false)
        case UInt8(ascii: "R"): .upstreamRefused(isFinal: true)
        case UInt8(ascii: "f"): .wakeFailed(isAwake: false)
        case UInt8(ascii: "a"): .backendAwake
        case UInt8(ascii: "s"): .backendStops(canListen: true)
        case UInt8(ascii: "S"): .backendStops(canListen: false)
        case UInt8(ascii: "m"): .commandsMayLeave
        default: .clientCommand(line)
        }
    }
}
