/// Accepts connections, enforces connection limits, and drains at shutdown.
///
/// States of a listener: open, paused (out of descriptors or memory, `Limits.acceptPause`), lost (reopened with a
/// growing delay, unless the service manager opened it). An accepted connection is counted for its listener and its
/// client prefix, rejected with a local reply, or reset after `Limits.rejectionsAtOnce` rejections at once.
extension Proxy {
    /// Starts watching a listener. Returns its index.
    func open(_ listener: Listener) throws(SystemError) -> Int {
        let index = listeners.firstIndex { $0 == nil } ?? listeners.count
        do throws(SystemError) {
            if let descriptor = listener.descriptor {
                try kernel.watch(descriptor, for: .readable, as: listenerToken(index))
            }
        } catch {
            stopListening(listener)
            throw error
        }
        lastListenerNumber += 1
        if index == listeners.count { listeners.append(nil) }
        listeners[index] = listener
        listeners[index]?.number = lastListenerNumber
        return index
    }

    /// Closes a listener. Its connections stay open.
    func closeListener(_ index: Int) {
        guard let listener = listeners[index] else { preconditionFailure("a listener was closed twice") }
        reactor.disarm(.acceptPause(listener: index))
        stopListening(listener)
        listeners[index] = nil
    }

    private func listener(at index: Int) -> Listener? { listeners.indices.contains(index) ? listeners[index] : nil }

    private func listenerToken(_ index: Int) -> Token { Token(ProxyToken.listener, index: index, generation: 0) }

    func acceptAll(from index: Int) {
        for _ in 0..<Limits.acceptsPerTurn {
            guard let listener = listener(at: index), let socket = listener.descriptor, !listener.isPaused else {
                return
            }
            switch kernel.accept(from: socket) {
            case .accepted(let descriptor, let peer): admit(descriptor, peer.unmapped, through: listener, at: index)
            case .wouldBlock: return noteRecovery(of: index)
            case .ended: return lose(index)
            case .failed(let code): if !freeDescriptors(after: code) { pause(index, because: code) }
            }
        }
    }

    /// The accept queue is empty. A single successful accept would not prove recovery.
    private func noteRecovery(of index: Int) {
        guard let listener = listener(at: index), listener.isStarved else { return }
        listeners[index]?.isStarved = false
        log(.listenerResumed, LogField("address", listener.address.description))
    }

    /// Frees descriptors: closes idle upstreams first, then idle client connections (RFC 9112, 9.5). Returns false if
    /// the error has another cause or nothing is idle.
    func freeDescriptors(after code: Errno) -> Bool {
        guard code == .tooManyFiles || code == .tooManyFilesInSystem else { return false }
        guard idleUpstreams == 0 else {
            closeIdleUpstreams { _ in true }
            return true
        }
        let idle = sessions.all.filter { $0.machine.isBetweenRequests }.prefix(Limits.idleLinksClosedForRoom)
        let chosen = idle.map(\.token.index)
        for index in chosen { close(index, .idle) }
        return !chosen.isEmpty
    }

    /// Returns the next request identifier. Golden-ratio steps make identifiers unique and easy to tell apart in a log.
    private func nextIdentity() -> UInt64 {
        lastIdentity &+= 0x9e37_79b9_7f4a_7c15
        return lastIdentity
    }

