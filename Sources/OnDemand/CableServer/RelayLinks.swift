/// The links of one cable's relays: a ticket while the backend starts, a pause between two attempts, or an upstream.
///
/// - `wake` begins an attempt, which ends at the relay's `wakeDeadline`. It enters the gate, or queues with a ticket;
///   the reply to the ticket is redeemed. A refusal that may pass is followed by a pause and another attempt.
/// - An upstream reports its messages and its end; each becomes an event of the relay's machine.
///
/// Invariants:
/// - The timer of a relay ends the present link: a ticket, a pause, a handshake or a close handshake.
/// - A lease that was entered is returned once: by the end of the upstream, or where none could be made.
final class RelayLinks<K: Kernel> {
    private let reactor: Reactor<K>
    private let sessions: CableSessionTable<K>
    private let upstreams: UpstreamConnections<K>
    private let leases: CableSessionLeases
    private unowned let owner: CableRelays<K>
    /// Where upstreams come from.
    private var reserve = UpstreamReserve()

    init(
        reactor: Reactor<K>, sessions: CableSessionTable<K>, upstreams: UpstreamConnections<K>,
        leases: CableSessionLeases, owner: CableRelays<K>
    ) {
        self.reactor = reactor
        self.sessions = sessions
        self.upstreams = upstreams
        self.leases = leases
        self.owner = owner
    }

    private var kernel: K { reactor.kernel }

    /// No relay is left.
    func trim() { reserve.removeAll() }

    // MARK: The timer

    private func timer(of index: Int) -> TimerKey { .relay(sessions.token(index)) }

    func disarm(_ index: Int) { reactor.disarm(timer(of: index)) }
    func armWake(_ index: Int) { reactor.arm(timer(of: index), at: kernel.now() + Limits.wakeTimeout) }

    /// The wake is over.
    func disarmWake(_ index: Int, _ relay: Relay) {
        disarm(index)
        relay.wakeDeadline = nil
    }

    func timerFired(of index: Int) {
        guard let relay = sessions.relay(of: index) else { return }
        switch relay.link {
        case .none: break
        case .queued(let ticket):
            leases.abandon(ticket, for: relay.backend)
            fail(index, relay)
        case .paused:
            relay.link = .none
            acquire(index, relay, relay.machine.hasQueuedCommand ? .command : .restore)
        // In a close handshake the timer is that of the handshake.
        case .connected(let upstream) where upstream.stage == .open && !relay.held.isEmpty:
            owner.letHeldGo(index, relay, isDue: true)
        case .connected:
            // It is connected, and others are not: without a command it does not wait for them.
            if case .restored = relay.machine.state {
                let hasCommand = relay.machine.hasQueuedCommand
                return owner.apply(hasCommand ? .wakeFailed(isAwake: true) : .commandsMayLeave, to: relay, of: index)
            }
            // No connection, no response, or no end within its time.
            closed(index, relay)
        }
    }

    // MARK: Attempts

    func wake(_ index: Int, _ relay: Relay, _ trigger: RelayMachine.WakeTrigger) {
        relay.wakeDeadline = kernel.now() + Limits.wakeTimeout
        switch relay.shortUpstreams {
        case 0: acquire(index, relay, trigger)
        case ..<Limits.shortUpstreams: retry(index, relay)
        // It ends each connection: the client's own pauses grow.
        default:
            // A client that stays may try again later.
            relay.shortUpstreams = 0
            owner.apply(.wakeFailed(isAwake: true), to: relay, of: index)
        }
    }

    func retry(_ index: Int, _ relay: Relay) { pause(index, relay, Limits.redialPause) }

    private func acquire(_ index: Int, _ relay: Relay, _ trigger: RelayMachine.WakeTrigger) {
        disarm(index)
        if let generation = leases.enter(relay.backend) { return connect(index, relay, generation) }
        // A client without a command is connected to a backend that is awake, and wakes none.
        let client = ClientInfo(
            address: sessions.peek(at: index) { $0.address }, path: relay.path, agent: relay.head.shownAgent)
        let ticket = leases.queue(
            sessions.token(index), for: relay.backend, trigger == .subscription ? .subscription : .clientCommand,
            mayWake: trigger != .restore, by: client)
        relay.link = .queued(ticket)
        reactor.arm(timer(of: index), at: relay.wakeDeadline ?? kernel.now() + Limits.wakeTimeout)
    }

    private func pause(_ index: Int, _ relay: Relay, _ pause: Duration) {
        let next = kernel.now() + pause
        guard let deadline = relay.wakeDeadline, next < deadline else { return fail(index, relay) }
        relay.link = .paused
        reactor.arm(timer(of: index), at: next)
    }

    private func fail(_ index: Int, _ relay: Relay) {
        relay.link = .none
        owner.apply(.wakeFailed(isAwake: leases.isOpen(relay.backend)), to: relay, of: index)
    }

    /// The ticket of this session was admitted, or refused without a generation; `retryAfter`: when it may be queued
    /// again. Returns whether the session has waited for it.
    func redeem(_ ticket: Ticket, of index: Int, _ generation: Generation?, retryAfter: Duration?) -> Bool {
        guard let relay = sessions.relay(of: index), case .queued(ticket) = relay.link else { return false }
        relay.link = .none
        disarm(index)
        if let generation {
            connect(index, relay, generation)
        } else if let retryAfter, relay.machine.hasQueuedCommand {
            pause(index, relay, retryAfter)
        } else {
            fail(index, relay)
        }
        return true
    }

