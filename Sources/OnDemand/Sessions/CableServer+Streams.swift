/// Messages of the command runner for streams, and the first subscribers of them.
extension CableServer {
    func handle(_ request: StreamRequest) {
        switch request {
        case .publish(let cable, let stream, let text):
            if !isClosed, let id = target(named: cable) { publish(text, to: stream, of: id) }
        case .awaitSubscriber(let cable, let stream):
            awaitedStreams.append((cable, stream))
            if let id = id(named: cable) { lookForSubscribers(of: id) }
        case .forget(let cable, let stream): forget(cable, stream)
        }
    }

    /// A message as a JSON string, on the way that posted ones take.
    private func publish(_ text: [UInt8], to stream: [UInt8], of id: CableID) {
        var json: [UInt8] = []
        json.reserveCapacity(text.count + 2)
        JSONText.append(quoted: text.span, to: &json)
        cables[id.index]!.publications += 1
        if let source = cables[id.index]!.source {
            source.publish(json, to: stream)
            takeOutputs(of: id, source)
        } else {
            cables[id.index]!.machine.broadcast(StreamMessage(message: json, data: json), to: stream)
            cables[id.index]!.hasUndelivered = true
        }
        settle(id)
    }

    /// Reports the awaited streams whose messages reach a client by now: with a source it has confirmed them.
    func lookForSubscribers(of id: CableID) {
        guard let cable = cables[id.index] else { return }
        let found = awaitedStreams.filter { awaited in
            awaited.cable == cable.name && cable.machine.table.isLive(stream: awaited.stream)
        }
        for (name, stream) in found {
            forget(name, stream)
            streamReplies.post(.subscribed(cable: name, stream: stream))
            work.post(.commandWork)
        }
    }

    /// Where messages for this cable go: after its removal to the clients that have not left yet.
    private func target(named name: String) -> CableID? {
        id(named: name) ?? cables.firstIndex { $0?.name == name }.map { CableID(index: $0) }
    }

    // MARK: Congestion

    /// Stops and resumes what brings messages, by the undelivered ones of this cable.
    func updateCongestion(of id: CableID) {
        guard let cable = cables[id.index], cable.isPaused != cable.machine.table.isCongested else { return }
        cable.isPaused.toggle()
        cable.source?.pause(cable.isPaused)
        reportCongestion(of: cable.name)
    }

    /// Tells the command runner whether messages for this cable are to wait, if that has changed.
    func reportCongestion(of name: String) {
        let isCongested = target(named: name).map { cables[$0.index]!.isPaused } ?? false
        guard isCongested != congestedCables.contains(name) else { return }
        if isCongested { congestedCables.append(name) } else { congestedCables.removeAll { $0 == name } }
        streamReplies.post(isCongested ? .congested(cable: name) : .relieved(cable: name))
        work.post(.commandWork)
        // The messages of this turn may have been delivered already.
        reactor.resumeLater(Self.deliveryToken)
    }

    private func forget(_ cable: String, _ stream: [UInt8]) {
        awaitedStreams.removeAll { $0.cable == cable && $0.stream == stream }
    }

    /// Signs the names of streams for clients of this cable.
    func verifier(of id: CableID) -> StreamNameVerifier? { cables[id.index]?.machine.rules.resolver.verifier }
}
