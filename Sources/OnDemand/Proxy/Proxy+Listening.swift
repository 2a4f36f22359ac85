/// Taking new connections, and pausing where taking more would only fail and spin.
extension Proxy {
    /// Returns the index to close it by.
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

    /// Those who came in through it stay.
    func closeListener(_ index: Int) {
        guard let listener = listeners[index] else { preconditionFailure("a listener was closed twice") }
        reactor.disarm(.acceptPause(listener: index))
        stopListening(listener)
        listeners[index] = nil
    }

    private func listener(at index: Int) -> Listener? { listeners.indices.contains(index) ? listeners[index] : nil }

    private func listenerToken(_ index: Int) -> Token { Token(.listener, index: index, generation: 0) }

    func acceptAll(from index: Int) {
        for _ in 0..<Limits.acceptsPerTurn {
            guard let listener = listener(at: index), let socket = listener.descriptor, !listener.isPaused else {
                return
            }
            switch kernel.accept(from: socket) {
            case .accepted(let descriptor, let peer): admit(descriptor, peer.unmapped, through: listener, at: index)
            case .wouldBlock: return noteRecovery(of: index)
            case .ended: return lose(index)
            case .failed(let code): if !makeRoom(because: code) { pause(index, because: code) }
            }
        }
    }

    /// Nobody waits any more; one who was accepted now and then would not have meant that.
    private func noteRecovery(of index: Int) {
        guard let listener = listener(at: index), listener.isStarved else { return }
        listeners[index]?.isStarved = false
        log(.listenerResumed, LogField("address", listener.address.description))
    }

    /// Closes connections that only wait for a next request: those to backends, which nobody misses, then clients',
    /// as a server may at any time (RFC 9112, 9.5). False when that is no remedy, or none is left.
    func makeRoom(because code: Errno) -> Bool {
        guard code == .tooManyFiles || code == .tooManyFilesInSystem else { return false }
        guard idleUpstreams == 0 else {
            closeIdleUpstreams { _ in true }
            return true
        }
        let idle = connections.indices.lazy.filter { self.connections[$0].session?.machine.isBetweenRequests ?? false }
        let chosen = Array(idle.prefix(Limits.idleLinksClosedForRoom))
        for index in chosen { close(index, .idle) }
        return !chosen.isEmpty
    }

