/// Tunnels on other threads: who carries which, what their carriers are told, and what they tell.
extension Proxy {
    /// A carrier as the proxy that decides sees it.
    struct WorkerHandle {
        let commands: ThreadSafeQueue<WorkerCommand>
        let counters: SharedCounters
        /// Connections that have been handed over and have not been told to be over.
        var connections = 0
    }

    /// All that there are, here and on other threads.
    var connectionCount: Int { connections.count + workerConnectionCount }

    var workerConnectionCount: Int { workers.reduce(0) { $0 + $1.connections } }

    // MARK: To a carrier

    /// Whoever has the fewest connections, and of several the first; nil is this reactor itself, which comes last,
    /// because everything else is its work, too.
    static func lightest(own: Int, others: [Int]) -> Int? {
        guard let fewest = others.min(), fewest <= own else { return nil }
        return others.firstIndex(of: fewest)
    }

    /// False where it stays.
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
        if workerConnectionCount == Limits.crowd { hadManyConnections = true }
        upstreams[lease.backend.index].onWorkers += 1
        workers[chosen].commands.post(
            .tunnel(TunnelTransfer(connection, announcedClient: proxyProtocol)), through: kernel)
        return true
    }

    func sendToWorkers(_ order: WorkerCommand) {
        for worker in workers { worker.commands.post(order, through: kernel) }
    }

    func sendToWorkers(of id: BackendID) {
        guard !workers.isEmpty else { return }
        let upstream = upstreams[id.index]
        sendToWorkers(.register(id, name: upstream.name, upstream.gate, upstream.limits))
    }

    // MARK: From a carrier

    func handleWorkerEvents() {
        guard let reports else { preconditionFailure("a bell rings where nobody has one") }
        for report in reports.takeAll() { handle(report) }
        // When the reports are gone, too: a crowd that leaves at once has many.
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

    /// What has gone through the tunnels of others until now is counted here from now on.
    func mergeTraffic() {
        for worker in workers { worker.counters.merge(into: &traffic) }
    }

    // MARK: On a carrier

    /// What was known of its sockets' readiness came along, and watching them tells how they are now.
    func update(_ connection: Connection, announcedClient: String?) {
        lastUpstreamNumber = (lastUpstreamNumber + 1) & 0xff_ffff
        let place = connections.insert(connection)
        connections[place.index].generation = place.generation
        noteAnnounced(announcedClient, of: place.index)
        connections[place.index].upstream?.number = lastUpstreamNumber
        if connections.count == Limits.crowd { hadManyConnections = true }
        do throws(SystemError) {
            try kernel.watch(connection.client.descriptor, for: .edges, as: clientToken(place.index))
            if let upstream = connection.upstream {
                let token = Token(.upstream, index: place.index, generation: lastUpstreamNumber)
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
            precondition(id.index == upstreams.count, "services are seated in order")
            upstreams.append(upstream)
            traffic.append(Traffic())
            return
        }
        upstreams[id.index] = upstream
    }

    func enterTraffic() {
        if let reporting { reporting.counters.enter(&traffic) }
    }

    /// True where others count. What was carried until then is entered first, so that whoever hears of an end finds all
    /// of it.
    func report(_ content: @autoclosure () -> WorkerEvent.Content) -> Bool {
        guard let reporting else { return false }
        enterTraffic()
        reporting.queue.post(WorkerEvent(worker: reporting.worker, content: content()), through: kernel)
        return true
    }
}
