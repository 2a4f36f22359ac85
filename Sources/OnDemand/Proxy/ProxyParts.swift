/// The parts of the proxy, each with a state of its own, built in the order in which they use one another.
struct ProxyParts<K: Kernel> {
    let relay: TunnelRelay<K>
    let listeners: ProxyListeners<K>
    let subscribers: SubscriberTable<K>
    let services: ServiceTable<K>
    let sessions = HTTPSessionTable()
    let queue: RequestQueue<K>
    let upstreams: UpstreamConnector<K>
    let workers: WorkerPool<K>
    let cables: CableAdmission<K>
    let endpoints: LocalEndpoints<K>
    let log: ProxyLog<K>
    let memory: MemoryTrim<K>

    init(
        services list: [ProxyService], reactor: Reactor<K>, log plainLog: Log, mailboxes: ProxyMailboxes,
        reports: ThreadSafeQueue<WorkerEvent>?
    ) {
        let (kernel, requests) = (reactor.kernel, mailboxes.backends)
        relay = TunnelRelay(services: list.map(\.ofTunnels), reactor: reactor, log: plainLog)
        listeners = ProxyListeners(reactor: reactor, log: plainLog)
        memory = MemoryTrim(reactor: reactor)
        subscribers = SubscriberTable(reactor: reactor)
        services = ServiceTable(list, kernel: kernel, requests: requests, subscribers: subscribers)
        log = ProxyLog(log: plainLog, services: services, relay: relay, mailboxes: mailboxes)
        queue = RequestQueue(sessions: sessions, services: services, subscribers: subscribers, requests: requests)
        upstreams = UpstreamConnector(relay: relay, sessions: sessions, services: services, queue: queue, log: log)
        workers = WorkerPool(kernel: kernel, log: plainLog, services: services, reports: reports)
        cables = CableAdmission(kernel: kernel, sessions: sessions, log: log)
        endpoints = LocalEndpoints(
            kernel: kernel, sessions: sessions, queue: queue, subscribers: subscribers, memory: memory,
            mailboxes: mailboxes)
    }
}
