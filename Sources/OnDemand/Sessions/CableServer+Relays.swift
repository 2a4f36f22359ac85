// Clients that the backend serves too: events for their machines, and what the machines decide.
//
// The cable's machine forwards a message that it does not serve; the client's `RelayMachine` decides whether it is
// sent, queued or answered. Its effects are performed in order. An effect that fails at once becomes an event of its
// own.

extension CableServer {
    /// A client with a backend. `upstream`: the connection over which the backend has accepted it.
    func attach(_ index: Int, _ transfer: SessionTransfer, _ backend: BackendTransfer) {
        let now = kernel.now()
        let relay = Relay(
            RelayMachine(isAttached: backend.upstream != nil), backend: backend.id, head: backend.request.takeHead(),
            path: backend.path, began: now)
        sessions[index].relay = relay
        cables[transfer.cable.index]!.relayCount += 1
        if cables[transfer.cable.index]!.relayCount == 1, let source = cables[transfer.cable.index]!.source {
            source.listen(SubscriberMachine.remoteDisconnects)
            takeOutputs(of: transfer.cable, source)
        }
        guard let accepted = backend.upstream else { return }
        relay.hasSubprotocol = accepted.hasSubprotocol
        let upstream = newUpstream(of: transfer.cable)
        upstream.begin(
            accepted.descriptor, number: lastUpstreamNumber, generation: accepted.generation, stage: .open,
            unsent: ByteQueue(accepted.unsent), key: [], at: now)
        relay.link = .connected(upstream)
        guard watch(upstream, of: index) else { return upstreamClosed(index, relay) }
        flush(upstream, of: index, relay)
        guard sessions.isTaken(index), sessions[index].relay === relay else { return }
        if !accepted.received.isEmpty {
            var early = accepted.received
            take(&early, early.count, from: upstream, of: index, relay, isResumed: true)
        }
        guard sessions.isTaken(index), sessions[index].relay === relay else { return }
        if !accepts(relay, upstream) { stopRelaying(index, relay) }
        // The configuration has changed while the backend accepted the client.
        if sessions.isTaken(index), sessions[index].relay === relay, cables[transfer.cable.index]?.backend != backend.id
        {
            endRelay(index)
            depart(index, .backendLost, within: closeJitter)
        }
    }

    /// The client has left before it could be attached: its connection to the backend ends, and the lease is returned.
    func giveUp(_ backend: BackendTransfer?) {
        guard let backend, let upstream = backend.upstream else { return }
        kernel.close(upstream.descriptor)
        report(.upstreamEnded(backend.id, upstream.generation, wasUncounted: false))
    }

    /// The backend's gate is open for this connection's generation.
    private func accepts(_ relay: Relay, _ upstream: Upstream) -> Bool {
        let gate = backends.gate(of: relay.backend)
        return gate.isOpen && gate.generation == upstream.generation
    }

    /// A message of the client for the backend.
    func relay(_ command: RelayMachine.Event, of index: Int, mayHold: Bool = true) {
        guard let relay = sessions[index].relay else { return relayNothing(command, of: index) }
        guard !mayHold || !holds(command, relay, of: index) else { return hold(command, relay, of: index) }
        // Between the decision to stop and the end of the upstream no command is sent: it might be lost.
        if let upstream = relay.upstream, upstream.stage == .open, !accepts(relay, upstream) {
            stopRelaying(index, relay)
        }
        apply(command, to: relay, of: index)
        // What the backend does not read is not read from the client either.
        if let upstream = relay.upstream, upstream.unsent.count > Limits.relayQueueBytes {
            sessions[index].isPaused = true
        }
    }

    /// The client was connected when its cable had no backend, or another one. It gets a way to the backend by a
    /// connection of its own, and would wait in vain for a response to its subscription.
    private func relayNothing(_ command: RelayMachine.Event, of index: Int) {
        let id = sessions.peek(at: index) { $0.cable }
        guard case .command(let text) = command, let request = try? ActionCableSession.read(text.span),
            request.command == .subscribe || sessions.peek(at: index, for: { $0.departure != nil })
        else {
            cables[id.index]!.hibernation.ignoredCommands += 1
            return
        }
        depart(index, .backendLost, within: .zero)
    }

