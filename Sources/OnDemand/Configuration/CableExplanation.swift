/// What a cable does, in words.
struct CableExplanation {
    let configuration: Configuration

    func lines(of cable: Configuration.Cable) -> String {
        let title = "\(cable.name): \(cable.paths.map(\.text).joined(separator: ", "))\n"
        guard cable.enabled else { return title + Explanation.lines([("requests", "get 503: it is not enabled.")]) }
        var entries: [(String, String)] = [
            ("clients", Self.clients(cable, hasStatus: configuration.status != nil)), ("streams", Self.streams(cable)),
            ("broadcasts", Self.broadcasts(cable)),
        ]
        if let redis = cable.redis { entries.append(("redis", Self.redis(redis))) }
        entries += backendEntries(of: cable) + [("limits", Self.limits(cable)), ("changed file", changes(cable))]
        return title + Explanation.lines(entries)
    }

    private static func clients(_ cable: Configuration.Cable, hasStatus: Bool) -> String {
        let protocols: String =
            switch (cable.actionCable, cable.turboCable) {
            case (true, true):
                "Clients that offer actioncable-v1-json speak Action Cable, and clients without a subprotocol"
                    + " TurboCable."
            case (true, false): "Clients speak Action Cable."
            case (false, _): "Clients without a subprotocol speak TurboCable."
            }
        let origins: String =
            switch cable.origins {
            case .sameOrigin: "Pages of another origin get 403\(hasStatus ? ", except the status page" : "")."
            case .listed(let rules) where rules.contains(.any): "Pages of every origin may connect."
            case .listed: "A page that is not among the allowed_origins, and a request without Origin, gets 403."
            }
        let interval =
            cable.actionCable ? " Action Cable clients get a ping every \(cable.pingInterval.shortText)." : ""
        return "\(protocols) \(origins) \(tokens(cable))\(interval)"
    }

    private static func tokens(_ cable: Configuration.Cable) -> String {
        guard let tokens = cable.tokens else { return "They need no token." }
        let places = "query parameter \(tokens.parameter), header X-JID or subprotocol"
        let refused: [String] = [
            cable.actionCable ? "Action Cable clients get disconnect with reason unauthorized" : nil,
            cable.turboCable ? "TurboCable clients get 401" : nil,
        ].compactMap(\.self)
        let without = tokens.isRequired ? "Without a valid one" : "They may do without, but with an invalid one"
        return "They present a token (\(places)). \(without), \(refused.joined(separator: ", and "))."
    }

    private static func streams(_ cable: Configuration.Cable) -> String {
        let (streams, hasBackend) = (cable.streams, cable.backend != nil)
        var sentences: [String] = []
        switch streams.publicStreams {
        case .none: break
        case .all: sentences.append("Every stream may be subscribed to without a signature.")
        case .matching(let patterns):
            let texts = patterns.map(\.text.withoutControls).joined(separator: ", ")
            sentences.append("Streams that match \(texts) may be subscribed to without a signature.")
        }
        for channel in streams.channels {
            let name = String(decoding: channel.name, as: UTF8.self).withoutControls
            sentences.append("\(name) streams \(channel.template.text.withoutControls).")
        }
        let keys = [
            streams.secret.map { _ in "\"secret\"" },
            streams.railsSecretKeyBase.map { _ in "\"rails_secret_key_base\"" },
        ].compactMap(\.self)
        sentences.append(
            keys.isEmpty
                ? "There is no key, so every signed name\(hasBackend ? " of $pubsub" : "") is rejected."
                : "Signed names are verified with \(keys.joined(separator: " and "))")
        if streams.railsSecretKeyBase != nil, streams.secret == nil {
            sentences[sentences.count - 1] += " (Turbo only)"
        }
        if !keys.isEmpty { sentences[sentences.count - 1] += "." }
        if !hasBackend { sentences.append("All other subscriptions are rejected.") }
        return sentences.joined(separator: " ")
    }

    private static func broadcasts(_ cable: Configuration.Cable) -> String {
        guard let broadcast = cable.broadcast else {
            return "Programs cannot publish by HTTP. \"ondemandd broadcast \(cable.name) STREAM DATA\" does."
        }
        let listener = broadcast.listen.map { "any path of \(ListenerSpec(place: $0, purpose: .clients))" }
        let places = [broadcast.path?.text, listener].compactMap(\.self).joined(separator: " or ")
        let access =
            broadcast.key == nil
            ? "Only this machine may, and only without the header fields of a proxy; others get 403."
            : "Requests without the key get 401."
        return "Programs POST to \(places). \(access) A body over \(size(broadcast.maximumBodyBytes)) gets 413."
    }

    private static func redis(_ redis: Configuration.Cable.Redis) -> String {
        let prefix = redis.channelPrefix.map { ", with the channel prefix \($0.withoutControls)" } ?? ""
        return
            "While a client is subscribed, the daemon is connected to \(redis.url)\(prefix). Broadcasts go through it."
            + " After a lost connection clients reconnect, because messages may have been missed."
    }

    private static func limits(_ cable: Configuration.Cable) -> String {
        let limits = cable.limits
        let clients = limits.maximumConnections.map { " Up to \($0) clients; more get 503." } ?? ""
        return "A message over \(size(UInt64(limits.maximumMessageBytes))) ends the connection with 1009."
            + " A client has up to \(limits.maximumSubscriptions) subscriptions. A client with more than"
            + " \(size(UInt64(limits.maximumQueuedBytes))) queued, or without progress for"
            + " \(limits.sendTimeout.shortText), is disconnected as too slow.\(clients)"
    }

    private func changes(_ cable: Configuration.Cable) -> String {
        let backend =
            cable.backend == nil
            ? ""
            : " With another \"backend\" they are asked to reconnect, and with another entry of a channel its"
                + " hibernating clients."
        return "A reload keeps the clients.\(backend) Without the cable, or with another \"redis\", they are closed"
            + " with 1001 \(Explanation.spread(configuration.closeJitter))."
    }

    /// In the largest unit that divides it.
    private static func size(_ bytes: UInt64) -> String {
        for (unit, shift) in [("GiB", 30), ("MiB", 20), ("KiB", 10)] where bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(unit)"
        }
        return "\(bytes)B"
    }
}
