/// The status listener's conversations: served from memory, pushed when something changed, never counted as use.
extension Proxy {
    func serve(_ resource: StatusResource, _ index: Int, _ session: Connection.HTTPSession) {
        // A connection that is kept would be one more to wait for.
        if isDraining { session.machine.request?.wantsKeepAlive = false }
        hasServedStatus = hasServedStatus || resource.isLarge
        let keepAlive = session.machine.staysOpen
        let headOnly = session.machine.request?.isHead ?? false
        switch resource {
        case .service: control(index, session)
        case .events where !headOnly:
            session.machine.servedStream(StatusResponse.eventStreamHead + StatusResponse.event(status.snapshot()))
            statusSubscribers.append(clientToken(index))
            refreshLater(after: Limits.statusRefresh)
        case .history:
            let text = HistoryJSON.text(of: status.history(), at: kernel.wallClock().seconds)
            session.machine.served(StatusResponse.ofJSON(text, keepAlive: keepAlive, headOnly: headOnly))
        case .page, .snapshot, .metrics, .events, .health, .readiness:
            let response = StatusResponse.of(resource, status.snapshot(), keepAlive: keepAlive, headOnly: headOnly)
            session.machine.served(response)
        }
    }

    /// Requests and tunnels in progress, whether they keep the backend awake or not.
    func openCount(of id: BackendID) -> Int { upstreams[id.index].gate.leases + upstreams[id.index].uncounted }

    /// What only the connections know about a service.
    func describe(_ id: BackendID, in service: inout Snapshot.Service) {
        service.open = openCount(of: id)
        service.traffic = traffic[id.index]
        service.queuedRequestsTotal = admissions[id.index].queued
        service.refused = admissions[id.index].refused.all
    }

    /// By the index of the service: those in progress that are tunnels.
    func openTunnels() -> [Int] {
        var counts = upstreams.map(\.onWorkers)
        for index in connections.indices where connections[index].session == nil {
            if let lease = connections[index].lease { counts[lease.backend.index] += 1 }
        }
        return counts
    }

    /// Something a watcher would see has changed. Without watchers this costs nothing, and a burst is told once.
    func statusChanged() {
        guard !statusSubscribers.isEmpty, !statusIsDirty else { return }
        statusIsDirty = true
        refreshLater(after: Limits.statusBurst)
    }

    private func refreshLater(after delay: Duration) { reactor.arm(.status, at: kernel.now() + delay) }

    func refreshStatus() {
        statusIsDirty = false
        guard !statusSubscribers.isEmpty else { return }
        let event = StatusResponse.event(status.snapshot())
        for token in statusSubscribers {
            guard let session = connections[token.index].session else { continue }
            if session.machine.push(event) { drive(token.index) } else { close(token.index, .stalled) }
        }
        // Memory and ages change without an event; nobody watches, nobody wakes.
        if !statusSubscribers.isEmpty { refreshLater(after: Limits.statusRefresh) }
    }
}
