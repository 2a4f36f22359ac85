/// The relays of one cable's clients: events for their machines, and what the machines decide.
///
/// The cable forwards a message that it does not serve; the client's `RelayMachine` decides whether it is sent, queued
/// or answered. Its effects are performed in order. An effect that fails at once becomes an event of its own.
///
/// `RelayLinks` has their ways to the backend, and `Restoring` decides which clients follow after a wake.
///
/// Invariants:
/// - A relay ends in `end`, whatever the cause: its upstream, ticket, timer, lease and listened streams end together.
/// - `count` is the number of this cable's sessions with a relay.
final class CableRelays<K: Kernel> {
    private let cable: CableDriver<K>
    private let reactor: Reactor<K>
    private let sessions: CableSessionTable<K>
    private let leases: CableSessionLeases
    private var links: RelayLinks<K>!
    private var restoring: Restoring<K>!
    private unowned let group: any RelayGroup
    /// The service that serves what the cable does not; nil without one.
    private(set) var backend: BackendID?
    private(set) var rules = RelayMachine.Rules()
    /// Clients are asked to reconnect after this time; nil without a limit.
    private var maximumAge: Duration?
    /// What their journals share.
    private var copies = RecentCopies()
    private(set) var count = 0
    /// Deliveries that end behind a fence of the source, in order.
    private(set) var fences = Queue<(session: Token, identifier: [UInt8], number: UInt64)>()
    private var lastFence: UInt64 = 0
    /// When ages and silences are looked at next.
    private var nextLook = Instant(nanoseconds: 0)
    private(set) var counters = HibernationCounters()

    init(
        of cable: CableDriver<K>, reactor: Reactor<K>, sessions: CableSessionTable<K>,
        upstreams: UpstreamConnections<K>, leases: CableSessionLeases, group: any RelayGroup
    ) {
        self.cable = cable
        self.reactor = reactor
        self.sessions = sessions
        self.leases = leases
        self.group = group
        links = RelayLinks(reactor: reactor, sessions: sessions, upstreams: upstreams, leases: leases, owner: self)
        restoring = Restoring(
            of: cable, sessions: sessions, leases: leases, links: links, owner: self, group: group)
    }

    private var kernel: K { reactor.kernel }

    /// Applies another backend, or other settings of it. Clients of another backend are asked to reconnect, within
    /// `closeJitter`.
    func update(_ settings: CableDriver<K>.BackendSettings?) {
        let isSame = backend == settings?.backend
        let areRulesSame = rules == settings?.rules
        if !isSame { stopRestoring() }
        (backend, maximumAge, rules) = (settings?.backend, settings?.maximumAge, settings?.rules ?? .init())
        guard !isSame || !areRulesSame else { return }
        visit { index, relay in
            if isSame {
                apply(.rulesChanged, to: relay, of: index, within: group.closeJitter)
            } else {
                end(index)
                depart(index, .backendLost, within: group.closeJitter)
            }
        }
    }

    /// A service leaves the configuration, and its number may be given to another one: no client may keep a way to it,
    /// also of a cable that leaves too and has not told its clients yet.
    func forget(_ backend: BackendID) {
        visit(behind: backend) { index, _ in
            end(index)
            depart(index, .backendLost, within: group.closeJitter)
        }
    }

    func visit(behind backend: BackendID? = nil, _ body: (Int, Relay) -> Void) {
        guard count > 0 else { return }
        sessions.visitRelays(
            where: { $0.cable == cable.id && (backend == nil || $1.backend == backend) }, body)
    }

    // MARK: Attaching

    /// A client with a backend. `transfer.upstream`: the connection over which the backend has accepted it.
    func attach(_ index: Int, _ transfer: BackendTransfer) {
        let relay = Relay(
            RelayMachine(isAttached: transfer.upstream != nil), backend: transfer.id, head: transfer.request.takeHead(),
            path: transfer.path, began: kernel.now())
        sessions.attach(relay, to: index)
        count += 1
        if count == 1 { cable.listen(SubscriberMachine.remoteDisconnects) }
        guard let accepted = transfer.upstream else { return }
        links.adopt(accepted, relay, index)
        guard sessions.has(relay, index) else { return }
        if !leases.isOpen(relay.backend, for: accepted.generation) { stopRelaying(index, relay) }
        // The configuration has changed while the backend accepted the client.
        if sessions.has(relay, index), backend != transfer.id {
            end(index)
            depart(index, .backendLost, within: group.closeJitter)
        }
    }

    // MARK: Client commands