    /// `window`: clients that have to reconnect are told within this time.
    func stopRelaying(_ index: Int, _ relay: Relay, within window: Duration = .zero) {
        // No close frame can be sent, and the last command may not have arrived.
        if relay.upstream?.isBroken == true { return upstreamClosed(index, relay) }
        let cable = sessions.peek(at: index) { $0.cable }
        let canListen = cables[cable.index]!.machine.hearsAll(relay.machine.streams)
        apply(.backendStops(canListen: canListen), to: relay, of: index, within: window)
    }

    func apply(_ event: RelayMachine.Event, to relay: Relay, of index: Int, within window: Duration = .zero) {
        let generation = sessions.peek(at: index) { $0.generation }
        let id = sessions.peek(at: index) { $0.cable }
        var effects: [RelayMachine.Effect] = []
        let wasRestoring = relay.machine.isRestoring
        let rules = cables[id.index]!.relayRules
        let wasInFlight = relay.machine.hasCommandInFlight
        let subscriptionCount = relay.machine.journal.count
        relay.machine.apply(event, rules, &effects)
        if relay.machine.journal.count > subscriptionCount { relay.machine.share(&cables[id.index]!.copies) }
        // The search for clients to restore has passed this one while it had an upstream.
        if let next = cables[id.index]!.restore, index < next, relay.machine.needsRestoring(rules) {
            cables[id.index]!.restore = index
            touch(id)
        }
        if case .detaching = relay.machine.state {
            if wasInFlight {
                relay.upstream?.hasCommandInFlight = true
            } else if case .message = event, effects.contains(where: \.isDelivery) {
                // R21: a command is in flight until the next message of the backend.
                relay.upstream?.hasCommandInFlight = false
            }
        }
        if relay.machine.isRestoring != wasRestoring { cables[id.index]!.restoring += wasRestoring ? -1 : 1 }
        var isActive = false
        for effect in effects {
            // An effect before may have ended the client.
            guard sessions.contains(index: index, generation: generation), sessions[index].relay === relay else {
                return
            }
            isActive = isActive || effect.isData
            perform(effect, relay, index, id, within: window)
        }
        if isActive { backends.gate(of: relay.backend).recordClientData(at: kernel.now()) }
        guard sessions.contains(index: index, generation: generation), sessions[index].relay === relay else { return }
        if case .restored = relay.machine.state { letCommandsGo(index, relay, id) }
    }

