/// Messages of the command runner for streams, and the first subscribers of them.
extension CableServer {
    func handle(_ request: StreamRequest) {
        switch request {
        case .publish(let cable, let stream, let text):
            if !isClosed, let id = id(named: cable) { publish(text, to: stream, of: id) }
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

    private func forget(_ cable: String, _ stream: [UInt8]) {
        awaitedStreams.removeAll { $0.cable == cable && $0.stream == stream }
    }

    /// The name as clients of this cable subscribe to it with a signature; nil: the cable has no secret.
    func signedName(of stream: [UInt8], for cable: String) -> String? {
        guard let id = id(named: cable) else { return nil }
        return cables[id.index]!.machine.rules.resolver.verifier.sign(stream).map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}
