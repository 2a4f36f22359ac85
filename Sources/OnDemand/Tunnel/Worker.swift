/// Relays open tunnels on a thread of its own, with a reactor and a relay. It knows neither HTTP nor the proxy.
///
/// Unchecked: only the creating thread touches it before its thread runs, afterwards only that thread. The thread-safe
/// queues and the shared counters are safe by themselves.
final class Worker<K: Kernel>: EventHandler, @unchecked Sendable {
    let reactor: Reactor<K>
    let relay: TunnelRelay<K>
    let requests: ThreadSafeQueue<WorkerRequest>
    let counters = SharedCounters()
    private let number: Int
    private let reports: ThreadSafeQueue<WorkerEvent>
    /// The number of tunnels reached `Limits.manyConnections`: memory is trimmed when it returns to zero.
    private var hadManyTunnels = false
    private(set) var hasEnded = false

    /// `kernel` is the worker's own.
    init(
        services: [TunnelService], kernel: K, number: Int, reports: ThreadSafeQueue<WorkerEvent>
    ) throws(SystemError) {
        self.number = number
        self.reports = reports
        reactor = Reactor(kernel: kernel)
        requests = ThreadSafeQueue(wakeup: try kernel.openWakeup())
        let log = Log { event, fields in
            reports.post(WorkerEvent(worker: number, content: .log(event, fields)), through: kernel)
        }
        relay = TunnelRelay(services: services, reactor: reactor, log: log)
        try kernel.watch(requests.wakeup, for: .edges, as: Token(WorkerToken.requests, index: 0, generation: 0))
        relay.owner = TunnelOwner(
            leaseEnded: { [unowned self] in report(.leaseEnded($0, wasUncounted: $1)) },
            tunnelClosed: { [unowned self] in report(.connectionEnded($0)) },
            lastSlotFreed: { [unowned self] in trimMemory() })
    }

    func run() {
        while !hasEnded { reactor.runOnce(self) }
    }

    // MARK: Events

    func relayRun(from first: Int, of count: Int) -> Int {
        var position = first
        // A late event of a slot without a tunnel is ignored.
        while relay.relayRun(&position, of: count) != nil {}
        return position
    }

    func ready(_ token: Token, _ readiness: Readiness) {
        switch token.owner {
        case .connections: _ = relay.ready(token, readiness)
        case .worker: requests.takeAll().forEach(perform)
        default: preconditionFailure("a worker watches only tunnels")
        }
    }

    func timerFired(_ key: TimerKey) { _ = relay.timerFired(key) }

    func iterationEnded() { counters.enter(&relay.table.traffic) }

    private func perform(_ request: WorkerRequest) {
        switch request {
        case .tunnel(let transfer):
            relay.takeOver(transfer)
            if relay.count >= Limits.manyConnections { hadManyTunnels = true }
        case .register(let service, let id): relay.register(service, at: id)
        case .closeTunnels(let lease, let code, let window):
            if lease == nil { relay.closeDiscarding() }
            relay.closeTunnels(of: lease, code, over: window)
        case .generationEnded(let lease): relay.endTunnels(of: lease)
        case .close(let id, let generation): relay.close(id, sparing: generation)
        case .closeEverything: relay.closeEverything()
        case .end:
            relay.closeEverything()
            hasEnded = true
        }
    }

    /// Reports an event to the proxy. The traffic counters are published first, so that an end is never seen before its
    /// bytes.
    private func report(_ content: WorkerEvent.Content) {
        counters.enter(&relay.table.traffic)
        reports.post(WorkerEvent(worker: number, content: content), through: reactor.kernel)
    }

    /// Trims memory after the last tunnel of many has ended.
    private func trimMemory() {
        guard hadManyTunnels else { return }
        reactor.kernel.trimMemory()
        hadManyTunnels = false
    }
}

/// The socket of a worker, apart from those of its tunnels.
enum WorkerToken: UInt8, OwnedKind {
    case requests

    static var owner: Owner { .worker }
}

extension Owner {
    static var worker: Owner { Owner(number: 8) }
}
