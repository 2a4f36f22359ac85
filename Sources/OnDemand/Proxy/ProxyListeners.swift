/// The listeners, and the limits of connections at each of them.
///
/// States of a listener: open, paused (out of descriptors or memory, `Limits.acceptPause`), lost (reopened with a
/// growing delay, unless the service manager opened it). An accepted connection is counted for its listener and its
/// client prefix, rejected with a local reply, or reset after `Limits.rejectionsAtOnce` rejections at once.
///
/// Invariants: the index of a listener is that of its token and stays until it is closed. Each admission is released
/// once, also after its listener has been closed.
final class ProxyListeners<K: Kernel> {
    private let reactor: Reactor<K>
    private let log: Log
    /// By the index of their tokens. nil: closed.
    private var listeners: [Listener?] = []
    private var lastNumber: UInt32 = 0
    /// Connections per client prefix. Empty without a limit per address.
    private var clientPrefixes: [ClientPrefix: ConnectionLimiter] = [:]
    /// Open connections that only get a rejection.
    private var rejected = 0
    /// Connections rejected since the daemon started.
    private(set) var rejectedTotal = 0

    private var kernel: K { reactor.kernel }

    init(reactor: Reactor<K>, log: Log) { (self.reactor, self.log) = (reactor, log) }

    // MARK: Opening and closing

    /// Starts watching a listener. Returns its index.
    func open(_ listener: Listener) throws(SystemError) -> Int {
        let index = listeners.firstIndex { $0 == nil } ?? listeners.count
        do throws(SystemError) {
            if let descriptor = listener.descriptor {
                try kernel.watch(descriptor, for: .readable, as: token(index))
            }
        } catch {
            stop(listener)
            throw error
        }
        lastNumber += 1
        if index == listeners.count { listeners.append(nil) }
        listeners[index] = listener
        listeners[index]?.number = lastNumber
        return index
    }

    /// Closes a listener. Its connections stay open.
    func close(_ index: Int) {
        guard let listener = listeners[index] else { preconditionFailure("a listener was closed twice") }
        reactor.disarm(.acceptPause(listener: index))
        stop(listener)
        listeners[index] = nil
    }

    /// Closes the listeners of clients. Status and control requests are still accepted.
    func closeForClients() {
        for index in listeners.indices where listeners[index]?.rules.isAboutDaemon == false { close(index) }
    }

    func closeAll() {
        for index in listeners.indices where listeners[index] != nil { close(index) }
    }

    private func stop(_ listener: Listener) {
        if let descriptor = listener.descriptor { kernel.stopListening(descriptor, at: listener.address) }
    }

    private func listener(at index: Int) -> Listener? { listeners.indices.contains(index) ? listeners[index] : nil }

    private func token(_ index: Int) -> Token { Token(ProxyToken.listener, index: index, generation: 0) }

    // MARK: Configuration

    /// Sets the rules of new connections.
    func update(_ rules: ExchangeRules, for purpose: ListenerSpec.Purpose) {
        for index in listeners.indices where listeners[index]?.purpose == purpose { listeners[index]?.rules = rules }
    }

    /// A reload names another purpose for an address that stays open.
    func change(_ index: Int, to purpose: ListenerSpec.Purpose) { listeners[index]?.purpose = purpose }

    /// Bound addresses of the client listeners.
    var clientAddresses: [SocketAddress] {
        listeners.compactMap { listener in
            listener.flatMap { $0.purpose.isForClients ? $0.address : nil }
        }
    }

    /// Bound address of the status listener; nil without one.
    var statusAddress: SocketAddress? {
        listeners.lazy.compactMap { listener in
            listener.flatMap { $0.purpose == .status ? $0.address : nil }
        }.first
    }

    // MARK: Accepting

    /// A connection that was counted for its listener, or is to get a rejection.
    struct Arrival {
        let descriptor: Descriptor
        let peer: SocketAddress
        let rules: ExchangeRules
        let purpose: ListenerSpec.Purpose
        let admission: Admission
    }

    enum AcceptOutcome {
        case arrived(Arrival)
        /// It was reset: too many rejections are open.
        case reset
        case failed(Errno)
        /// Nothing to accept for now.
        case none
    }

