/// The sockets of the cables' clients: what is open, what is read, and what is left of it for a later turn.
///
/// One turn of the event loop: each ready socket is read at most `Limits.cableReadsPerTurn` times, and all clients
/// and upstreams together take a `CableShare` of steps. What a step leaves is kept here and resumed by the event
/// loop.
///
/// Invariants:
/// - A slot is used again only after `remove`, which closes the socket and disarms the timer.
/// - A paused client is not read; `resume` continues with what is left of the last read.
final class CableSessionTable<K: Kernel> {
    private let reactor: Reactor<K>
    private var sessions = Slab(empty: CableSession.empty)
    /// Empty while no client is connected.
    private var buffer: [UInt8] = []
    /// What was read and is not handled yet, by session. Only floods leave any.
    private var unhandled: [Int: [UInt8]] = [:]
    private var share = CableShare()

    init(reactor: Reactor<K>) { self.reactor = reactor }

    private var kernel: K { reactor.kernel }

    // MARK: Reading the table

    var count: Int { sessions.count }
    /// Exclusive upper bound of the numbers in use.
    var end: Int { sessions.end }
    var indices: [Int] { sessions.indices }

    func isTaken(_ index: Int) -> Bool { sessions.isTaken(index) }
    func contains(index: Int, generation: UInt32) -> Bool { sessions.contains(index: index, generation: generation) }
    func contains(_ token: Token) -> Bool { sessions.contains(index: token.index, generation: token.generation) }

    /// Reads one member of a session, without a copy of the others.
    @inline(__always)
    func peek<Result>(at index: Int, for thing: (CableSession) -> Result) -> Result {
        sessions.peek(at: index, for: thing)
    }

    func token(_ index: Int) -> Token {
        Token(CableServerToken.session, index: index, generation: sessions.peek(at: index) { $0.generation })
    }

    /// nil: the slot is free, or the cable serves its client alone.
    func relay(of index: Int) -> Relay? { sessions.isTaken(index) ? sessions.peek(at: index) { $0.relay } : nil }

    func has(_ relay: Relay, _ index: Int) -> Bool { self.relay(of: index) === relay }

    /// The relays of the sessions that are chosen. A call for one of them may end others: those are skipped.
    func visitRelays(where isChosen: (CableSession, Relay) -> Bool, _ body: (Int, Relay) -> Void) {
        let chosen = sessions.indices.filter { index in
            sessions.peek(at: index) { session in session.relay.map { isChosen(session, $0) } ?? false }
        }
        for index in chosen {
            guard let relay = relay(of: index), isChosen(sessions[index], relay) else { continue }
            body(index, relay)
        }
    }

    /// All sessions have got everything that they are to get.
    var haveAllEnded: Bool {
        sessions.indices.allSatisfy { index in
            switch sessions.peek(at: index, for: { $0.stage }) {
            case .discarding, .refused: true
            case .open, .closing: false
            }
        }
    }

    // MARK: Stages

    /// Takes a slot for a socket, and watches it.
    func open(_ session: CableSession) throws(SystemError) -> Int {
        let place = sessions.claim()
        sessions[place.index] = session
        sessions[place.index].generation = place.generation
        do throws(SystemError) {
            try kernel.watch(session.descriptor, for: .edges, as: token(place.index))
        } catch {
            remove(place.index)
            throw error
        }
        return place.index
    }

    func move(_ index: Int, to stage: CableSession.Stage) { sessions[index].stage = stage }
    func attach(_ relay: Relay?, to index: Int) { sessions[index].relay = relay }
    func schedule(_ departure: CableSession.Departure, of index: Int) { sessions[index].departure = departure }

    func armTimer(of index: Int, after delay: Duration) {
        reactor.arm(.session(token(index)), at: kernel.now() + delay)
    }

    /// Closes the socket.
    @discardableResult
    func remove(_ index: Int) -> CableSession {
        let token = token(index)
        if !unhandled.isEmpty { unhandled[index] = nil }
        let session = sessions.remove(index: index)
        if session.departure != nil || session.stage != .open(client: session.client ?? 0) {
            reactor.disarm(.session(token))
        }
        kernel.close(session.descriptor)
        return session
    }

    // MARK: Reading

    /// The client is not read, because nothing takes what it sends.
    func pause(_ index: Int) { sessions[index].isPaused = true }

    func resume(_ index: Int) {
        guard sessions.peek(at: index, for: { $0.isPaused }) else { return }
        sessions[index].isPaused = false
        reactor.resumeLater(token(index))
    }

    func note(_ readiness: Readiness, of index: Int) { sessions[index].readiness.formUnion(readiness) }

    func hasUnread(_ index: Int) -> Bool {
        sessions.peek(at: index, for: { $0.readiness.contains(.readable) || $0.readiness.contains(.peerEnded) })
            || hasRest(index)
    }

    /// False when the share of this turn is used up.
    func takeStep() -> Bool {
        switch share.takeStep(in: reactor.turn) {
        case .first: true
        case .further: share.hasTime(at: kernel.now())
        case .none: false
        }
    }

