/// Tickets and leases of clients of cables, and what the supervisor replies.
extension CableServer {
    // MARK: Asking

    func acquire(_ index: Int, _ relay: Relay, _ trigger: RelayMachine.WakeTrigger) {
        reactor.disarm(.relay(token(index)))
        if let generation = backends.gate(of: relay.backend).enter() { return connect(index, relay, generation) }
        lastTicket += 1
        let ticket = Ticket(ofSession: lastTicket)
        tickets[ticket] = token(index)
        relay.link = .queued(ticket)
        let cause: WakeCause = trigger == .subscription ? .subscription : .command
        // A client without a command is connected to a backend that is awake, and wakes none.
        let client = ClientInfo(
            address: sessions.peek(at: index) { $0.address }, path: relay.path, agent: relay.head.shownAgent)
        requests(.wanted(relay.backend, ticket, cause, mayWake: trigger != .restore, by: client))
        reactor.arm(.relay(token(index)), at: relay.wakeDeadline ?? kernel.now() + Limits.wakeTimeout)
    }

    func pause(_ index: Int, _ relay: Relay, _ pause: Duration) {
        let next = kernel.now() + pause
        guard let deadline = relay.wakeDeadline, next < deadline else {
            relay.link = .none
            return apply(.wakeFailed(isAwake: isAwake(relay)), to: relay, of: index)
        }
        relay.link = .paused
        reactor.arm(.relay(token(index)), at: next)
    }

    func relayTimerFired(_ token: Token) {
        guard sessions.contains(index: token.index, generation: token.generation),
            let relay = sessions[token.index].relay
        else { return }
        switch relay.link {
        case .none: break
        case .queued(let ticket):
            tickets[ticket] = nil
            requests(.abandoned(relay.backend, ticket))
            relay.link = .none
            apply(.wakeFailed(isAwake: isAwake(relay)), to: relay, of: token.index)
        case .paused:
            relay.link = .none
            acquire(token.index, relay, relay.machine.hasQueuedCommand ? .command : .restore)
        case .connected where !relay.held.isEmpty: letHeldGo(token.index, relay, isDue: true)
        case .connected:
            // It is connected, and others are not: without a command it does not wait for them.
            if case .restored = relay.machine.state {
                let event =
                    relay.machine.hasQueuedCommand
                    ? RelayMachine.Event.wakeFailed(isAwake: true) : .commandsMayLeave
                return apply(event, to: relay, of: token.index)
            }
            // No connection, no response, or no end within its time.
            upstreamClosed(token.index, relay)
        }
    }

    // MARK: Replies of the supervisor

    func handle(_ reply: BackendReply) {
        switch reply {
        case .admitted(let id, let ticket, let generation):
            guard ticket.isOfSession else { return }
            guard let (index, relay) = redeem(ticket) else {
                return report(.upstreamEnded(id, generation, wasUncounted: false))
            }
            connect(index, relay, generation)
        case .refused(let ticket, let refusal, let retryAfter):
            guard ticket.isOfSession, let (index, relay) = redeem(ticket) else { return }
            guard let retryAfter, !refusal.needsOperator, relay.machine.hasQueuedCommand else {
                return apply(.wakeFailed(isAwake: isAwake(relay)), to: relay, of: index)
            }
            pause(index, relay, retryAfter)
        case .closeTunnels(let id, let generation, _, let window):
            forEachUpstream(of: id, generation) { index, relay, upstream in
                switch upstream.stage {
                case .open: stopRelaying(index, relay, within: window)
                case .closing: break  // Its end is awaited.
                case .connecting, .handshaking: upstreamClosed(index, relay)
                }
            }
        case .generationEnded(let id, let generation):
            // What it has sent before its end is read first.
            forEachUpstream(of: id, generation) { index, relay, upstream in
                upstream.isOrphaned = true
                if upstream.stage == .connecting {
                    upstreamClosed(index, relay)
                } else {
                    read(upstream, of: index, relay)
                }
            }
            for cable in cables.indices where cables[cable]?.backend == id && cables[cable]!.relayCount > 0 {
                cables[cable]!.hibernation.isAsleep(true, at: kernel.now())
            }
        case .stateChanged(let id):
            for cable in cables.indices where cables[cable]?.backend == id {
                if backends.gate(of: id).isOpen { cables[cable]!.hibernation.isAsleep(false, at: kernel.now()) }
                beginRestoring(CableID(index: cable))
            }
        case .commandEnded, .printed: break
        }
    }

    func redeem(_ ticket: Ticket) -> (Int, Relay)? {
        guard let token = tickets.removeValue(forKey: ticket),
            sessions.contains(index: token.index, generation: token.generation),
            let relay = sessions[token.index].relay, case .queued(ticket) = relay.link
        else { return nil }
        relay.link = .none
        reactor.disarm(.relay(token))
        return (token.index, relay)
    }

    func forEachUpstream(
        of id: BackendID, _ generation: Generation, _ body: (Int, Relay, Upstream) -> Void
    ) {
        for index in sessions.indices where sessions.peek(at: index, for: { $0.relay?.backend == id }) {
            guard sessions.isTaken(index), let relay = sessions[index].relay, let upstream = relay.upstream,
                upstream.generation == generation
            else { continue }
            body(index, relay, upstream)
        }
    }
}