    private func perform(
        _ effect: RelayMachine.Effect, _ relay: Relay, _ index: Int, _ id: CableID, within window: Duration
    ) {
        switch effect {
        case .acquire(let trigger):
            cables[id.index]!.hibernation.count(trigger)
            relay.wakeDeadline = kernel.now() + Limits.wakeTimeout
            if trigger != .restore { beginRestoring(behind: relay.backend) }
            switch relay.shortUpstreams {
            case 0: acquire(index, relay, trigger)
            case ..<Limits.shortUpstreams: pause(index, relay, Limits.redialPause)
            // It ends each connection: the client's own pauses grow.
            default:
                // A client that stays may try again later.
                relay.shortUpstreams = 0
                apply(.wakeFailed(isAwake: true), to: relay, of: index)
            }
        case .acquireAgain: pause(index, relay, Limits.redialPause)
        case .send(let text): send(.text, text, to: relay, of: index)
        case .sendBinary(let payload): send(.binary, payload, to: relay, of: index)
        case .deliver(let text): toClient(index, id) { $0.deliver(text, to: $1, at: $2, &$3) }
        case .deliverBinary(let payload): toClient(index, id) { $0.deliverBinary(payload, to: $1, at: $2, &$3) }
        case .confirm(let identifier): toClient(index, id) { $0.confirm(identifier, to: $1, at: $2, &$3) }
        case .reject(let identifier): toClient(index, id) { $0.reject(identifier, to: $1, at: $2, &$3) }
        case .notify: toClient(index, id) { $0.deliver(Array(#"{"type":"welcome"}"#.utf8), to: $1, at: $2, &$3) }
        case .beginDelivery(let identifier, let streams):
            toClient(index, id) { machine, client, _, _ in machine.beginDelivery(to: client, identifier, streams) }
        case .dropDelivery(let identifier):
            toClient(index, id) { machine, client, _, _ in machine.endDelivery(to: client, identifier) }
        case .endDelivery(let identifier):
            guard let source = cables[id.index]!.source else { break }
            // An earlier fence of the same subscription ends nothing any more.
            lastFence += 1
            relay.fences[identifier] = lastFence
            cables[id.index]!.fences.append((token(index), identifier, lastFence))
            source.fence()
            takeOutputs(of: id, source)
        case .listen(let streams):
            cables[id.index]!.machine.listenAhead(to: streams)
            settle(id)
        case .stopListening(let streams):
            cables[id.index]!.machine.stopListeningAhead(to: streams)
            settle(id)
        case .pinged: relay.upstream?.notePing(at: kernel.now())
        case .closeUpstream: closeUpstream(index, relay)
        case .abortUpstream: abortUpstream(index, relay)
        case .takeLease: takeLease(index, relay)
        case .returnLease: returnLease(relay)
        case .disconnect(let reason):
            cables[id.index]!.hibernation.count(reason)
            logDisconnection(of: index, id, reason)
            if window > .zero { endRelay(index) }
            depart(index, .backendLost, within: window)
        case .endClient: toClient(index, id) { $0.end($1, .byBackend, at: $2, &$3) }
        case .count(.replayed): cables[id.index]!.hibernation.replayed += 1
        case .count(.ignoredCommand): cables[id.index]!.hibernation.ignoredCommands += 1
        }
    }

    /// Calls the cable's machine with the client's number, if the client is open.
    private func toClient(
        _ index: Int, _ id: CableID, _ body: (inout CableMachine, UInt32, Instant, inout SessionWriter<K>) -> Void
    ) {
        guard case .open(let client) = sessions.peek(at: index, for: { $0.stage }) else { return }
        var writer = writer
        body(&cables[id.index]!.machine, client, kernel.now(), &writer)
        settle(id)
    }

    private func logDisconnection(of index: Int, _ id: CableID, _ reason: RelayMachine.Disconnection) {
        guard let leftOut = cables[id.index]!.aborts.spend(at: kernel.now()) else { return }
        let address = sessions.peek(at: index) { $0.address }
        var fields = [
            LogField("cable", cables[id.index]!.name), LogField("client", address), LogField("reason", reason.rawValue),
        ]
        if leftOut > 0 { fields.append(LogField("left_out", leftOut)) }
        log.record(.clientDisconnected, fields)
    }

    // MARK: Leases

    private func takeLease(_ index: Int, _ relay: Relay) {
        guard let upstream = relay.upstream, !upstream.isCounted else { return }
        guard let generation = backends.gate(of: relay.backend).enter() else {
            // Its next command sees it before it is sent.
            return stopRelaying(index, relay)
        }
        guard generation == upstream.generation else {
            replies.post(.upstreamEnded(relay.backend, generation, wasUncounted: false))
            return stopRelaying(index, relay)
        }
        upstream.isCounted = true
        report(.upstreamCounted(relay.backend, generation))
    }

    private func returnLease(_ relay: Relay) {
        guard let upstream = relay.upstream, upstream.isCounted else { return }
        upstream.isCounted = false
        report(.upstreamUncounted(relay.backend, upstream.generation))
    }

    func report(_ reply: CableReply) {
        replies.post(reply)
        work.post(.cableWork)
    }

    /// The client's connection ends, whatever the cause: nothing is left of its way to the backend.
    func endRelay(_ index: Int) {
        guard let relay = sessions[index].relay else { return }
        sessions[index].relay = nil
        // Nothing is in front of the client any more: its frames, and its end, are read again.
        if sessions[index].isPaused {
            sessions[index].isPaused = false
            reactor.resumeLater(token(index))
        }
        let id = sessions.peek(at: index) { $0.cable }
        if relay.machine.isRestoring { cables[id.index]!.restoring -= 1 }
        for subscription in relay.machine.journal.subscriptions where subscription.isListened {
            cables[id.index]!.machine.stopListeningAhead(to: subscription.properties.streams ?? [])
        }
        switch relay.link {
        case .none, .paused: break
        case .queued(let ticket):
            tickets[ticket] = nil
            requests(.abandoned(relay.backend, ticket))
        case .connected(let upstream):
            // Not in the middle of a frame.
            if upstream.stage == .open, upstream.unsent.isEmpty {
                // The backend ends its subscriptions; a client that is gone waits for nothing.
                _ = kernel.send(FrameWriter.close(.normal, key: maskingKey()).span, to: upstream.descriptor)
            }
            kernel.close(upstream.descriptor)
            report(.upstreamEnded(relay.backend, upstream.generation, wasUncounted: !upstream.isCounted))
        }
        relay.link = .none
        reactor.disarm(.relay(token(index)))
        cables[id.index]!.relayCount -= 1
        if cables[id.index]!.relayCount == 0 {
            cables[id.index]!.hibernation.isAsleep(false, at: kernel.now())
            cables[id.index]!.reserve.removeAll()
        }
        if cables[id.index]!.relayCount == 0, let source = cables[id.index]!.source {
            source.stopListening(SubscriberMachine.remoteDisconnects)
            takeOutputs(of: id, source)
        }
        settle(id)
    }

    // MARK: The source

    /// The delivery in the backend's place ends: everything from before the backend's confirmation has arrived.
    func fenced(_ id: CableID, hasFailed: Bool) {
        guard let (token, identifier, number) = cables[id.index]!.fences.popFirst(),
            sessions.contains(index: token.index, generation: token.generation),
            let relay = sessions[token.index].relay, relay.fences[identifier] == number
        else { return }
        relay.fences[identifier] = nil
        if hasFailed { return toClient(token.index, id) { $0.end($1, .gap, at: $2, &$3) } }
        // A backend that has stopped meanwhile delivers nothing.
        guard relay.machine.isServed(identifier) else { return }
        toClient(token.index, id) { machine, client, _, _ in machine.endDelivery(to: client, identifier) }
    }

    /// Rails disconnects clients by their connection identifiers, which the daemon does not know: every client whose
    /// backend would not hear it reconnects, and is authenticated again.
    func remoteDisconnect(_ id: CableID, isGap: Bool) {
        for index in sessions.indices where sessions.peek(at: index, for: { $0.cable == id }) {
            guard sessions.isTaken(index), let relay = sessions[index].relay, !relay.machine.isAttached,
                relay.machine.hadUpstream
            else { continue }
            toClient(index, id) { $0.end($1, isGap ? .gap : .remote(reconnect: true), at: $2, &$3) }
        }
    }

    // MARK: Time

    /// Ends clients that are connected for too long, and upstreams that have fallen silent.
    func lookAfterRelays(of id: CableID, at now: Instant) {
        guard cables[id.index]!.hasBackend, now >= cables[id.index]!.nextLook else { return }
        cables[id.index]!.nextLook = now + Limits.cableRelayLook
        let oldest = cables[id.index]!.maximumAge
        for index in sessions.indices where sessions.peek(at: index, for: { $0.cable == id && $0.relay != nil }) {
            guard sessions.isTaken(index), let relay = sessions[index].relay else { continue }
            if let oldest, now - relay.began >= oldest {
                depart(index, .tooOld, within: closeJitter)
            } else if let upstream = relay.upstream {
                // A backend that is not read is not silent.
                if !mayRead(for: index) { upstream.heard = now }
                if upstream.isSilent(at: now) { upstreamClosed(index, relay) }
            }
        }
    }
}