    private func admit(
        _ descriptor: Descriptor, _ peer: SocketAddress, through listener: Listener, at index: Int
    ) {
        guard let admission = admission(of: peer, through: listener, at: index) else {
            return kernel.reset(descriptor)
        }
        let slot = relay.takeSlot()
        let token = Token(ConnectionToken.client, index: slot.index, generation: slot.generation)
        let session = HTTPSession(
            machine: ExchangeMachine(rules: listener.rules, peer: peer, identity: nextIdentity()),
            purpose: listener.purpose, client: descriptor, token: token, admission)
        if admission.listener == nil { session.machine.reject() }
        begin(session)
        if relay.count == Limits.manyConnections { hadManyConnections = true }
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .edges, as: token)
            runSteps(slot.index, session)
        } catch {
            log(.systemError, LogField("detail", error.description))
            close(slot.index, .clientReset)
        }
    }

    /// Counts a new connection or rejects it. nil: too many rejections are open, so the connection is reset.
    private func admission(
        of peer: SocketAddress, through listener: Listener, at index: Int
    ) -> Admission? {
        let limits = listener.rules.limits
        // Behind a proxy the peer address is the proxy's. The client's address follows in the PROXY header.
        let isAnnounced = listener.rules.expectsProxyHeader
        let clientPrefix = limits.maximumConnectionsPerAddress == nil || isAnnounced ? nil : ClientPrefix(peer)
        if !listeners[index]!.limiter.hasRoom(under: limits.maximumConnections) {
            let address = LogField("address", listener.address.description)
            if listeners[index]!.limiter.shouldLog() { logConnectionLimit(limits.maximumConnections, address) }
        } else if let clientPrefix,
            !clientPrefixes[clientPrefix, default: ConnectionLimiter()].hasRoom(
                under: limits.maximumConnectionsPerAddress)
        {
            if clientPrefixes[clientPrefix]!.shouldLog() {
                logConnectionLimit(limits.maximumConnectionsPerAddress, LogField("client", peer.host))
            }
        } else {
            listeners[index]!.limiter.enter()
            if let clientPrefix { clientPrefixes[clientPrefix, default: ConnectionLimiter()].enter() }
            return .counted(
                ClientAddress(peer), listener: listener.number, withAddress: clientPrefix != nil)
        }
        rejectedTotal += 1
        guard rejected < Limits.rejectionsAtOnce else { return nil }
        rejected += 1
        return .rejected(ClientAddress(peer))
    }

    /// Counts a connection by the client address of its PROXY header.
    func admitAnnounced(_ session: HTTPSession) {
        let limit = session.machine.rules.limits.maximumConnectionsPerAddress
        let address = ClientAddress(session.machine.peer)
        let admission = session.admission
        if admission.clientPrefix == nil { session.admission.announced(address) }
        guard limit != nil, let clientPrefix = ClientPrefix(address), admission.listener != nil,
            admission.clientPrefix == nil
        else { return session.machine.admittedToListener() }
        guard clientPrefixes[clientPrefix, default: ConnectionLimiter()].hasRoom(under: limit) else {
            if clientPrefixes[clientPrefix]!.shouldLog() {
                logConnectionLimit(limit, LogField("client", session.machine.peer.host))
            }
            rejectedTotal += 1
            return session.machine.reject()
        }
        clientPrefixes[clientPrefix, default: ConnectionLimiter()].enter()
        session.admission.countWithAddress()
        session.machine.admittedToListener()
    }

    private func logConnectionLimit(_ limit: Int?, _ subject: LogField) {
        log(.refused, LogField("reason", "too_many_connections"), LogField("limit", limit ?? 0), subject)
    }

    func releaseAdmission(_ admission: Admission) {
        guard let number = admission.listener else {
            rejected -= 1
            return
        }
        // The listener may have been closed since.
        let place = listeners.firstIndex { $0?.number == number }
        let rules = place.map { listeners[$0]!.rules }
        if let place, let rules { listeners[place]!.limiter.leave(under: rules.limits.maximumConnections) }
        guard let clientPrefix = admission.clientPrefix else { return }
        let limit = rules?.limits.maximumConnectionsPerAddress
        clientPrefixes[clientPrefix]!.leave(under: limit)
        if clientPrefixes[clientPrefix]!.count == 0 { clientPrefixes[clientPrefix] = nil }
    }

    /// Pauses accepting. A listener that cannot accept stays readable and would spin. The kernel queues connections.
    private func pause(_ index: Int, because code: Errno) {
        guard let listener = listener(at: index) else { return }
        listeners[index]?.isPaused = true
        if let descriptor = listener.descriptor { kernel.unwatch(descriptor) }
        reactor.arm(.acceptPause(listener: index), at: kernel.now() + Limits.acceptPause)
        guard !listener.isStarved else { return }
        listeners[index]?.isStarved = true
        log(
            .listenerPaused, LogField("address", listener.address.description),
            LogField("reason", code.description))
    }

    func resumeAccepting(_ index: Int) {
        guard let listener = listener(at: index) else { return }
        guard let descriptor = listener.descriptor else { return reopen(index) }
        guard listener.isPaused else { return }
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .readable, as: listenerToken(index))
            listeners[index]?.isPaused = false
        } catch {
            reactor.arm(.acceptPause(listener: index), at: kernel.now() + Limits.acceptPause)
        }
    }

    /// Rejects a queued request at shutdown, because its start will not finish.
    private func reject(from id: BackendID, _ index: Int, _ session: HTTPSession) {
        abandonTicket(of: session)
        session.machine.refused(.shuttingDown, retryAfter: Refusal.shutdownRetry)
        logRefusal(.shuttingDown, id, session)
        runSteps(index, session)
    }

    /// Starts the drain: closes client listeners and idle connections, sends close frames to tunnels, rejects queued
    /// requests. Requests in progress finish. Status and control requests are still served.
    func drain(over window: Duration) {
        for index in listeners.indices where listeners[index]?.rules.isAboutDaemon == false { closeListener(index) }
        isDraining = true
        closeIdleUpstreams { _ in true }
        for index in sessions.indices {
            guard let session = sessions[index] else { continue }
            switch session.machine.drain() {
            // A run that is followed ends before the daemon does.
            case .close where runFollowers.contains(session.token): break
            case .close: close(index, .shuttingDown)
            case .reject(let id): reject(from: id, index, session)
            case .endCommand:
                abandonTicket(of: session)
                serve(LocalReply(status: 503, body: "ondemandd is shutting down."), session)
                runSteps(index, session)
            case .finish: break
            }
        }
        closeTunnels(of: nil, .goingAway, over: window)
    }

    /// Closes all listeners, including status and control.
    func closeListeners() {
        for index in listeners.indices where listeners[index] != nil { closeListener(index) }
    }

    private func stopListening(_ listener: Listener) {
        if let descriptor = listener.descriptor { kernel.stopListening(descriptor, at: listener.address) }
    }

    // MARK: Lost listeners

    /// Handles a listener whose socket was shut down. Its connections stay open. Only the service manager can reopen a
    /// socket that it opened.
    private func lose(_ index: Int) {
        guard let listener = listener(at: index) else { return }
        reactor.disarm(.acceptPause(listener: index))
        stopListening(listener)
        listeners[index]?.descriptor = nil
        listeners[index]?.isPaused = false
        log(
            .listenerClosed, LogField("address", listener.address.description),
            LogField("for", listener.purpose.word),
            LogField("next", listener.isInherited ? "stays closed until a restart" : "is opened again"))
        if !listener.isInherited { planReopening(index) }
    }

    private func planReopening(_ index: Int) {
        guard let pause = listener(at: index)?.reopenPause else { return }
        listeners[index]?.reopenPause = min(pause * 2, Limits.reopenPauseLongest)
        reactor.arm(.acceptPause(listener: index), at: kernel.now() + pause)
    }

    private func reopen(_ index: Int) {
        guard let listener = listener(at: index) else { return }
        do throws(SystemError) {
            let socket = try kernel.listen(at: listener.address, privately: listener.purpose == .control).descriptor
            do throws(SystemError) {
                try kernel.watch(socket, for: .readable, as: listenerToken(index))
            } catch {
                kernel.stopListening(socket, at: listener.address)
                throw error
            }
            listeners[index]?.descriptor = socket
            listeners[index]?.reopenPause = Limits.reopenPauseFirst
            log(.listening, LogField("address", listener.address.description), LogField("for", listener.purpose.word))
        } catch {
            // Only the first of consecutive failures is logged.
            if listener.reopenPause == Limits.reopenPauseFirst * 2 {
                log(.systemError, LogField("detail", error.description))
            }
            planReopening(index)
        }
    }

    /// All exchanges and tunnels have ended. Lingering connections have their response, and status requests do not
    /// delay the shutdown.
    var isDrained: Bool {
        workerConnectionCount == 0 && relay.isDrained
            && sessions.all.allSatisfy { !$0.machine.delaysShutdown }
    }

    /// Closes all connections at once.
    func closeEverything() {
        for index in sessions.indices { close(index, .shuttingDown) }
        relay.closeEverything()
        sendToWorkers(.closeEverything)
    }
}
