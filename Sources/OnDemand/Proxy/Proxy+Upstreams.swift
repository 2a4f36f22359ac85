/// The end of an upstream: closed, or kept idle without a lease for the client's next request.
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

    // MARK: Idle upstreams

    /// Keeps the upstream idle and returns the lease, so that the idle timer starts. Only upstreams of a current
    /// generation are kept.
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

    /// Returns true if the idle upstream belongs to the current generation. The read detects bytes or an end that epoll
    /// has not reported yet.
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

    /// Closes idle upstreams before their backend is stopped.
    func closeIdleUpstreamsOfClosedGate(_ id: BackendID) {
        guard idleUpstreams > 0, upstreams.indices.contains(id.index), !upstreams[id.index].gate.isOpen else { return }
        closeIdleUpstreams { $0.backend == id }
    }

    /// Closes idle upstreams at once. Clients do not notice.
    func closeIdleUpstreams(where matches: (Connection.Lease) -> Bool) {
        guard idleUpstreams > 0 else { return }
        for index in connections.indices {
            guard let session = connections[index].session, let idleUpstream = session.idleUpstream,
                matches(idleUpstream),
                let upstream = connections[index].upstream
            else { continue }
            forgetIdleUpstream(of: session)
            kernel.close(upstream.descriptor)
            connections[index].upstream = nil
            session.machine.releasedUpstream()
            // The client's deadline changes.
            reactor.resumeLater(clientToken(index))
        }
    }
}
