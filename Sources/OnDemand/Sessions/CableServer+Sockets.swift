/// The sockets of clients: readiness, reads, and what is discarded behind the end.
extension CableServer {
    func token(_ index: Int) -> Token {
        Token(.session, index: index, generation: sessions.peek(at: index) { $0.generation })
    }

    func ready(_ token: Token, _ readiness: Readiness) {
        let index = token.index
        guard sessions.contains(index: index, generation: token.generation) else { return }
        sessions[index].readiness.formUnion(readiness)
        if readiness.contains(.broken) { return close(index) }
        if readiness.contains(.writable), let client = sessions.peek(at: index, for: { $0.client }) {
            writable(index, client)
        }
        guard sessions.contains(index: index, generation: token.generation),
            sessions.peek(at: index, for: { $0.readiness.contains(.readable) || $0.readiness.contains(.peerEnded) })
        else { return }
        read(index)
    }

    func writable(_ index: Int, _ client: UInt32) {
        let id = sessions.peek(at: index) { $0.cable }
        guard !cables[id.index]!.machine.clients.queues.isEmpty(client) else { return }
        var writer = writer
        cables[id.index]!.machine.writable(client, at: kernel.now(), &writer)
        settle(id)
        // What the client did not take was not read from the backend, which is in use until it is.
        guard sessions.isTaken(index), let relay = sessions[index].relay, let upstream = relay.upstream else { return }
        backends.gate(of: relay.backend).recordClientData(at: kernel.now())
        if upstream.stage != .connecting { read(upstream, of: index, relay) }
    }

    func read(_ index: Int) {
        let generation = sessions.peek(at: index) { $0.generation }
        if buffer.isEmpty { buffer = Array(repeating: 0, count: Limits.sessionReadBytes) }
        for _ in 0..<Limits.sessionReadsPerTurn where !sessions.peek(at: index, for: { $0.isPaused }) {
            let (descriptor, stage) = sessions.peek(at: index) { ($0.descriptor, $0.stage) }
            let count: Int
            switch kernel.receive(from: descriptor, into: &buffer) {
            case .bytes(let bytes): count = bytes
            case .wouldBlock:
                sessions[index].readiness.remove(.readable)
                return
            case .ended, .failed: return close(index)
            }
            switch stage {
            case .open: receive(&buffer, count, for: index)
            case .closing: break
            case .discarding(let client, let kibibytes):
                guard let sum = Self.add(count, to: kibibytes) else { return close(index) }
                sessions[index].stage = .discarding(client: client, kibibytes: sum)
            case .refused(let kibibytes):
                guard let sum = Self.add(count, to: kibibytes) else { return close(index) }
                sessions[index].stage = .refused(kibibytes: sum)
            }
            guard sessions.contains(index: index, generation: generation) else { return }
            // A short read has emptied the socket; its end would be told by another event (epoll(7), question 9).
            if count < Limits.sessionReadBytes, !sessions.peek(at: index, for: { $0.readiness.contains(.peerEnded) }) {
                sessions[index].readiness.remove(.readable)
                return
            }
        }
        if !sessions.peek(at: index, for: { $0.isPaused }) { reactor.resumeLater(token(index)) }
    }

    /// nil: the limit of discarded bytes is reached.
    static func add(_ count: Int, to kibibytes: UInt16) -> UInt16? {
        let sum = Int(kibibytes) + max(1, count / 1024)
        return sum * 1024 > Limits.lingerBytes ? nil : UInt16(sum)
    }

    func receive(_ bytes: inout [UInt8], _ count: Int, for index: Int) {
        guard case .open(let client) = sessions.peek(at: index, for: { $0.stage }) else { return }
        let id = sessions.peek(at: index) { $0.cable }
        var writer = writer
        cables[id.index]!.machine.receive(
            &bytes, 0..<count, from: client, at: kernel.now(), unixSeconds: Int(kernel.wallClock().seconds), &writer)
        settle(id)
    }
}
