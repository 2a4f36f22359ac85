/// The cables by number and by name: added, changed, and drained when they or the daemon go.
///
/// A number is used again when its earlier cable is over and nothing refers to it. A removed cable keeps its number
/// until its last client has left; another one may have its name meanwhile.
final class CableTable<K: Kernel> {
    struct Entry {
        let cable: CableDriver<K>
        let relays: CableRelays<K>
    }

    private let reactor: Reactor<K>
    private let log: Log
    private let sessions: CableSessionTable<K>
    private let upstreams: UpstreamConnections<K>
    private let leases: CableSessionLeases
    private unowned let owner: any CableOwner
    /// By the index of their `CableID`; nil where no cable has the number.
    private var entries: [Entry?] = []
    /// Clients that are to reconnect for the same reason are told within this time, so that they do not all come back
    /// at once.
    var closeJitter = Duration.zero

    init(
        reactor: Reactor<K>, log: Log, sessions: CableSessionTable<K>, upstreams: UpstreamConnections<K>,
        leases: CableSessionLeases, owner: any CableOwner
    ) {
        self.reactor = reactor
        self.log = log
        self.sessions = sessions
        self.upstreams = upstreams
        self.leases = leases
        self.owner = owner
    }

    // MARK: Looking up

    /// nil: no cable has this number any more.
    subscript(id: CableID) -> Entry? { entries.indices.contains(id.index) ? entries[id.index] : nil }

    /// In order of their numbers.
    var all: [Entry] { entries.compactMap(\.self) }
    /// Exclusive upper bound of the numbers in use.
    var end: Int { entries.count }

    /// The number of the cable with this name in the configuration.
    func id(named name: String) -> CableID? { all.first { $0.cable.name == name && !$0.cable.isRemoved }?.cable.id }

    /// Where messages for this cable go: after its removal to the clients that have not left yet.
    func target(named name: String) -> CableDriver<K>? {
        let all = all.map(\.cable)
        return all.first { $0.name == name && !$0.isRemoved } ?? all.first { $0.name == name }
    }

    func describe(_ id: CableID, in description: inout Snapshot.Cable) {
        guard let entry = self[id] else { return }
        entry.cable.describe(in: &description)
        description.backend = entry.relays.describe()
    }

    // MARK: The configuration

    /// A number is used again only if it `isUnused`: no request or client of its earlier cable is on its way.
    func add(_ definition: CableDriver<K>.Definition, isUnused: (CableID) -> Bool) {
        let free = entries.indices.first { entries[$0] == nil && isUnused(CableID(index: $0)) }
        let id = CableID(index: free ?? entries.count)
        if free == nil { entries.append(nil) }
        let cable = CableDriver(id, definition, reactor: reactor, log: log, owner: owner)
        let relays = CableRelays(
            of: cable, reactor: reactor, sessions: sessions, upstreams: upstreams, leases: leases, group: self)
        relays.update(definition.backend)
        entries[id.index] = Entry(cable: cable, relays: relays)
        owner.congestionChanged(of: definition.name)
    }

    /// Limits, streams or keys have changed; clients and their subscriptions stay.
    func update(_ id: CableID, _ definition: CableDriver<K>.Definition) { self[id]?.cable.update(definition) }

    /// Applies another backend, or other settings of it.
    func update(_ id: CableID, _ settings: CableDriver<K>.BackendSettings?) { self[id]?.relays.update(settings) }

    /// A service leaves the configuration: no client keeps a way to it.
    func forget(_ backend: BackendID) { for entry in all { entry.relays.forget(backend) } }

    // MARK: Ends

    /// Disconnects all clients of a cable within `window`, behind the messages that are accepted, for which they wait
    /// until `bound`.
    func drain(_ id: CableID, over window: Duration, waitingUntil bound: Instant, isRemoval: Bool = false) {
        self[id]?.cable.drain(over: window, waitingUntil: bound, isRemoval: isRemoval)
        release(id)
        // Also where no event of this turn follows.
        reactor.resumeLater(.cableDelivery)
    }

    /// The same for a wait of this length.
    func drain(_ id: CableID, over window: Duration, waitingFor time: Duration, isRemoval: Bool) {
        drain(id, over: window, waitingUntil: reactor.kernel.now() + time, isRemoval: isRemoval)
    }

    func continueDrain(of id: CableID) {
        self[id]?.cable.continueDrain()
        release(id)
    }

    /// Frees the number of a removed cable that has no session left.
    func release(_ id: CableID) {
        guard let entry = self[id], entry.cable.isOver else { return }
        let cable = entry.cable
        cable.close()
        entry.relays.stopRestoring()
        entries[id.index] = nil
        owner.congestionChanged(of: cable.name)
    }

    /// Nothing is on its way to Redis.
    var areSourcesSettled: Bool { all.allSatisfy(\.cable.isSourceSettled) }

    /// Closes the connections to Redis, which may outlive the clients.
    func closeSources() { for entry in all { entry.cable.closeSource() } }
}

/// Cables may have the same backend.
extension CableTable: RelayGroup {
    func beginRestoring(behind backend: BackendID) {
        for entry in all where entry.relays.backend == backend { entry.relays.beginRestoring() }
    }

    func isRestoring(behind backend: BackendID) -> Bool {
        all.contains { $0.relays.backend == backend && $0.relays.isRestoring }
    }

    func restored(behind backend: BackendID) { for entry in all { entry.relays.letAllGo(behind: backend) } }
}
