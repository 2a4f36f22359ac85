/// The sockets of clients: readiness, reads, and what is discarded behind the end.
extension CableServer {
    func token(_ index: Int) -> Token {
        Token(SessionToken.session, index: index, generation: sessions.peek(at: index) { $0.generation })
    }

    func clientReady(_ token: Token, _ readiness: Readiness) {
        let index = token.index
        guard sessions.contains(index: index, generation: token.generation) else { return }
        sessions[index].readiness.formUnion(readiness)
        if readiness.contains(.broken) { return close(index) }
        if readiness.contains(.writable), let client = sessions.peek(at: index, for: { $0.client }) {
            writable(index, client)
        }
        guard sessions.contains(index: index, generation: token.generation),
            sessions.peek(at: index, for: { $0.readiness.contains(.readable) || $0.readiness.contains(.peerEnded) })
                || hasRest(index)
        else { return }
        read(index, isResumed: readiness.isEmpty)
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

    /// `isResumed`: the event loop has asked for it, and bounds the time of all that it resumes.
    func read(_ index: Int, isResumed: Bool) {
        let generation = sessions.peek(at: index) { $0.generation }
        guard handleRest(of: index) else { return }
        if buffer.isEmpty { buffer = Array(repeating: 0, count: Limits.sessionReadBytes) }
        for _ in 0..<Limits.sessionReadsPerTurn where !sessions.peek(at: index, for: { $0.isPaused }) {
            guard isResumed || takeStep() else { break }
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
            case .open: receive(&buffer, 0..<count, for: index, isResumed: isResumed)
            case .closing(let client, let kibibytes):
                guard let sum = Self.add(count, to: kibibytes) else { return close(index) }
                sessions[index].stage = .closing(client: client, kibibytes: sum)
            case .discarding(let client, let kibibytes):
                guard let sum = Self.add(count, to: kibibytes) else { return close(index) }
                sessions[index].stage = .discarding(client: client, kibibytes: sum)
            case .refused(let kibibytes):
                guard let sum = Self.add(count, to: kibibytes) else { return close(index) }
                sessions[index].stage = .refused(kibibytes: sum)
            }
            guard sessions.contains(index: index, generation: generation) else { return }
            // A short read has emptied the socket; its end would be told by another event (epoll(7), question 9).
            let isEmpty =
                count < Limits.sessionReadBytes && !sessions.peek(at: index, for: { $0.readiness.contains(.peerEnded) })
            if isEmpty { sessions[index].readiness.remove(.readable) }
            // A rest of this read is resumed already.
            if isEmpty || hasRest(index) { return }
            if isResumed { break }
        }
        if !sessions.peek(at: index, for: { $0.isPaused }) { reactor.resumeLater(token(index)) }
    }

    /// False when the share of this turn is used up.
    func takeStep() -> Bool {
        switch share.takeStep(in: reactor.turn) {
        case .first: true
        case .further: share.hasTime(at: kernel.now())
        case .none: false
        }
    }

    private func hasRest(_ index: Int) -> Bool { !unhandled.isEmpty && unhandled[index] != nil }

    /// Handles a step of what was read before. Returns false while there is still a rest, or no session any more.
    private func handleRest(of index: Int) -> Bool {
        guard hasRest(index) else { return true }
        guard !sessions.peek(at: index, for: { $0.isPaused }), var bytes = unhandled.removeValue(forKey: index) else {
            return false
        }
        let generation = sessions.peek(at: index) { $0.generation }
        receive(&bytes, 0..<bytes.count, for: index, isResumed: true)
        return sessions.contains(index: index, generation: generation) && !hasRest(index)
    }

    /// nil: the limit of discarded bytes is reached.
    static func add(_ count: Int, to kibibytes: UInt16) -> UInt16? {
        let sum = Int(kibibytes) + max(1, count / 1024)
        return sum * 1024 > Limits.lingerBytes ? nil : UInt16(sum)
    }

    /// Handles the messages in `bytes[range]`, step by step. What the share has no room for is resumed later; of a
    /// client that is resumed, everything behind the first step.
    func receive(_ bytes: inout [UInt8], _ range: Range<Int>, for index: Int, isResumed: Bool) {
        guard case .open(let client) = sessions.peek(at: index, for: { $0.stage }) else { return }
        let (id, generation) = sessions.peek(at: index) { ($0.cable, $0.generation) }
        var unread = range
        while true {
            var writer = writer
            cables[id.index]!.machine.receive(
                &bytes, &unread, from: client, at: kernel.now(), unixSeconds: Int(kernel.wallClock().seconds), &writer)
            settle(id)
            guard !unread.isEmpty, sessions.contains(index: index, generation: generation),
                sessions.peek(at: index, for: { $0.stage == .open(client: client) })
            else { return }
            let isPaused = sessions.peek(at: index) { $0.isPaused }
            guard isPaused || isResumed || !takeStep() else { continue }
            unhandled[index] = Array(bytes[unread])
            if !isPaused { reactor.resumeLater(token(index)) }
            return
        }
    }
}
