/// After a wake: the clients of one cable that hibernate are connected to the backend again, some at a time, so that
/// they hear what it broadcasts.
///
/// A client with a command asks for itself. The others follow in order of their sessions, at most
/// `Limits.restoresAtOnce` at a time. With Redis a command is sent when its own client is restored, because broadcasts
/// reach the hibernating clients as well. Without, it waits until all clients of the backend, those of other cables
/// too, are restored or have failed. So does a command of a client that has been attached meanwhile: it is *held*.
///
/// Invariant: `running` is the number of sessions whose machine is restoring.
final class Restoring<K: Kernel> {
    private let cable: CableDriver<K>
    private let sessions: CableSessionTable<K>
    private let leases: CableSessionLeases
    private let links: RelayLinks<K>
    private unowned let owner: CableRelays<K>
    private unowned let group: any RelayGroup
    /// The next session to look at; nil while none is to be restored.
    private var next: Int?
    /// Sessions that are being connected again.
    private(set) var running = 0

    init(
        of cable: CableDriver<K>, sessions: CableSessionTable<K>, leases: CableSessionLeases, links: RelayLinks<K>,
        owner: CableRelays<K>, group: any RelayGroup
    ) {
        self.cable = cable
        self.sessions = sessions
        self.leases = leases
        self.links = links
        self.owner = owner
        self.group = group
    }

    var isActive: Bool { next != nil }

    // MARK: The search

    /// Called when the backend may be awake, and when a client needs it.
    func begin() {
        guard owner.backend != nil else { return }
        if next == nil {
            var isNeeded = false
            owner.visit { _, relay in isNeeded = isNeeded || owner.needsRestoring(relay) }
            guard isNeeded else { return }
            next = 0
        }
        cable.touch()
    }

    /// This session needs to be restored.
    func include(_ index: Int) {
        next = min(next ?? index, index)
        cable.touch()
    }

    /// The same for a session that a search has passed while it had an upstream.
    func lookAgain(at index: Int) {
        guard let next, index < next else { return }
        include(index)
    }

    func note(wasRestoring: Bool, isRestoring: Bool) {
        guard wasRestoring != isRestoring else { return }
        running += isRestoring ? 1 : -1
        // Another client may follow; one without streams is restored without a call of the cable.
        if !isRestoring, next != nil { cable.touch() }
    }

    /// Connects the next clients; called at the end of each turn in which something has happened.
    func proceed() {
        guard let first = next, let backend = owner.backend else { return }
        guard leases.isOpen(backend) else {
            // Asleep, or starting: its state changes first. Without a start there is nothing to wait for.
            if running == 0 { end(behind: backend) }
            return
        }
        var index = first
        let end = sessions.end
        while index < end, running < Limits.restoresAtOnce {
            defer { index += 1 }
            next = index + 1
            guard let relay = sessions.relay(of: index), sessions.peek(at: index, for: { $0.cable == cable.id }),
                owner.needsRestoring(relay)
            else { continue }
            owner.apply(.backendAwake, to: relay, of: index)
        }
        if index >= end, running == 0 { self.end(behind: backend) }
    }

    /// The cable ends, or leaves this backend: clients of other cables wait for its own ones no longer.
    func stop() { if next != nil, let backend = owner.backend { end(behind: backend) } }

    private func end(behind backend: BackendID) {
        next = nil
        if !group.isRestoring(behind: backend) { group.restored(behind: backend) }
    }

    // MARK: Client commands that wait

    /// All clients of this backend are restored: commands that have waited for them are sent.
    func letAllGo(behind backend: BackendID) {
        owner.visit(behind: backend) { index, relay in
            if case .restored = relay.machine.state {
                links.disarmWake(index, relay)
                owner.apply(.commandsMayLeave, to: relay, of: index)
            } else {
                letHeldGo(index, relay)
            }
        }
    }

    /// All subscriptions of this client are confirmed.
    func letCommandsGo(_ index: Int, _ relay: Relay) {
        // Its time runs on until its commands are sent.
        guard cable.hasSource || !group.isRestoring(behind: relay.backend) else { return cable.touch() }
        links.disarmWake(index, relay)
        owner.apply(.commandsMayLeave, to: relay, of: index)
    }

    /// Without Redis, an action of an attached client waits for clients that would miss its broadcasts; what the client
    /// sends after it stays behind it. The client is not read meanwhile, so that what is held is not more than one
    /// read.
    func holds(_ command: RelayMachine.Event, _ relay: Relay, of index: Int) -> Bool {
        guard !relay.held.isEmpty || isToBeHeld(command, relay) else { return false }
        if relay.held.isEmpty { links.armWake(index) }
        relay.held.append(command)
        sessions.pause(index)
        return true
    }

    private func isToBeHeld(_ command: RelayMachine.Event, _ relay: Relay) -> Bool {
        guard relay.machine.isAttached, !cable.hasSource, group.isRestoring(behind: relay.backend),
            case .clientCommand(let text) = command
        else { return false }
        return (try? ActionCableProtocol.read(text.span))?.command == .message
    }

    /// `isDue`: their time is over, and they are sent whether all other clients are restored or not.
    func letHeldGo(_ index: Int, _ relay: Relay, isDue: Bool = false) {
        guard !relay.held.isEmpty else { return }
        let held = relay.held
        relay.held = []
        if relay.machine.isAttached { links.disarm(index) }
        sessions.resume(index)
        for command in held where sessions.has(relay, index) { owner.relay(command, of: index, mayHold: !isDue) }
    }
}
