// After a wake: the clients that hibernate are connected to the backend again, some at a time, so that they hear what
// it broadcasts.
//
// A client with a command asks for itself. The others follow in order of their sessions, at most
// `Limits.restoresAtOnce` at a time. With Redis a command is sent when its own client is restored, because broadcasts
// reach the hibernating clients as well. Without, it waits until all clients of the backend, those of other cables too,
// are restored or have failed. So does a command of a client that has been attached meanwhile: it is *held*.

extension CableServer {
    /// Called when the backend may be awake, and when a client needs it.
    func beginRestoring(_ id: CableID) {
        guard cables[id.index]?.hasBackend == true else { return }
        guard cables[id.index]!.restore == nil else { return touch(id) }
        let needed = sessions.indices.contains { index in
            sessions.peek(at: index) {
                $0.cable == id && $0.relay?.machine.needsRestoring(cables[id.index]!.relayRules) == true
            }
        }
        guard needed else { return }
        cables[id.index]!.restore = 0
        touch(id)
    }

    /// The same for every cable of this backend.
    func beginRestoring(behind backend: BackendID) {
        for cable in cables.indices where cables[cable]?.backend == backend { beginRestoring(CableID(index: cable)) }
    }

    /// Clients of this backend are not connected to it yet.
    private func isRestoring(_ backend: BackendID) -> Bool {
        cables.contains { $0?.backend == backend && $0?.restore != nil }
    }

    /// Connects the next clients; called at the end of each iteration in which something has happened.
    func continueRestoring(_ id: CableID) {
        guard let first = cables[id.index]!.restore, let backend = cables[id.index]!.backend else { return }
        guard backends.gate(of: backend).isOpen else {
            // Asleep, or starting: its state changes first. Without a start there is nothing to wait for.
            if cables[id.index]!.restoring == 0 { endRestoring(id) }
            return
        }
        var next = first
        let end = sessions.end
        while next < end, cables[id.index]!.restoring < Limits.restoresAtOnce {
            let index = next
            next += 1
            cables[id.index]!.restore = next
            guard sessions.isTaken(index), sessions.peek(at: index, for: { $0.cable == id }),
                let relay = sessions[index].relay, relay.machine.needsRestoring(cables[id.index]!.relayRules)
            else { continue }
            apply(.backendAwake, to: relay, of: index)
        }
        if next >= end, cables[id.index]!.restoring == 0 { endRestoring(id) }
    }

    private func endRestoring(_ id: CableID) {
        cables[id.index]!.restore = nil
        guard let backend = cables[id.index]!.backend, !isRestoring(backend) else { return }
        for index in sessions.indices where sessions.peek(at: index, for: { $0.relay?.backend == backend }) {
            guard sessions.isTaken(index), let relay = sessions[index].relay else { continue }
            if case .restored = relay.machine.state {
                disarmWake(index, relay)
                apply(.commandsMayLeave, to: relay, of: index)
            } else {
                letHeldGo(index, relay)
            }
        }
    }

    /// All subscriptions of this client are confirmed.
    func letCommandsGo(_ index: Int, _ relay: Relay, _ id: CableID) {
        // Its time runs on until its commands are sent.
        guard cables[id.index]!.source != nil || !isRestoring(relay.backend) else { return touch(id) }
        disarmWake(index, relay)
        apply(.commandsMayLeave, to: relay, of: index)
    }

    private func disarmWake(_ index: Int, _ relay: Relay) {
        reactor.disarm(.relay(token(index)))
        relay.wakeDeadline = nil
    }

    // MARK: Holding

    /// Without Redis, an action of an attached client waits for those that would miss its broadcasts; what the client
    /// sends after it stays behind it.
    func holds(_ command: RelayMachine.Event, _ relay: Relay, of index: Int) -> Bool {
        guard relay.held.isEmpty else { return true }
        let id = sessions.peek(at: index) { $0.cable }
        guard relay.machine.isAttached, cables[id.index]!.source == nil, isRestoring(relay.backend),
            case .command(let text) = command
        else { return false }
        return (try? ActionCableSession.read(text.span))?.command == .message
    }

    /// The client is not read meanwhile, so that what is held is not more than one read.
    func hold(_ command: RelayMachine.Event, _ relay: Relay, of index: Int) {
        if relay.held.isEmpty { reactor.arm(.relay(token(index)), at: kernel.now() + Limits.wakeTimeout) }
        relay.held.append(command)
        sessions[index].isPaused = true
    }

    /// `isDue`: their time is over, and they are sent whether all other clients are restored or not.
    func letHeldGo(_ index: Int, _ relay: Relay, isDue: Bool = false) {
        guard !relay.held.isEmpty else { return }
        let held = relay.held
        relay.held = []
        if relay.machine.isAttached { reactor.disarm(.relay(token(index))) }
        resumeClient(index, relay)
        for command in held where sessions.isTaken(index) && sessions[index].relay === relay {
            self.relay(command, of: index, mayHold: !isDue)
        }
    }
}
