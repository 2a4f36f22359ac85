/// A cable's backend in words: what reaches it, and what happens to each channel when it sleeps.
extension CableExplanation {
    func backendEntries(of cable: Configuration.Cable) -> [(String, String)] {
        guard let name = cable.backend, let service = configuration.services.first(where: { $0.name == name }) else {
            return []
        }
        var entries = [("backend", Self.forwarding(cable, to: name))]
        if let hibernation = cable.hibernation {
            entries.append(("hibernation", Self.sleep(hibernation, of: service, hasRedis: cable.redis != nil)))
        }
        let channels = Self.channels(cable, Sleep(of: service, cable.hibernation))
        return entries + channels.enumerated().map { ($0.offset == 0 ? "channels" : "", $0.element) }
    }

    private static func forwarding(_ cable: Configuration.Cable, to name: String) -> String {
        var sentences: [String] = []
        switch cable.connect {
        case .backend:
            let clients = cable.actionCable && cable.turboCable ? "Action Cable client" : "client"
            if cable.actionCable {
                sentences.append(
                    "\(name) accepts or rejects each new \(clients): the upgrade is queued while it starts, and its"
                        + " response is relayed.")
            }
            if cable.turboCable { sentences.append("TurboCable clients are accepted without it.") }
        case .local:
            sentences.append(
                "The daemon accepts each client. It connects to \(name) for a client at the first subscription or"
                    + " action that it does not serve itself.")
            if cable.turboCable { sentences.append("TurboCable clients never need it.") }
        }
        sentences.append("Plain requests, and WebSockets with other subprotocols, are forwarded to it.")
        return sentences.joined(separator: " ")
    }

    private static func sleep(
        _ hibernation: Configuration.Cable.Hibernation, of service: Configuration.Service, hasRedis: Bool
    ) -> String {
        var sentences: [String] = []
        if service.sleepsAfter != nil {
            sentences.append(
                "While \(service.name) sleeps, its clients stay connected. The first message of a client that needs"
                    + " it starts it, and all subscriptions are replayed.")
            if hibernation.sendsNotice { sentences.append("Clients then get a second welcome.") }
            if !hasRedis {
                sentences.append(
                    "Without \"redis\" the daemon does not hear what other processes publish through the backend's"
                        + " adapter meanwhile.")
            }
        } else {
            sentences.append("\(service.name) is never stopped when idle, so no client hibernates.")
        }
        if let age = hibernation.maximumAge {
            sentences.append("A client that has been connected for \(age.shortText) is asked to reconnect.")
        }
        return sentences.joined(separator: " ")
    }

    /// What a forwarded subscription means for the backend.
    private enum Sleep {
        /// The backend does not sleep when idle.
        case never
        /// Every open upstream keeps it awake.
        case withoutClients
        case hibernation(Configuration.Cable.Hibernation)

        init(of service: Configuration.Service, _ hibernation: Configuration.Cable.Hibernation?) {
            self =
                if service.sleepsAfter == nil { .never } else if let hibernation { .hibernation(hibernation) } else {
                    .withoutClients
                }
        }
    }

    /// Returns a text for each channel that has a name in the file, and one for all others.
    private static func channels(_ cable: Configuration.Cable, _ sleep: Sleep) -> [String] {
        let mapped = cable.streams.channels.map(\.name).map { "\(shown($0)) is served by the daemon." }
        let hasKey = cable.streams.secret != nil || cable.streams.railsSecretKeyBase != nil
        let turbo: String
        switch sleep {
        case .never: turbo = "is forwarded"
        case .withoutClients: turbo = "is forwarded and keeps the backend awake"
        case .hibernation: turbo = "is replayed after a sleep"
        }
        let served = "Turbo::StreamsChannel is served by the daemon if a key verifies the name; otherwise it \(turbo)."
        let texts =
            ["$pubsub is served by the daemon."] + mapped
            + [hasKey ? served : "Turbo::StreamsChannel \(turbo)."]
        switch sleep {
        case .never: return texts + ["Every other channel is forwarded."]
        case .withoutClients: return texts + ["Every other channel is forwarded and keeps the backend awake."]
        case .hibernation(let hibernation):
            let listed = hibernation.channels.map { Self.replay($0) }
            return texts + listed + ["Every other channel keeps the backend awake."]
        }
    }

    private static func replay(_ channel: ReplayableChannel) -> String {
        let name = shown(channel.name)
        var sentences = [
            channel.hasStatelessActions
                ? "\(name) is replayed after a sleep, also when a client has performed actions."
                : "\(name) is replayed after a sleep. A client that has performed an action keeps the backend awake."
        ]
        if let streams = channel.streams, !streams.isEmpty {
            let names = streams.map(\.text.withoutControls).joined(separator: ", ")
            sentences.append("While the backend sleeps, the daemon delivers messages of \(names).")
        }
        return sentences.joined(separator: " ")
    }

    private static func shown(_ name: [UInt8]) -> String { String(decoding: name, as: UTF8.self).withoutControls }
}

extension Configuration.Service {
    /// The time of inactivity after which it is stopped; nil: it never is.
    fileprivate var sleepsAfter: Duration? { launch == nil || policy.alwaysOn ? nil : policy.idleTimeout }
}
