// After a wake: the clients that hibernate are connected to the backend again, some at a time, so that they hear what
// it broadcasts.
//
// A client with a command asks for itself. The others follow in order of their sessions, at most
// `Limits.restoresAtOnce` at a time. With Redis a command is sent when its own client is restored, because broadcasts
// reach the hibernating clients as well. Without, it waits until all clients are restored or have failed.

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

    /// Connects the next clients; called at the end of each iteration in which something has happened.
    func continueRestoring(_ id: CableID) {
        guard let first = cables[id.index]!.restore, let backend = cables[id.index]!.backend else { return }
        guard backends.gate(of: backend).isOpen else {
            // Asleep, or starting: its state changes first. Without a start there is nothing to wait for.
            if cables[id.index]!.restoring == 0 { endRestoring(id) }
            return
        }
        var next = first
        let end = (sessions.indices.last ?? -1) + 1
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
        for index in sessions.indices where sessions.peek(at: index, for: { $0.cable == id }) {
            guard sessions.isTaken(index), let relay = sessions[index].relay, case .restored = relay.machine.state
            else {
                continue
            }
            apply(.commandsMayLeave, to: relay, of: index)
        }
    }

    /// All subscriptions of this client are confirmed.
    func letCommandsGo(_ index: Int, _ relay: Relay, _ id: CableID) {
        reactor.disarm(.relay(token(index)))
        relay.wakeDeadline = nil
        guard cables[id.index]!.source != nil || cables[id.index]!.restore == nil else { return touch(id) }
        apply(.commandsMayLeave, to: relay, of: index)
    }
}