    /// Steps of the golden ratio: no two are alike, nor look alike to who reads a log.
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
        let session = Connection.HTTPSession(
            machine: ExchangeMachine(rules: listener.rules, peer: peer, identity: nextIdentity()),
            purpose: listener.purpose)
        if admission.listener == nil { session.machine.reject() }
        let place = connections.claim()
        let client = Connection.Endpoint(descriptor: descriptor)
        connections[place.index].begin(client, session, generation: place.generation, admission)
        if table.connections.count == Limits.crowd { hadManyConnections = true }
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .edges, as: clientToken(place.index))
            drive(place.index)
        } catch {
            log(.systemError, LogField("detail", error.description))
            close(place.index, .clientReset)
        }
    }

    /// nil when there are so many that not even that can be told.
    private func admission(
        of peer: SocketAddress, through listener: Listener, at index: Int
    ) -> Admission? {
        let limits = listener.rules.limits
        // A proxy's own address is nobody's; whose connection it is, it has still to say.
        let isAnnounced = listener.rules.expectsProxyHeader
        let clientPrefix = limits.maximumConnectionsPerAddress == nil || isAnnounced ? nil : ClientPrefix(peer)
        if !listeners[index]!.crowd.hasRoom(under: limits.maximumConnections) {
            let address = LogField("address", listener.address.description)
            if listeners[index]!.crowd.isNews() { tellOfCrowd(limits.maximumConnections, address) }
        } else if let clientPrefix,
            !clientPrefixes[clientPrefix, default: ConnectionLimiter()].hasRoom(
                under: limits.maximumConnectionsPerAddress)
        {
            if clientPrefixes[clientPrefix]!.isNews() {
                tellOfCrowd(limits.maximumConnectionsPerAddress, LogField("client", peer.host))
            }
        } else {
            listeners[index]!.crowd.enter()
            if let clientPrefix { clientPrefixes[clientPrefix, default: ConnectionLimiter()].enter() }
            return .counted(
                ClientAddress(peer), listener: listener.number, withAddress: clientPrefix != nil)
        }
        rejectedTotal += 1
        guard rejected < Limits.rejectionsAtOnce else { return nil }
        rejected += 1
        return .rejected(ClientAddress(peer))
    }

    /// The proxy has said who comes: now its address can be counted.
    func admitAnnounced(_ index: Int, _ session: Connection.HTTPSession) {
        let limit = session.machine.rules.limits.maximumConnectionsPerAddress
        let address = ClientAddress(session.machine.peer)
        let admission = table.connections.peek(at: index) { $0.admission }
        if admission.clientPrefix == nil { connections[index].admission.announced(address) }
        guard limit != nil, let clientPrefix = ClientPrefix(address), admission.listener != nil,
            admission.clientPrefix == nil
        else { return session.machine.admittedToListener() }
        guard clientPrefixes[clientPrefix, default: ConnectionLimiter()].hasRoom(under: limit) else {
            if clientPrefixes[clientPrefix]!.isNews() {
                tellOfCrowd(limit, LogField("client", session.machine.peer.host))
            }
            rejectedTotal += 1
            return session.machine.reject()
        }
        clientPrefixes[clientPrefix, default: ConnectionLimiter()].enter()
        connections[index].admission.countWithAddress()
        session.machine.admittedToListener()
    }

    private func tellOfCrowd(_ limit: Int?, _ who: LogField) {
        log(.refused, LogField("reason", "too_many_connections"), LogField("limit", limit ?? 0), who)
    }

    func releaseAdmission(_ admission: Admission) {
        if report(.connectionEnded(admission)) { return }
        guard let number = admission.listener else {
            rejected -= 1
            return
        }
        // Its listener may have been closed since.
        let place = listeners.firstIndex { $0?.number == number }
        let rules = place.map { listeners[$0]!.rules }
        if let place, let rules { listeners[place]!.crowd.leave(under: rules.limits.maximumConnections) }
        guard let clientPrefix = admission.clientPrefix else { return }
        let limit = rules?.limits.maximumConnectionsPerAddress
        clientPrefixes[clientPrefix]!.leave(under: limit)
        if clientPrefixes[clientPrefix]!.count == 0 { clientPrefixes[clientPrefix] = nil }
    }

    /// A listener that cannot be served is ready all the time: rest instead of spinning, and let the queue wait.
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

    /// A held client is told at once: the start it waits for will not be finished.
    private func reject(from id: BackendID, _ index: Int, _ session: Connection.HTTPSession) {
        abandonTicket(of: session)
        session.machine.refused(.shuttingDown, retryAfter: Refusal.shutdownRetry)
        logRefusal(.shuttingDown, id, session)
        drive(index)
    }

    /// No new clients; tunnels end with a close frame, idle connections end, requests that are being answered may
    /// finish. Whoever asks about the daemon itself is still told.
    func drain(over window: Duration) {
        for index in listeners.indices where listeners[index]?.rules.isAboutDaemon == false { closeListener(index) }
        isDraining = true
        closeIdleUpstreams { _ in true }
        for index in connections.indices {
            guard let session = connections[index].session else { continue }
            session.machine.request?.wantsKeepAlive = false
            switch session.machine.phase {
            case .readingProxyHeader, .readingHead, .streaming, .lingering: close(index, .shuttingDown)
            case .queued(let id): reject(from: id, index, session)
            case .awaitingCommand:
                abandonTicket(of: session)
                serve(LocalReply(status: 503, body: "ondemandd is shutting down."), session)
                drive(index)
            case .finishing: session.machine.phase = .finishing(keepAlive: false)
            default: break
            }
        }
        closeTunnels(of: nil, .goingAway, over: window)
    }

    /// Nobody is told anything any more.
    func closeListeners() {
        for index in listeners.indices where listeners[index] != nil { closeListener(index) }
    }

    private func stopListening(_ listener: Listener) {
        if let descriptor = listener.descriptor { kernel.stopListening(descriptor, at: listener.address) }
    }

    // MARK: Listeners that end

    /// Its connections stay. One that a manager has opened only the manager can open again.
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
            // The first failure and none of those that follow it.
            if listener.reopenPause == Limits.reopenPauseFirst * 2 {
                log(.systemError, LogField("detail", error.description))
            }
            planReopening(index)
        }
    }

    /// Everybody who was to be served has been; who only lingers has its answer, and who comes to ask about the daemon
    /// is not waited for.
    var isDrained: Bool {
        workerConnectionCount == 0
            && connections.indices.allSatisfy { index in
                switch connections[index].session?.machine.phase {
                case .lingering, .streaming, .readingHead: true
                case nil: connections[index].isDiscarding
                default: false
                }
            }
    }

    /// Nothing is waited for any more.
    func closeEverything() {
        for index in connections.indices { close(index, .shuttingDown) }
        sendToWorkers(.closeEverything)
    }
}