    /// `isResumed`: the event loop has asked for it, and bounds the time of all that it resumes.
    func read(_ index: Int, isResumed: Bool, for handler: some CableSessionHandler) {
        let generation = sessions.peek(at: index) { $0.generation }
        guard handleRest(of: index, for: handler) else { return }
        if buffer.isEmpty { buffer = Array(repeating: 0, count: Limits.cableReadBytes) }
        for _ in 0..<Limits.cableReadsPerTurn where !sessions.peek(at: index, for: { $0.isPaused }) {
            guard isResumed || takeStep() else { break }
            let count: Int
            switch kernel.receive(from: sessions.peek(at: index) { $0.descriptor }, into: &buffer) {
            case .bytes(let bytes): count = bytes
            case .wouldBlock:
                sessions[index].readiness.remove(.readable)
                return
            case .ended, .failed: return handler.socketEnded(index)
            }
            guard take(count, index, isResumed: isResumed, for: handler) else { return handler.socketEnded(index) }
            guard sessions.contains(index: index, generation: generation) else { return }
            // A short read has emptied the socket; its end would be told by another event (epoll(7), question 9).
            let isEmpty =
                count < Limits.cableReadBytes && !sessions.peek(at: index, for: { $0.readiness.contains(.peerEnded) })
            if isEmpty { sessions[index].readiness.remove(.readable) }
            // A rest of this read is resumed already.
            if isEmpty || hasRest(index) { return }
            if isResumed { break }
        }
        if !sessions.peek(at: index, for: { $0.isPaused }) { reactor.resumeLater(token(index)) }
    }

    /// Handles what is in the buffer. False: more than `Limits.lingerBytes` are discarded.
    private func take(_ count: Int, _ index: Int, isResumed: Bool, for handler: some CableSessionHandler) -> Bool {
        switch sessions.peek(at: index, for: { $0.stage }) {
        case .open:
            receive(&buffer, for: index, count: count, isResumed: isResumed, handler)
        case .closing(let client, let kibibytes):
            guard let sum = Self.add(count, to: kibibytes) else { return false }
            sessions[index].stage = .closing(client: client, kibibytes: sum)
        case .discarding(let client, let kibibytes):
            guard let sum = Self.add(count, to: kibibytes) else { return false }
            sessions[index].stage = .discarding(client: client, kibibytes: sum)
        case .refused(let kibibytes):
            guard let sum = Self.add(count, to: kibibytes) else { return false }
            sessions[index].stage = .refused(kibibytes: sum)
        }
        return true
    }

    /// nil: the limit of discarded bytes is reached.
    private static func add(_ count: Int, to kibibytes: UInt16) -> UInt16? {
        let sum = Int(kibibytes) + max(1, count / 1024)
        return sum * 1024 > Limits.lingerBytes ? nil : UInt16(sum)
    }

    /// Something was read and is not handled yet.
    var hasRests: Bool { !unhandled.isEmpty }

    private func hasRest(_ index: Int) -> Bool { !unhandled.isEmpty && unhandled[index] != nil }

    /// Handles a step of what was read before. Returns false while there is still a rest, or no session any more.
    private func handleRest(of index: Int, for handler: some CableSessionHandler) -> Bool {
        guard hasRest(index) else { return true }
        guard !sessions.peek(at: index, for: { $0.isPaused }), var bytes = unhandled.removeValue(forKey: index) else {
            return false
        }
        let generation = sessions.peek(at: index) { $0.generation }
        receive(&bytes, for: index, count: bytes.count, isResumed: true, handler)
        return sessions.contains(index: index, generation: generation) && !hasRest(index)
    }

    /// Frames that arrived in one piece with the request head.
    func receive(early bytes: [UInt8], for index: Int, _ handler: some CableSessionHandler) {
        var bytes = bytes
        receive(&bytes, for: index, count: bytes.count, isResumed: true, handler)
    }

    /// Handles the messages in the first bytes, step by step. What the share has no room for is resumed later; of a
    /// client that is resumed, everything behind the first step.
    private func receive(
        _ bytes: inout [UInt8], for index: Int, count: Int, isResumed: Bool, _ handler: some CableSessionHandler
    ) {
        guard case .open(let client) = sessions.peek(at: index, for: { $0.stage }) else { return }
        let generation = sessions.peek(at: index) { $0.generation }
        var unread = 0..<count
        while true {
            handler.receive(&bytes, &unread, from: client, of: index)
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

    /// Gives memory back when no client is left. Not where the last one ends: that may be inside of a read.
    func trim() { if sessions.count == 0 { buffer = [] } }
}

/// The owner of a `CableSessionTable`: what becomes of the bytes of its clients.
protocol CableSessionHandler: AnyObject {
    /// One step; `unread` is what is left of it.
    func receive(_ bytes: inout [UInt8], _ unread: inout Range<Int>, from client: UInt32, of index: Int)
    /// The client has ended the connection, or has sent too much behind its end.
    func socketEnded(_ index: Int)
}
