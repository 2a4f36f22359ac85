/// The status listener's conversations: served from memory, pushed when something changed, never counted as use.
extension Proxy {
    func serve(_ resource: StatusResource, _ index: Int, _ conversation: Link.Conversation) {
        // A connection that is kept would be one more to wait for.
        if isDraining { conversation.machine.request?.wantsKeepAlive = false }
        hasToldOfItself = hasToldOfItself || resource.isLarge
        let keepAlive = conversation.machine.staysOpen
        let headOnly = conversation.machine.request?.isHead ?? false
        switch resource {
        case .service: control(index, conversation)
        case .events where !headOnly:
            conversation.machine.servedStream(StatusResponse.eventStreamHead + StatusResponse.event(status.snapshot()))
            watchers.append(clientToken(index))
            refreshLater(after: Limits.statusRefresh)
        case .history:
            let text = HistoryJSON.text(of: status.history(), at: kernel.wallClock().seconds)
            conversation.machine.served(StatusResponse.ofJSON(text, keepAlive: keepAlive, headOnly: headOnly))
        case .page, .snapshot, .metrics, .events, .health, .readiness:
            let response = StatusResponse.of(resource, status.snapshot(), keepAlive: keepAlive, headOnly: headOnly)
            conversation.machine.served(response)
        }
    }

    /// Requests and tunnels in progress, whether they keep the backend awake or not.
    func openCount(of id: BackendID) -> Int { upstreams[id.index].gate.leases + upstreams[id.index].dormant }

    /// What only the connections know about a service.
    func describe(_ id: BackendID, in service: inout Snapshot.Service) {
        service.open = openCount(of: id)
        service.traffic = traffic[id.index]
        service.held = arrivals[id.index].held
        service.refused = arrivals[id.index].refused.all
    }

    /// By the index of the service: those in progress that are tunnels.
    func openTunnels() -> [Int] {
        var counts = upstreams.map(\.carried)
        for index in links.indices where links[index].conversation == nil {
            if let lease = links[index].lease { counts[lease.backend.index] += 1 }
        }
        return counts
    }

    /// Something a watcher would see has changed. Without watchers this costs nothing, and a burst is told once.
    func statusChanged() {
        guard !watchers.isEmpty, !statusIsDirty else { return }
        statusIsDirty = true
        refreshLater(after: Limits.statusBurst)
    }

    private func refreshLater(after delay: Duration) { reactor.arm(.status, at: kernel.now() + delay) }

    func refreshStatus() {
        statusIsDirty = false
        guard !watchers.isEmpty else { return }
        let event = StatusResponse.event(status.snapshot())
        for token in watchers {
            guard let conversation = links[token.index].conversation else { continue }
            if conversation.machine.push(event) { drive(token.index) } else { close(token.index, .stalled) }
        }
        // Memory and ages change without an event; nobody watches, nobody wakes.
        if !watchers.isEmpty { refreshLater(after: Limits.statusRefresh) }
    }
}
