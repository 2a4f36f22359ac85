/// The end of a request's connection to its backend: closed, or kept without a lease for the same client's next one.
extension Proxy {
    func releaseUpstream(_ index: Int, _ conversation: Link.Conversation) {
        forgetSpare(of: conversation)
        releaseBackend(of: index)
        conversation.machine.releasedUpstream()
    }

    func releaseBackend(of index: Int) {
        let upstream = links[index].upstream
        if let upstream { kernel.close(upstream.descriptor) }
        links[index].upstream = nil
        if let lease = links[index].lease {
            if upstream == nil { reactor.disarm(.connectRetry(clientToken(index))) }
            links[index].lease = nil
            endUse(of: lease, wasDormant: links[index].isDormant)
        }
    }

    // MARK: Spares

    /// The backend's idle clock starts as if the connection were closed; only of a life that goes on is one kept.
    func keepUpstream(_ index: Int, _ conversation: Link.Conversation) {
        guard let lease = links[index].lease, upstreams[lease.backend.index].gate.isOpen, !isDraining else {
            return releaseUpstream(index, conversation)
        }
        conversation.spare = lease
        spares += 1
        links[index].lease = nil
        conversation.machine.keptUpstream()
        endUse(of: lease, wasDormant: false)
    }

    /// True when the link has a connection from an earlier request to the life that was entered now. What has been said
    /// on it meanwhile, or its end, may not have been told yet.
    func takeUpSpare(_ index: Int, _ conversation: Link.Conversation) -> Bool {
        guard let upstream = links[index].upstream else { return false }
        let belongs = conversation.spare == links[index].lease
        forgetSpare(of: conversation)
        if belongs, kernel.receive(from: upstream.descriptor, into: &scratch) == .wouldBlock { return true }
        kernel.close(upstream.descriptor)
        links[index].upstream = nil
        return false
    }

    func forgetSpare(of conversation: Link.Conversation) {
        guard conversation.spare != nil else { return }
        conversation.spare = nil
        spares -= 1
    }

    /// Whoever stops a backend finds none of them open.
    func forsake(_ id: BackendID) {
        guard spares > 0, upstreams.indices.contains(id.index), !upstreams[id.index].gate.isOpen else { return }
        dropSpares { $0.backend == id }
    }

    /// At once; their clients notice nothing.
    func dropSpares(where isMeant: (Link.Lease) -> Bool) {
        guard spares > 0 else { return }
        for index in links.indices {
            guard let conversation = links[index].conversation, let spare = conversation.spare, isMeant(spare),
                let upstream = links[index].upstream
            else { continue }
            forgetSpare(of: conversation)
            kernel.close(upstream.descriptor)
            links[index].upstream = nil
            conversation.machine.releasedUpstream()
            // What it waits for has another limit now.
            reactor.resumeLater(clientToken(index))
        }
    }
}
