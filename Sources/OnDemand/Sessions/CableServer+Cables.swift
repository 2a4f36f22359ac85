/// Cables as the configuration has them: added, changed, and drained when they or the daemon go.
extension CableServer {
    /// The number of the cable with this name.
    func id(named name: String) -> CableID? {
        cables.firstIndex { $0?.name == name && $0?.drain?.isRemoval != true }.map { CableID(index: $0) }
    }

    /// `redis`: where broadcasts come from; nil without. A number is used again only if it `isUnused`: no request or
    /// client of its earlier cable is on its way.
    func add(_ cable: Cable, redis: (url: RedisURL, prefix: [UInt8]?)?, isUnused: (CableID) -> Bool) {
        let index = cables.indices.first { cables[$0] == nil && isUnused(CableID(index: $0)) } ?? cables.count
        if index == cables.count { cables.append(nil) }
        cables[index] = cable
        cables[index]!.source = redis.map { redis in
            RedisConnection(
                CableID(index: index), name: cable.name, url: redis.url, prefix: redis.prefix, reactor: reactor,
                log: log)
        }
        reportCongestion(of: cable.name)
    }

    /// Limits, streams or keys have changed; clients and their subscriptions stay.
    func update(_ id: CableID, _ rules: CableMachine.Rules, pingInterval: Duration, hasActionCable: Bool) {
        cables[id.index]!.machine.update(rules, pingInterval: pingInterval, at: kernel.now())
        cables[id.index]!.hasActionCable = hasActionCable
        cables[id.index]!.drain = nil
        reactor.disarm(.cableDrain(id))
        settle(id)
    }

    /// Applies another backend, or other settings of it. Clients of another backend are asked to reconnect, within
    /// `closeJitter`.
    func update(_ id: CableID, _ settings: BackendSettings?) {
        let isSame = cables[id.index]!.backend == settings?.backend
        let areRulesSame = cables[id.index]!.relayRules == settings?.rules
        cables[id.index]!.serve(behind: settings)
        guard !isSame || !areRulesSame else { return }
        for index in sessions.indices
        where sessions.peek(at: index, for: { $0.cable == id && $0.relay != nil }) && sessions.isTaken(index) {
            if isSame {
                if let relay = sessions[index].relay {
                    apply(.rulesChanged, to: relay, of: index, within: closeJitter)
                }
            } else {
                endRelay(index)
                depart(index, .backendLost, within: closeJitter)
            }
        }
    }

    /// A service leaves the configuration, and its number may be given to another one: no client may keep a way to it,
    /// also of a cable that leaves too and has not told its clients yet.
    func forget(_ backend: BackendID) {
        for index in sessions.indices where sessions.peek(at: index, for: { $0.relay?.backend == backend }) {
            endRelay(index)
            depart(index, .backendLost, within: closeJitter)
        }
    }

    /// Asks a client to reconnect, at a random time within `window`. It stays subscribed until then.
    func depart(_ index: Int, _ departure: Session.Departure, within window: Duration) {
        guard case .open(let client) = sessions.peek(at: index, for: { $0.stage }) else { return }
        guard window > .zero else {
            let id = sessions.peek(at: index) { $0.cable }
            var writer = writer
            cables[id.index]!.machine.end(client, departure.reason, at: kernel.now(), &writer)
            return settle(id)
        }
        guard sessions.peek(at: index, for: { $0.departure == nil }) else { return }
        sessions[index].departure = departure
        let delay = window * (Double(kernel.random() >> 11) * 0x1p-53)
        reactor.arm(.session(token(index)), at: kernel.now() + delay)
    }

    /// Disconnects all clients within `window`, spread evenly, because the cable is removed or disabled, or at a
    /// shutdown. Messages that are accepted are delivered before, if that takes no longer than until `bound`.
    func drain(_ id: CableID, over window: Duration, waitingUntil bound: Instant, isRemoval: Bool = false) {
        guard let cable = cables[id.index] else { return }
        // A shutdown does not bring a removed cable back.
        let isRemoved = cable.drain?.isRemoval == true
        cable.drain = CableDrain(
            isRemoval: isRemoval || isRemoved, from: kernel.now(), over: window, waitingUntil: bound)
        continueDrain(of: id)
        reactor.resumeLater(Self.deliveryToken)
    }

    func continueDrain(of id: CableID) {
        guard let cable = cables[id.index], cable.drain != nil else { return }
        if let source = cable.source, !source.isSettled {
            source.settle()
            takeOutputs(of: id, source)
        }
        let step = cable.drain?.step(
            isDelivered: isSettled(cable), clients: cable.machine.openClientCount, at: kernel.now())
        switch step {
        case .wait(let until)?: reactor.arm(.cableDrain(id), at: until)
        case .end(let clients, let next)?:
            var writer = writer
            let remaining = cable.machine.endNext(clients, .serverRestart, at: kernel.now(), &writer)
            settle(id)
            if remaining > 0 { reactor.arm(.cableDrain(id), at: next) } else { reactor.disarm(.cableDrain(id)) }
        case nil: break
        }
        release(id)
    }

    /// Every message that was accepted is delivered, or has left for another server.
    private func isSettled(_ cable: Cable) -> Bool {
        cable.machine.table.isDelivered && cable.source?.isSettled != false
    }

    /// Frees the number of a removed cable that has no session left.
    func release(_ id: CableID) {
        guard cables[id.index]?.drain?.isRemoval == true, cables[id.index]?.machine.clientCount == 0 else { return }
        cables[id.index]?.source?.close()
        reactor.disarm(.cable(id))
        reactor.disarm(.cableDrain(id))
        let name = cables[id.index]?.name
        cables[id.index] = nil
        if let name { reportCongestion(of: name) }
    }

    /// No session is left that a shutdown waits for: those that only discard have got everything. Nothing is on its way
    /// to Redis.
    var isDrained: Bool {
        cables.allSatisfy { $0?.source?.isSettled != false }
            && (sessions.count == 0
                || sessions.indices.allSatisfy { index in
                    switch sessions[index].stage {
                    case .discarding, .refused: true
                    case .open, .closing: false
                    }
                })
    }

    /// Closes all sessions, and the connections to Redis, which may outlive them.
    func closeEverything() {
        for index in sessions.indices { close(index) }
        for cable in cables { cable?.source?.close() }
        isClosed = true
    }
}
