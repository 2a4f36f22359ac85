/// The end of a request's connection to its backend: closed, or kept without a lease for the same client's next one.
extension Proxy {
    func releaseUpstream(_ index: Int, _ session: Connection.HTTPSession) {
        forgetIdleUpstream(of: session)
        releaseBackend(of: index)
        session.machine.releasedUpstream()
    }

    func releaseBackend(of index: Int) {
        let upstream = connections[index].upstream
        if let upstream { kernel.close(upstream.descriptor) }
        connections[index].upstream = nil
        if let lease = connections[index].lease {
            if upstream == nil { reactor.disarm(.connectRetry(clientToken(index))) }
            connections[index].lease = nil
            endUse(of: lease, wasUncounted: connections[index].isUncounted)
        }
    }

    // MARK: Spares

    /// The backend's idle clock starts as if the connection were closed; only of a life that goes on is one kept.
    func keepUpstream(_ index: Int, _ session: Connection.HTTPSession) {
        guard let lease = connections[index].lease, upstreams[lease.backend.index].gate.isOpen, !isDraining else {
            return releaseUpstream(index, session)
        }
        session.idleUpstream = lease
        idleUpstreams += 1
        connections[index].lease = nil
        session.machine.keptUpstream()
        endUse(of: lease, wasUncounted: false)
    }

    /// True when the link has a connection from an earlier request to the life that was entered now. What has been said
    /// on it meanwhile, or its end, may not have been told yet.
    func reuseIdleUpstream(_ index: Int, _ session: Connection.HTTPSession) -> Bool {
        guard let upstream = connections[index].upstream else { return false }
        let belongs = session.idleUpstream == connections[index].lease
        forgetIdleUpstream(of: session)
        if belongs, kernel.receive(from: upstream.descriptor, into: &buffers) == .wouldBlock { return true }
        kernel.close(upstream.descriptor)
        connections[index].upstream = nil
        return false
    }

    func forgetIdleUpstream(of session: Connection.HTTPSession) {
        guard session.idleUpstream != nil else { return }
        session.idleUpstream = nil
        idleUpstreams -= 1
    }

    /// Whoever stops a backend finds none of them open.
    func closeIdleUpstreamsOfClosedGate(_ id: BackendID) {
        guard idleUpstreams > 0, upstreams.indices.contains(id.index), !upstreams[id.index].gate.isOpen else { return }
        closeIdleUpstreams { $0.backend == id }
    }

    /// At once; their clients notice nothing.
    func closeIdleUpstreams(where isMeant: (Connection.Lease) -> Bool) {
        guard idleUpstreams > 0 else { return }
        for index in connections.indices {
            guard let session = connections[index].session, let idleUpstream = session.idleUpstream,
                isMeant(idleUpstream),
                let upstream = connections[index].upstream
            else { continue }
            forgetIdleUpstream(of: session)
            kernel.close(upstream.descriptor)
            connections[index].upstream = nil
            session.machine.releasedUpstream()
            // What it waits for has another limit now.
            reactor.resumeLater(clientToken(index))
        }
    }
}
