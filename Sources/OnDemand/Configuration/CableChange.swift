/// What a reload changes about a cable of the same name.
enum CableChange: Equatable {
    case unchanged
    /// Only these parts; clients stay connected unless the Redis server is another.
    case changed(CableParts)
    case enabled
    /// Its clients are disconnected, and its paths get 503.
    case disabled
    case added

    init(from old: Configuration.Cable, to new: Configuration.Cable) {
        let parts = CableParts(from: old, to: new)
        self =
            if old.enabled != new.enabled { new.enabled ? .enabled : .disabled } else if parts.isEmpty {
                .unchanged
            } else { .changed(parts) }
    }

    /// Whether messages may have been missed, so that clients have to reconnect.
    var disconnectsClients: Bool {
        switch self {
        case .changed(let parts): parts.contains(.redis)
        case .disabled: true
        case .unchanged, .enabled, .added: false
        }
    }
}

/// The parts of a cable that can change by themselves.
struct CableParts: OptionSet {
    let rawValue: UInt8

    /// Where clients connect.
    static let paths = CableParts(rawValue: 1 << 0)
    /// Which clients are accepted: protocols, origins, tokens. Clients that are connected stay.
    static let admission = CableParts(rawValue: 1 << 1)
    /// Which subscriptions are accepted. Present subscriptions stay.
    static let streams = CableParts(rawValue: 1 << 2)
    static let limits = CableParts(rawValue: 1 << 3)
    static let pingInterval = CableParts(rawValue: 1 << 4)
    /// Where and how programs publish.
    static let broadcast = CableParts(rawValue: 1 << 5)
    /// The Redis server, or the names of its channels.
    static let redis = CableParts(rawValue: 1 << 6)
    /// The backend, what accepts clients, and hibernation. Clients stay connected; those of another backend are asked
    /// to reconnect.
    static let backend = CableParts(rawValue: 1 << 7)

    init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Name and ENABLE flag are not among them.
    init(from old: Configuration.Cable, to new: Configuration.Cable) {
        self = []
        if old.paths != new.paths { insert(.paths) }
        if old.admission != new.admission { insert(.admission) }
        if old.streams != new.streams { insert(.streams) }
        if old.limits != new.limits { insert(.limits) }
        if old.pingInterval != new.pingInterval { insert(.pingInterval) }
        if old.broadcast != new.broadcast { insert(.broadcast) }
        if old.redis != new.redis { insert(.redis) }
        if old.backend != new.backend || old.connect != new.connect || old.hibernation != new.hibernation {
            insert(.backend)
        }
    }
}

extension Configuration.Cable {
    /// Every field outside of the other parts. A new field belongs here until it gets a part of its own.
    fileprivate var admission: Configuration.Cable {
        var cable = self
        cable.enabled = true
        cable.paths = []
        cable.streams = Streams()
        cable.limits = Configuration.CableLimits()
        cable.pingInterval = .zero
        (cable.broadcast, cable.redis) = (nil, nil)
        (cable.backend, cable.connect, cable.hibernation) = (nil, .local, nil)
        return cable
    }
}