    /// A message of the client for the backend.
    func relay(_ command: RelayMachine.Event, of index: Int, mayHold: Bool = true) {
        guard let relay = sessions.relay(of: index) else { return relayNothing(command, of: index) }
        guard !mayHold || !restoring.holds(command, relay, of: index) else { return }
        // Between the decision to stop and the end of the upstream no command is sent: it might be lost.
        if let upstream = relay.upstream, upstream.stage == .open,
            !leases.isOpen(relay.backend, for: upstream.generation)
        {
            stopRelaying(index, relay)
        }
        apply(command, to: relay, of: index)
        // What the backend does not read is not read from the client either.
        if let upstream = relay.upstream, upstream.unsent.count > Limits.relayQueueBytes { sessions.pause(index) }
    }

    /// The client was connected when its cable had no backend, or another one. It gets a way to the backend by a
    /// connection of its own, and would wait in vain for a response to its subscription.
    private func relayNothing(_ command: RelayMachine.Event, of index: Int) {
        guard case .clientCommand(let text) = command, let request = try? ActionCableProtocol.read(text.span),
            request.command == .subscribe || sessions.peek(at: index, for: { $0.departure != nil })
        else {
            counters.ignoredCommands += 1
            return
        }
        depart(index, .backendLost, within: .zero)
    }

    // MARK: The machine

    /// `window`: clients that have to reconnect are told within this time.
    func stopRelaying(_ index: Int, _ relay: Relay, within window: Duration = .zero) {
        // No close frame can be sent, and the last command may not have arrived.
        if relay.upstream?.isBroken == true { return links.closed(index, relay) }
        let canListen = cable.machine.hearsAll(relay.machine.streams)
        apply(.backendStops(canListen: canListen), to: relay, of: index, within: window)
    }

    func apply(_ event: RelayMachine.Event, to relay: Relay, of index: Int, within window: Duration = .zero) {
        let generation = sessions.peek(at: index) { $0.generation }
        var effects: [RelayMachine.Effect] = []
        let wasRestoring = relay.machine.isRestoring
        let wasInFlight = relay.machine.hasCommandInFlight
        let subscriptionCount = relay.machine.journal.count
        relay.machine.apply(event, rules, &effects)
        if relay.machine.journal.count > subscriptionCount { relay.machine.share(&copies) }
        if needsRestoring(relay) { restoring.lookAgain(at: index) }
        if case .detaching = relay.machine.state {
            if wasInFlight {
                relay.upstream?.hasCommandInFlight = true
            } else if case .message = event, effects.contains(where: \.isDelivery) {
                // R21: a command is in flight until the next message of the backend.
                relay.upstream?.hasCommandInFlight = false
            }
        }
        restoring.note(wasRestoring: wasRestoring, isRestoring: relay.machine.isRestoring)
        var isActive = false
        for effect in effects {
            // An effect before may have ended the client.
            guard sessions.contains(index: index, generation: generation), sessions.has(relay, index) else { return }
            isActive = isActive || effect.isData
            perform(effect, relay, index, within: window)
        }
        if isActive { leases.recordClientData(for: relay.backend, at: kernel.now()) }
        guard sessions.contains(index: index, generation: generation), sessions.has(relay, index) else { return }
        if case .restored = relay.machine.state { restoring.letCommandsGo(index, relay) }
    }

