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
    var connectionCount: Int { connections.count + workerConnectionCount }

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
            let chosen = Self.lightest(own: connections.count - 1, others: workers.map(\.connections)),
            let lease = connections[index].lease, let upstream = connections[index].upstream
        else { return false }
        let connection = connections[index]
        let proxyProtocol = announcedClient(of: index)
        noteAnnounced(nil, of: index)
        kernel.unwatch(connection.client.descriptor)
        kernel.unwatch(upstream.descriptor)
        connections.remove(index: index)
        workers[chosen].connections += 1
        if workerConnectionCount == Limits.manyConnections { hadManyConnections = true }
        upstreams[lease.backend.index].onWorkers += 1
        workers[chosen].commands.post(
            .tunnel(TunnelTransfer(connection, announcedClient: proxyProtocol)), through: kernel)
        return true
    }

    func sendToWorkers(_ command: WorkerCommand) {
        for worker in workers { worker.commands.post(command, through: kernel) }
    }

    func sendToWorkers(of id: BackendID) {
        guard !workers.isEmpty else { return }
        let upstream = upstreams[id.index]
        sendToWorkers(.register(id, name: upstream.name, upstream.gate, upstream.limits))
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
        for worker in workers { worker.counters.merge(into: &traffic) }
    }

    // MARK: On a worker

    /// Takes over a tunnel. Its readiness comes along, and watching the sockets reports the current readiness.
    func takeOver(_ connection: Connection, announcedClient: String?) {
        lastUpstreamNumber = (lastUpstreamNumber + 1) & 0xff_ffff
        let place = connections.insert(connection)
        connections[place.index].generation = place.generation
        noteAnnounced(announcedClient, of: place.index)
        connections[place.index].upstream?.number = lastUpstreamNumber
        if connections.count == Limits.manyConnections { hadManyConnections = true }
        do throws(SystemError) {
            try kernel.watch(connection.client.descriptor, for: .edges, as: clientToken(place.index))
            if let upstream = connection.upstream {
                let token = Token(ConnectionToken.upstream, index: place.index, generation: lastUpstreamNumber)
                try kernel.watch(upstream.descriptor, for: .edges, as: token)
            }
            relay(place.index)
        } catch {
            log(.systemError, LogField("detail", error.description))
            close(place.index, .clientReset)
        }
    }

    func register(_ upstream: Upstream, at id: BackendID) {
        guard upstreams.indices.contains(id.index) else {
            precondition(id.index == upstreams.count, "services are registered in order of their indices")
            upstreams.append(upstream)
            traffic.append(Traffic())
            return
        }
        upstreams[id.index] = upstream
    }

    func enterTraffic() {
        if let reporting { reporting.counters.enter(&traffic) }
    }

    /// Reports an event to the main proxy. Returns false on the main proxy itself. The traffic counters are published
    /// first, so that an end is never seen before its bytes.
    func report(_ content: @autoclosure () -> WorkerEvent.Content) -> Bool {
        guard let reporting else { return false }
        enterTraffic()
        reporting.queue.post(WorkerEvent(worker: reporting.worker, content: content()), through: kernel)
        return true
    }
}