    func accept(from index: Int) -> AcceptOutcome {
        guard let listener = listener(at: index), let socket = listener.descriptor, !listener.isPaused else {
            return .none
        }
        switch kernel.accept(from: socket) {
        case .accepted(let descriptor, let address):
            let peer = address.unmapped
            guard let admission = admission(of: peer, through: listener, at: index) else {
                kernel.reset(descriptor)
                return .reset
            }
            return .arrived(
                Arrival(
                    descriptor: descriptor, peer: peer, rules: listener.rules, purpose: listener.purpose,
                    admission: admission))
        case .wouldBlock: noteRecovery(of: index)
        case .ended: lose(index)
        case .failed(let code): return .failed(code)
        }
        return .none
    }

    /// Counts a new connection or rejects it. nil: too many rejections are open, so the connection is reset.
    private func admission(of peer: SocketAddress, through listener: Listener, at index: Int) -> Admission? {
        let limits = listener.rules.limits
        // Behind a proxy the peer address is the proxy's. The client's address follows in the PROXY header.
        let isAnnounced = listener.rules.expectsProxyHeader
        let clientPrefix = limits.maximumConnectionsPerAddress == nil || isAnnounced ? nil : ClientPrefix(peer)
        if !listeners[index]!.limiter.hasRoom(under: limits.maximumConnections) {
            let address = LogField("address", listener.address.description)
            if listeners[index]!.limiter.shouldLog() { logLimit(limits.maximumConnections, address) }
        } else if let clientPrefix,
            !clientPrefixes[clientPrefix, default: ConnectionLimiter()].hasRoom(
                under: limits.maximumConnectionsPerAddress)
        {
            if clientPrefixes[clientPrefix]!.shouldLog() {
                logLimit(limits.maximumConnectionsPerAddress, LogField("client", peer.host))
            }
        } else {
            listeners[index]!.limiter.enter()
            if let clientPrefix { clientPrefixes[clientPrefix, default: ConnectionLimiter()].enter() }
            return .counted(ClientAddress(peer), listener: listener.number, withAddress: clientPrefix != nil)
        }
        rejectedTotal += 1
        guard rejected < Limits.rejectionsAtOnce else { return nil }
        rejected += 1
        return .rejected(ClientAddress(peer))
    }

    /// Counts a connection by the client address of its PROXY header. Returns false if the connection is rejected.
    func countAnnounced(_ session: HTTPSession) -> Bool {
        let limit = session.machine.rules.limits.maximumConnectionsPerAddress
        let address = ClientAddress(session.machine.peer)
        let admission = session.admission
        if admission.clientPrefix == nil { session.admission.announced(address) }
        guard limit != nil, let clientPrefix = ClientPrefix(address), admission.listener != nil,
            admission.clientPrefix == nil
        else { return true }
        guard clientPrefixes[clientPrefix, default: ConnectionLimiter()].hasRoom(under: limit) else {
            if clientPrefixes[clientPrefix]!.shouldLog() {
                logLimit(limit, LogField("client", session.machine.peer.host))
            }
            rejectedTotal += 1
            return false
        }
        clientPrefixes[clientPrefix, default: ConnectionLimiter()].enter()
        session.admission.countWithAddress()
        return true
    }

    private func logLimit(_ limit: Int?, _ subject: LogField) {
        log(.refused, LogField("reason", "too_many_connections"), LogField("limit", limit ?? 0), subject)
    }

    /// The connection has ended.
    func release(_ admission: Admission) {
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

    // MARK: Pauses

    /// Pauses accepting. A listener that cannot accept stays readable and would spin. The kernel queues connections.
    func pause(_ index: Int, because code: Errno) {
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

    /// The accept queue is empty. A single successful accept would not prove recovery.
    private func noteRecovery(of index: Int) {
        guard let listener = listener(at: index), listener.isStarved else { return }
        listeners[index]?.isStarved = false
        log(.listenerResumed, LogField("address", listener.address.description))
    }

    /// Resumes a paused listener, or reopens a lost one.
    func pauseTimerFired(_ index: Int) {
        guard let listener = listener(at: index) else { return }
        guard let descriptor = listener.descriptor else { return reopen(index) }
        guard listener.isPaused else { return }
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .readable, as: token(index))
            listeners[index]?.isPaused = false
        } catch {
            reactor.arm(.acceptPause(listener: index), at: kernel.now() + Limits.acceptPause)
        }
    }

    // MARK: Lost listeners

    /// Handles a listener whose socket was shut down. Its connections stay open. Only the service manager can reopen a
    /// socket that it opened.
    private func lose(_ index: Int) {
        guard let listener = listener(at: index) else { return }
        reactor.disarm(.acceptPause(listener: index))
        stop(listener)
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
                try kernel.watch(socket, for: .readable, as: token(index))
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
}
