/// The end of an upstream: closed, or kept idle without a lease for the client's next request.
extension Proxy {
    func releaseUpstream(_ session: HTTPSession) {
        forgetIdleUpstream(of: session)
        if let upstream = session.upstream { kernel.close(upstream.descriptor) }
        if let lease = session.lease {
            if session.upstream == nil { reactor.disarm(.connectRetry(session.token)) }
            session.lease = nil
            endUse(of: lease, wasUncounted: false)
        }
        session.upstream = nil
        session.hasGenerationEnded = false
        session.machine.releasedUpstream()
    }

    // MARK: Idle upstreams

    /// Keeps the upstream idle and returns the lease, so that the idle timer starts. Only upstreams of a current
    /// generation are kept.
    func keepUpstream(_ session: HTTPSession) {
        guard let lease = session.lease, upstreams[lease.backend.index].gate.isOpen, !isDraining else {
            return releaseUpstream(session)
        }
        session.idleUpstream = lease
        idleUpstreams += 1
        session.lease = nil
        session.hasGenerationEnded = false
        session.machine.keptUpstream()
        endUse(of: lease, wasUncounted: false)
    }

    /// Returns true if the idle upstream belongs to the current generation. The read detects bytes or an end that epoll
    /// has not reported yet.
    func reuseIdleUpstream(_ session: HTTPSession) -> Bool {
        guard let upstream = session.upstream else { return false }
        let belongs = session.idleUpstream == session.lease
        forgetIdleUpstream(of: session)
        if belongs, kernel.receive(from: upstream.descriptor, into: &buffers) == .wouldBlock { return true }
        kernel.close(upstream.descriptor)
        session.upstream = nil
        return false
    }

    func forgetIdleUpstream(of session: HTTPSession) {
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
    func closeIdleUpstreams(where matches: (Lease) -> Bool) {
        guard idleUpstreams > 0 else { return }
        for session in sessions.all {
            guard let idleUpstream = session.idleUpstream, matches(idleUpstream),
                let upstream = session.upstream
            else { continue }
            forgetIdleUpstream(of: session)
            kernel.close(upstream.descriptor)
            session.upstream = nil
            session.machine.releasedUpstream()
            // The client's deadline changes.
            reactor.resumeLater(session.token)
        }
    }
}
