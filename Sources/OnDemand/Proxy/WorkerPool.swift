/// The worker threads from the proxy's side: which of them gets a tunnel, the requests to them, and their events.
///
/// Invariant: a tunnel is counted for its worker from the hand-over until the worker has reported its end.
final class WorkerPool<K: Kernel> {
    private let kernel: K
    private let log: Log
    private let services: ServiceTable<K>
    /// Events from the workers. nil: no workers.
    private let reports: ThreadSafeQueue<WorkerEvent>?
    private var workers: [Handle] = []

    private struct Handle {
        let requests: ThreadSafeQueue<WorkerRequest>
        let counters: SharedCounters
        /// Tunnels handed over and not reported as ended.
        var connections = 0
    }

    init(kernel: K, log: Log, services: ServiceTable<K>, reports: ThreadSafeQueue<WorkerEvent>?) {
        (self.kernel, self.log, self.services, self.reports) = (kernel, log, services, reports)
    }

    func add(_ requests: ThreadSafeQueue<WorkerRequest>, _ counters: SharedCounters) {
        workers.append(Handle(requests: requests, counters: counters))
    }

    /// Tunnels of each worker.
    var connections: [Int] { workers.map(\.connections) }

    /// Tunnels of all workers.
    var connectionCount: Int { workers.reduce(0) { $0 + $1.connections } }

    // MARK: Requests to a worker

    /// Returns the worker with the fewest connections, the first of several. nil: this reactor itself, which comes last
    /// because it does all other work.
    static func lightest(own: Int, others: [Int]) -> Int? {
        guard let fewest = others.min(), fewest <= own else { return nil }
        return others.firstIndex(of: fewest)
    }

    /// Hands a tunnel over to a worker. Returns false if it stays with its relay.
    func handOver(_ index: Int, of relay: TunnelRelay<K>) -> Bool {
        guard !workers.isEmpty, let chosen = Self.lightest(own: relay.count - 1, others: connections),
            let transfer = relay.handOver(index)
        else { return false }
        workers[chosen].connections += 1
        services.movedToWorker(transfer.tunnel.lease.backend)
        workers[chosen].requests.post(.tunnel(transfer), through: kernel)
        return true
    }

    /// Sends a request to all workers.
    func send(_ request: WorkerRequest) {
        for worker in workers { worker.requests.post(request, through: kernel) }
    }

    // MARK: Events from a worker

    /// What the proxy does at the end of a worker's tunnel.
    enum Ending {
        case lease(Lease, wasUncounted: Bool)
        case connection(Admission)
    }

    /// Takes the workers' events: log lines are written, ended tunnels returned.
    func takeEndings() -> [Ending] {
        guard let reports else { preconditionFailure("a wakeup without a queue") }
        return reports.takeAll().compactMap { report in
            switch report.content {
            case .log(let event, let fields):
                log.record(event, fields)
                return nil
            case .leaseEnded(let lease, let wasUncounted):
                services.endedOnWorker(lease.backend)
                return .lease(lease, wasUncounted: wasUncounted)
            case .connectionEnded(let admission):
                workers[report.worker].connections -= 1
                return .connection(admission)
            }
        }
    }

    /// Adds the workers' traffic counters to those of the relay.
    func mergeTraffic(into relay: TunnelRelay<K>) {
        for worker in workers { relay.merge(worker.counters) }
    }

    /// A look at the events that are on their way, for judging invariants.
    var pendingEvents: ThreadSafeQueue<WorkerEvent>? { reports }
}