    private func perform(
        _ effect: RelayMachine.Effect, _ relay: Relay, _ index: Int, within window: Duration
    ) {
        switch effect {
        case .acquire(let trigger):
            counters.count(trigger)
            if trigger != .restore { group.beginRestoring(behind: relay.backend) }
            links.wake(index, relay, trigger)
        case .acquireAgain: links.retry(index, relay)
        case .send(let text): links.send(.text, text, relay, index)
        case .sendBinary(let payload): links.send(.binary, payload, relay, index)
        case .deliver(let text): toClient(index) { $0.deliver(text, to: $1, at: $2, &$3) }
        case .deliverBinary(let payload): toClient(index) { $0.deliverBinary(payload, to: $1, at: $2, &$3) }
        case .confirm(let identifier): toClient(index) { $0.confirm(identifier, to: $1, at: $2, &$3) }
        case .reject(let identifier): toClient(index) { $0.reject(identifier, to: $1, at: $2, &$3) }
        case .notify: toClient(index) { $0.deliver(Array(#"{"type":"welcome"}"#.utf8), to: $1, at: $2, &$3) }
        case .beginDelivery(let identifier, let streams):
            toClient(index) { machine, client, _, _ in machine.beginDelivery(to: client, identifier, streams) }
        case .dropDelivery(let identifier): endDelivery(of: identifier, to: index)
        case .endDelivery(let identifier): fence(identifier, relay, index)
        case .listen(let streams): cable.call { machine, _, _ in machine.listenAhead(to: streams) }
        case .stopListening(let streams): cable.call { machine, _, _ in machine.stopListeningAhead(to: streams) }
        case .pinged: relay.upstream?.notePing(at: kernel.now())
        case .closeUpstream: links.beginClosing(index, relay)
        case .abortUpstream: links.abort(index, relay)
        case .takeLease: if !links.takeLease(relay) { stopRelaying(index, relay) }
        case .returnLease: links.returnLease(relay)
        case .disconnect(let reason):
            counters.count(reason)
            let address = sessions.peek(at: index) { $0.address }
            cable.log(.clientDisconnected, client: address, [LogField("reason", reason.rawValue)])
            if window > .zero { end(index) }
            depart(index, .backendLost, within: window)
        case .endClient: toClient(index) { $0.end($1, .byBackend, at: $2, &$3) }
        case .count(.replayed): counters.replayed += 1
        case .count(.ignoredCommand): counters.ignoredCommands += 1
        }
    }

    /// Calls the cable's machine with the client's number, if the client is open.
    private func toClient(
        _ index: Int, _ body: (inout CableMachine, UInt32, Instant, inout CableSessionWriter<K>) -> Void
    ) {
        guard case .open(let client) = sessions.peek(at: index, for: { $0.stage }) else { return }
        cable.call { body(&$0, client, $1, &$2) }
    }

    /// Asks a client to reconnect, at a random time within `window`. It stays subscribed until then.
    func depart(_ index: Int, _ departure: CableSession.Departure, within window: Duration) {
        guard window > .zero else { return toClient(index) { $0.end($1, departure.reason, at: $2, &$3) } }
        guard case .open = sessions.peek(at: index, for: { $0.stage }),
            sessions.peek(at: index, for: { $0.departure == nil })
        else { return }
        sessions.schedule(departure, of: index)
        sessions.armTimer(of: index, after: window * (Double(kernel.random() >> 11) * 0x1p-53))
    }

    // MARK: Deliveries in the backend's place

    private func endDelivery(of identifier: [UInt8], to index: Int) {
        toClient(index) { machine, client, _, _ in machine.endDelivery(to: client, identifier) }
    }

    private func fence(_ identifier: [UInt8], _ relay: Relay, _ index: Int) {
        guard cable.hasSource else { return }
        // An earlier fence of the same subscription ends nothing any more.
        lastFence += 1
        relay.fences[identifier] = lastFence
        fences.append((sessions.token(index), identifier, lastFence))
        cable.fence()
    }

    /// The delivery in the backend's place ends: everything from before the backend's confirmation has arrived.
    func fenced(hasFailed: Bool) {
        guard let (token, identifier, number) = fences.popFirst(), sessions.contains(token),
            let relay = sessions.relay(of: token.index), relay.fences[identifier] == number
        else { return }
        relay.fences[identifier] = nil
        if hasFailed { return toClient(token.index) { $0.end($1, .gap, at: $2, &$3) } }
        // A backend that has stopped meanwhile delivers nothing.
        if relay.machine.isServed(identifier) { endDelivery(of: identifier, to: token.index) }
    }

    /// Rails disconnects clients by their connection identifiers, which the daemon does not know: every client whose
    /// backend would not hear it reconnects, and is authenticated again.
    func remoteDisconnect(isGap: Bool) {
        visit { index, relay in
            guard !relay.machine.isAttached, relay.machine.hadUpstream else { return }
            toClient(index) { $0.end($1, isGap ? .gap : .remote(reconnect: true), at: $2, &$3) }
        }
    }

    // MARK: The backend

    /// The backend decides to stop: no command is sent from now on.
    func stopRelaying(behind backend: BackendID, _ generation: Generation, within window: Duration) {
        visit(behind: backend) { index, relay in
            guard let upstream = relay.upstream, upstream.generation == generation else { return }
            switch upstream.stage {
            case .open: stopRelaying(index, relay, within: window)
            case .closing: break  // Its end is awaited.
            case .connecting, .handshaking: links.closed(index, relay)
            }
        }
    }

    /// The backend's process tree is gone. What it has sent before its end is read first.
    func generationEnded(_ backend: BackendID, _ generation: Generation) {
        visit(behind: backend) { index, relay in
            if relay.upstream?.generation == generation { links.orphan(index, relay) }
        }
        if self.backend == backend, count > 0 { counters.isAsleep(true, at: kernel.now()) }
    }

    func stateChanged(of backend: BackendID) {
        guard self.backend == backend else { return }
        if leases.isOpen(backend) { counters.isAsleep(false, at: kernel.now()) }
        restoring.begin()
    }

    /// Ends clients that are connected for too long, and upstreams that have fallen silent.
    func lookAfterAll(at now: Instant) {
        guard backend != nil, now >= nextLook else { return }
        nextLook = now + Limits.cableRelayLook
        visit { index, relay in
            if let maximumAge, now - relay.began >= maximumAge {
                depart(index, .tooOld, within: group.closeJitter)
            } else if let upstream = relay.upstream {
                // A backend that is not read is not silent.
                if !takesMore(index) { upstream.heard = now }
                if upstream.isSilent(at: now) { links.closed(index, relay) }
            }
        }
    }

    // MARK: Ends

    /// The client's connection ends, whatever the cause: nothing is left of its way to the backend.
    func end(_ index: Int) {
        guard let relay = sessions.relay(of: index) else { return }
        sessions.attach(nil, to: index)
        // Nothing is in front of the client any more: its frames, and its end, are read again.
        sessions.resume(index)
        restoring.note(wasRestoring: relay.machine.isRestoring, isRestoring: false)
        let listened = relay.machine.journal.subscriptions.filter(\.isListened)
        links.end(index, relay)
        count -= 1
        if count == 0 {
            counters.isAsleep(false, at: kernel.now())
            links.trim()
            cable.stopListening(SubscriberMachine.remoteDisconnects)
        }
        cable.call { machine, _, _ in
            for subscription in listened { machine.stopListeningAhead(to: subscription.properties.streams ?? []) }
        }
    }

    // MARK: Status

    func describe() -> Snapshot.Cable.Backend? {
        guard backend != nil else { return nil }
        var description = Snapshot.Cable.Backend()
        var stateful = StatefulSubscriptions()
        visit { _, relay in
            switch relay.machine.state {
            case .attached, .detaching: description.attached += 1
            case .hibernating: description.hibernating += 1
            case .waking, .replaying, .restored: description.waking += 1
            case .over: break
            }
            description.queuedClientCommands += relay.machine.queuedCommandCount
            for (reason, identifier, digest) in relay.machine.stateReasons(rules) {
                stateful.add(reason, identifier, digest)
            }
        }
        description.stateful = stateful.shown
        counters.describe(in: &description, at: kernel.now())
        return description
    }
}

/// What happens to the links of relays.
extension CableRelays {
    func upstreamReady(_ token: Token, _ readiness: Readiness) { links.ready(token, readiness) }
    func timerFired(of index: Int) { links.timerFired(of: index) }

    /// The ticket of this session was admitted, or refused without a generation. False: the session waits for another.
    func redeem(_ ticket: Ticket, of index: Int, _ generation: Generation?, retryAfter: Duration? = nil) -> Bool {
        links.redeem(ticket, of: index, generation, retryAfter: retryAfter)
    }

    /// The client has taken what was unsent. What it did not take was not read from the backend, which is in use until
    /// it is.
    func clientTakesMore(_ index: Int) {
        guard let relay = sessions.relay(of: index), relay.upstream != nil else { return }
        leases.recordClientData(for: relay.backend, at: kernel.now())
        links.readAgain(index, relay)
    }

    func takesMore(_ index: Int) -> Bool {
        guard case .open(let client) = sessions.peek(at: index, for: { $0.stage }) else { return true }
        return cable.machine.clients.queues.byteCount(client) <= Limits.relayQueueBytes
    }

    /// An upstream is over. `isCut`: something that it was to bring or to take may be missing.
    func upstreamEnded(_ index: Int, _ relay: Relay, isCut: Bool) {
        let hasGap = cable.lastDelivered.map { kernel.now() - $0 < Limits.crashGap } ?? false
        let isHeard = cable.machine.hearsAll(relay.machine.streams)
        apply(.upstreamEnded(hasGap: hasGap || !isHeard, isCut: isCut), to: relay, of: index)
        if sessions.has(relay, index) { restoring.letHeldGo(index, relay) }
        // The backend has ended this connection only, and goes on to broadcast.
        guard leases.isOpen(relay.backend), sessions.has(relay, index), needsRestoring(relay) else { return }
        restoring.include(index)
    }

    // MARK: After a wake

    var isRestoring: Bool { restoring.isActive }
    var restoringCount: Int { restoring.running }

    func needsRestoring(_ relay: Relay) -> Bool { relay.machine.needsRestoring(rules) }
    func beginRestoring() { restoring.begin() }
    func continueRestoring() { restoring.proceed() }
    func stopRestoring() { restoring.stop() }
    func letAllGo(behind backend: BackendID) { restoring.letAllGo(behind: backend) }
    func letHeldGo(_ index: Int, _ relay: Relay, isDue: Bool) { restoring.letHeldGo(index, relay, isDue: isDue) }
}
