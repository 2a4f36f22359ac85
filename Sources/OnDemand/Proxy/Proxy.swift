/// The driver of client connections: dispatches their events, and takes the messages of other drivers.
///
/// - Events: `ready` for a socket, timers, `handle` for a message of another driver.
/// - Its parts have a state of their own: the listeners, the services with their gates, the HTTP sessions and their
///   driver, the queue of requests, the upstreams, the relay of open tunnels and the workers, the clients of cables,
///   the local endpoints. The proxy does what concerns several of them.
///
/// Invariant: the proxy knows gates and tickets, never processes.
final class Proxy<K: Kernel> {
    let reactor: Reactor<K>
    let relay: TunnelRelay<K>
    let listeners: ProxyListeners<K>
    let services: ServiceTable<K>
    let sessions: HTTPSessionTable
    let http: HTTPSessionDriver<K>
    let queue: RequestQueue<K>
    let upstreams: UpstreamConnector<K>
    let workers: WorkerPool<K>
    let cables: CableAdmission<K>
    let subscribers: SubscriberTable<K>
    let endpoints: LocalEndpoints<K>
    let log: ProxyLog<K>
    let memory: MemoryTrim<K>

    var kernel: K { reactor.kernel }

    init(
        services list: [ProxyService], reactor: Reactor<K>, log: Log, mailboxes: ProxyMailboxes,
        reports: ThreadSafeQueue<WorkerEvent>? = nil
    ) {
        self.reactor = reactor
        let parts = ProxyParts(services: list, reactor: reactor, log: log, mailboxes: mailboxes, reports: reports)
        http = HTTPSessionDriver(parts, mailboxes: mailboxes, identity: reactor.kernel.random())
        (relay, listeners, services, sessions) = (parts.relay, parts.listeners, parts.services, parts.sessions)
        (queue, upstreams, workers, cables) = (parts.queue, parts.upstreams, parts.workers, parts.cables)
        (subscribers, endpoints, memory) = (parts.subscribers, parts.endpoints, parts.memory)
        self.log = parts.log
        relay.owner = TunnelOwner(
            leaseEnded: { [services = parts.services] in services.endUse(of: $0, wasUncounted: $1) },
            tunnelClosed: { [listeners = parts.listeners] in listeners.release($0) },
            lastSlotFreed: { [unowned self] in http.trimMemoryWhenEmpty() })
    }

    // MARK: Events

    /// Handles consecutive connection events. Returns the position of the first other event.
    func relayRun(from first: Int, of count: Int) -> Int {
        var position = first
        while let event = relay.relayRun(&position, of: count) { http.ready(event.token, event.readiness) }
        return position
    }

    /// Handles an event of a connection's socket.
    func ready(_ token: Token, _ readiness: Readiness) {
        if !relay.ready(token, readiness) { http.ready(token, readiness) }
    }

    /// Handles an event of one of the proxy's other sockets.
    func ownReady(_ token: Token) {
        switch ProxyToken(token) {
        case .listener: acceptAll(from: token.index)
        case .workerEvents: handleWorkerEvents()
        }
    }

    /// Handles a timer of a connection.
    func connectionTimerFired(_ key: TimerKey) {
        if !relay.timerFired(key) { http.deadlineFired(key.client) }
    }

    func timerFired(_ key: TimerKey) {
        switch ProxyTimer(key) {
        case .acceptPause: listeners.pauseTimerFired(key.index)
        case .connectRetry: http.connectRetryFired(key.client)
        case .unmanagedDrain:
            let id = BackendID(index: key.index)
            close(id, sparing: services.openUnmanagedGeneration(of: id))
        case .status: endpoints.statusTimerFired()
        case .memoryTrim: memory.timerFired()
        }
    }

    // MARK: Accepting

    private func acceptAll(from index: Int) {
        for _ in 0..<Limits.acceptsPerTurn {
            switch listeners.accept(from: index) {
            case .arrived(let arrival): http.begin(arrival)
            case .reset: break
            case .failed(let code): if !http.freeDescriptors(after: code) { listeners.pause(index, because: code) }
            case .none: return
            }
        }
    }
}
