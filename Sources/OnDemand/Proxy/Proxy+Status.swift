/// Serves the status listener from memory and pushes changes to subscribers. These requests never count as use.
extension Proxy {
    func serve(_ resource: StatusResource, _ session: HTTPSession) {
        // A kept connection would delay the shutdown.
        if isDraining { session.machine.closeAfterResponse() }
        hasServedStatus = hasServedStatus || resource.isLarge
        let keepAlive = session.machine.staysOpen
        let headOnly = session.machine.request?.parsed.isHead ?? false
        switch resource {
        case .service: control(session)
        case .events where !headOnly:
            session.machine.servedStream(StatusResponse.eventStreamHead + StatusResponse.event(status.snapshot()))
            statusSubscribers.append(session.token)
            refreshLater(after: Limits.statusRefresh)
        case .history:
            let text = HistoryJSON.text(of: status.history(), at: kernel.wallClock().seconds)
            session.machine.served(StatusResponse.ofJSON(text, keepAlive: keepAlive, headOnly: headOnly))
        case .page, .snapshot, .metrics, .events, .health, .readiness:
            let response = StatusResponse.of(resource, status.snapshot(), keepAlive: keepAlive, headOnly: headOnly)
            session.machine.served(response)
        }
    }

    /// Requests and tunnels in progress, including uncounted tunnels.
    func openCount(of id: BackendID) -> Int { upstreams[id.index].gate.leases + upstreams[id.index].uncounted }

    /// Fills in the values that only the proxy knows.
    func describe(_ id: BackendID, in service: inout Snapshot.Service) {
        service.open = openCount(of: id)
        service.traffic = relay.table.traffic[id.index]
        service.queuedRequestsTotal = admissions[id.index].queued
        service.refused = admissions[id.index].refused.all
    }

    /// Open tunnels by service index.
    func openTunnels() -> [Int] {
        var counts = upstreams.map(\.onWorkers)
        relay.countTunnels(in: &counts)
        return counts
    }

    /// Schedules a push to status subscribers. Without subscribers it costs nothing. Changes within
    /// `Limits.statusBurst` are pushed once.
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
            guard let session = sessions[token.index] else { continue }
            if session.machine.push(event) { runSteps(token.index, session) } else { close(token.index, .stalled) }
        }
        // Memory and ages change without an event. The timer runs only while there are subscribers.
        if !statusSubscribers.isEmpty { refreshLater(after: Limits.statusRefresh) }
    }
}