    /// A lease of this generation is held.
    private func connect(_ index: Int, _ relay: Relay, _ generation: Generation) {
        let address = leases.address(of: relay.backend, generation)
        guard
            let (upstream, isConnected) = upstreams.connect(
                to: address, generation, relay.head, from: &reserve, inUse: owner.count)
        else {
            leases.ended(relay.backend, generation)
            return owner.apply(.upstreamEnded(hasGap: false), to: relay, of: index)
        }
        relay.link = .connected(upstream)
        guard upstreams.watch(upstream, of: index) else { return closed(index, relay) }
        reactor.arm(timer(of: index), at: relay.wakeDeadline ?? kernel.now() + Limits.wakeTimeout)
        if isConnected { upstreams.beginHandshake(upstream, of: index, relay, for: self) }
    }

    /// The connection over which the backend has accepted the client.
    func adopt(_ accepted: UpstreamTransfer, _ relay: Relay, _ index: Int) {
        relay.hasSubprotocol = accepted.hasSubprotocol
        let upstream = upstreams.adopt(accepted, from: &reserve, inUse: owner.count)
        relay.link = .connected(upstream)
        guard upstreams.watch(upstream, of: index) else { return closed(index, relay) }
        upstreams.flush(upstream, of: index, relay, for: self)
        guard sessions.has(relay, index), !accepted.received.isEmpty else { return }
        upstreams.take(early: accepted.received, from: upstream, of: index, relay, for: self)
    }

    // MARK: Leases

    /// False: the backend is about to stop, and the upstream's generation takes no more leases.
    func takeLease(_ relay: Relay) -> Bool {
        guard let upstream = relay.upstream, !upstream.isCounted else { return true }
        // The next command of the client sees it before it is sent.
        guard let generation = leases.enter(relay.backend) else { return false }
        guard generation == upstream.generation else {
            leases.ended(relay.backend, generation)
            return false
        }
        upstream.isCounted = true
        leases.counted(relay.backend, generation)
        return true
    }

    func returnLease(_ relay: Relay) {
        guard let upstream = relay.upstream, upstream.isCounted else { return }
        upstream.isCounted = false
        leases.uncounted(relay.backend, upstream.generation)
    }

    // MARK: Upstreams

    func send(_ opcode: FrameOpcode, _ payload: [UInt8], _ relay: Relay, _ index: Int) {
        guard let upstream = relay.upstream else { preconditionFailure("a message without an upstream") }
        upstreams.send(opcode, payload, over: upstream, of: index, relay, for: self)
    }

    func ready(_ token: Token, _ readiness: Readiness) {
        guard let relay = sessions.relay(of: token.index), let upstream = relay.upstream,
            upstream.number == token.generation
        else { return }
        upstreams.ready(upstream, readiness, of: token.index, relay, for: self)
    }

    func readAgain(_ index: Int, _ relay: Relay) {
        guard let upstream = relay.upstream, upstream.stage != .connecting else { return }
        upstreams.read(upstream, of: index, relay, for: self)
    }

    /// The backend's process tree is gone. What it has sent before is read first.
    func orphan(_ index: Int, _ relay: Relay) {
        guard let upstream = relay.upstream else { return }
        upstream.isOrphaned = true
        if upstream.stage == .connecting { closed(index, relay) } else { readAgain(index, relay) }
    }

    func beginClosing(_ index: Int, _ relay: Relay) {
        if let upstream = relay.upstream { upstreams.beginClosing(upstream, of: index, relay, for: self) }
    }

    /// Closes the connection and returns its lease; the machine has decided it, and is told nothing.
    func abort(_ index: Int, _ relay: Relay) {
        if case .none = relay.link {} else { disarm(index) }
        release(relay)
        if sessions.has(relay, index) { drained(index, relay) }
    }

    /// The relay ends. The backend ends its subscriptions; a client that is gone waits for nothing.
    func end(_ index: Int, _ relay: Relay) {
        if let upstream = relay.upstream { upstreams.sayClose(over: upstream) }
        release(relay)
        disarm(index)
    }

    private func release(_ relay: Relay) {
        switch relay.link {
        case .none, .paused: break
        case .queued(let ticket): leases.abandon(ticket, for: relay.backend)
        case .connected(let upstream):
            upstreams.close(upstream)
            leases.ended(relay.backend, upstream.generation, wasUncounted: !upstream.isCounted)
        }
        relay.link = .none
    }
}

extension RelayLinks: UpstreamHandler {
    func mayRead(for index: Int) -> Bool { owner.takesMore(index) }

    func isCurrent(_ upstream: Upstream, _ relay: Relay, _ index: Int) -> Bool {
        sessions.has(relay, index) && relay.upstream === upstream
    }

    func received(_ event: RelayMachine.Event, _ relay: Relay, of index: Int) {
        owner.apply(event, to: relay, of: index)
    }

    /// The client is read again.
    func drained(_ index: Int, _ relay: Relay) { if relay.held.isEmpty { sessions.resume(index) } }

    func refused(_ index: Int, _ relay: Relay, isFinal: Bool) {
        abort(index, relay)
        owner.apply(.upstreamRefused(isFinal: isFinal), to: relay, of: index)
    }

    func closed(_ index: Int, _ relay: Relay) {
        var isCut = false
        if let upstream = relay.upstream, upstream.stage == .open || upstream.stage == .closing {
            isCut =
                upstream.hasUnsentCommands || !mayRead(for: index) || !upstream.unhandled.isEmpty
                || upstream.stage == .closing && upstream.hasCommandInFlight
            let isShort = upstream.opened.map { kernel.now() - $0 < Limits.shortUpstream } ?? false
            let isAnotherOne = isShort && upstream.stage == .open
            relay.shortUpstreams = isAnotherOne ? min(relay.shortUpstreams + 1, Limits.shortUpstreams) : 0
        }
        abort(index, relay)
        owner.upstreamEnded(index, relay, isCut: isCut)
    }
}
