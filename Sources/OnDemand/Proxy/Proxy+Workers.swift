/// Tunnels on worker threads: selection of a worker, commands to it and events from it.
extension Proxy {
    /// A worker from the main proxy's view.
    struct WorkerHandle {
        let commands: ThreadSafeQueue<WorkerCommand>
        let counters: SharedCounters
        /// Tunnels handed over and not reported as ended.
        var connections = 0
    }

    /// Connections of this thread and of all workers.
    var connectionCount: Int { relay.count + workerConnectionCount }

    var workerConnectionCount: Int { workers.reduce(0) { $0 + $1.connections } }

    // MARK: Commands to a worker

    /// Returns the worker with the fewest connections, the first of several. nil: this reactor itself, which comes last
    /// because it does all other work.
    static func lightest(own: Int, others: [Int]) -> Int? {
        guard let fewest = others.min(), fewest <= own else { return nil }
        return others.firstIndex(of: fewest)
    }

    /// Hands a tunnel over to a worker. Returns false if it stays on this thread.
    func handOver(_ index: Int) -> Bool {
        guard !workers.isEmpty,
            let chosen = Self.lightest(own: relay.count - 1, others: workers.map(\.connections)),
            let transfer = relay.handOver(index)
        else { return false }
        workers[chosen].connections += 1
        if workerConnectionCount == Limits.manyConnections { hadManyConnections = true }
        upstreams[transfer.tunnel.lease.backend.index].onWorkers += 1
        workers[chosen].commands.post(.tunnel(transfer), through: kernel)
        return true
    }

    func sendToWorkers(_ command: WorkerCommand) {
        for worker in workers { worker.commands.post(command, through: kernel) }
    }

    /// Registers a new or changed service with the relays of all threads.
    func tellRelays(of id: BackendID) {
        let service = upstreams[id.index].ofTunnels
        relay.register(service, at: id)
        sendToWorkers(.register(service, at: id))
    }

    // MARK: Events from a worker

    func handleWorkerEvents() {
        guard let reports else { preconditionFailure("a wakeup without a queue") }
        for report in reports.takeAll() { handle(report) }
        // Trim after the events are freed: many ended tunnels send many events.
        trimMemoryWhenEmpty()
    }

    private func handle(_ report: WorkerEvent) {
        switch report.content {
        case .log(let event, let fields): log.record(event, fields)
        case .leaseEnded(let lease, let wasUncounted):
            upstreams[lease.backend.index].onWorkers -= 1
            endUse(of: lease, wasUncounted: wasUncounted)
        case .connectionEnded(let admission):
            workers[report.worker].connections -= 1
            releaseAdmission(admission)
        }
    }

    /// Adds the workers' traffic counters to this proxy's.
    func mergeTraffic() {
        for worker in workers { worker.counters.merge(into: &relay.table.traffic) }
    }
}
