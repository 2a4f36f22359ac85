/// The connections to backends: made, read and written. Bytes become messages of an `UpstreamHandler`.
///
/// A connection is made with the client's stored request and a key of its own; its 101 must fit that key. Then messages
/// are read in steps, as far as the client takes them. The handler decides what a message or an end means, and closes
/// the connection: it may do so within each of its calls.
///
/// Invariant: a failed send is not an end. What the backend has sent before is read first.
final class UpstreamConnections<K: Kernel> {
    private let reactor: Reactor<K>
    private let log: Log
    /// For the shares of a turn, which clients and upstreams have in common.
    private let sessions: CableSessionTable<K>
    /// Empty while no client is connected.
    private var buffer: [UInt8] = []
    private var lastNumber: UInt32 = 0

    init(reactor: Reactor<K>, log: Log, sessions: CableSessionTable<K>) {
        self.reactor = reactor
        self.log = log
        self.sessions = sessions
    }

    private var kernel: K { reactor.kernel }

    // MARK: Opening

    /// Begins a connection with this request; nil: it fails at once.
    func connect(
        to address: SocketAddress, _ generation: Generation, _ head: RepeatedHead, from reserve: inout UpstreamReserve,
        inUse: Int
    ) -> (Upstream, isConnected: Bool)? {
        let key = webSocketKey()
        let (descriptor, isConnected): (Descriptor, Bool)
        switch kernel.connect(to: address) {
        case .connected(let made): (descriptor, isConnected) = (made, true)
        case .inProgress(let made): (descriptor, isConnected) = (made, false)
        case .failed: return nil
        }
        let upstream = reserve.take(inUse: inUse)
        upstream.begin(
            descriptor, number: nextNumber(), generation: generation, stage: .connecting,
            unsent: ByteQueue(head.with(key: key)), key: key, at: kernel.now())
        return (upstream, isConnected)
    }

    /// The connection over which the backend has accepted a client.
    func adopt(_ accepted: UpstreamTransfer, from reserve: inout UpstreamReserve, inUse: Int) -> Upstream {
        let upstream = reserve.take(inUse: inUse)
        upstream.begin(
            accepted.descriptor, number: nextNumber(), generation: accepted.generation, stage: .open,
            unsent: ByteQueue(accepted.unsent), key: [], at: kernel.now())
        return upstream
    }

    private func nextNumber() -> UInt32 {
        lastNumber = (lastNumber + 1) & 0xff_ffff
        return lastNumber
    }

    /// False: the system refuses to report its events.
    func watch(_ upstream: Upstream, of index: Int) -> Bool {
        do throws(SystemError) {
            try kernel.watch(upstream.descriptor, for: .edges, as: token(upstream, index))
            return true
        } catch {
            log(.systemError, LogField("detail", error.description))
            return false
        }
    }

    func beginHandshake(_ upstream: Upstream, of index: Int, _ relay: Relay, for handler: some UpstreamHandler) {
        upstream.stage = .handshaking([])
        flush(upstream, of: index, relay, for: handler)
    }

    private func token(_ upstream: Upstream, _ index: Int) -> Token {
        Token(CableServerToken.relay, index: index, generation: upstream.number)
    }

    func ready(
        _ upstream: Upstream, _ readiness: Readiness, of index: Int, _ relay: Relay, for handler: some UpstreamHandler
    ) {
        upstream.readiness.formUnion(readiness)
        if upstream.stage == .connecting {
            guard !readiness.contains(.broken), kernel.connectFailure(of: upstream.descriptor) == nil else {
                return handler.closed(index, relay)
            }
            beginHandshake(upstream, of: index, relay, for: handler)
        } else if readiness.contains(.writable) {
            flush(upstream, of: index, relay, for: handler)
        }
        guard handler.isCurrent(upstream, relay, index) else { return }
        read(upstream, of: index, relay, isResumed: readiness.isEmpty, for: handler)
    }

    // MARK: Sending

    func send(
        _ opcode: FrameOpcode, _ payload: [UInt8], over upstream: Upstream, of index: Int, _ relay: Relay,
        for handler: some UpstreamHandler
    ) {
        upstream.unsent.append(FrameWriter.frame(opcode, payload, key: maskingKey()))
        upstream.hasUnsentCommands = upstream.hasUnsentCommands || relay.machine.hasCommandInFlight
        flush(upstream, of: index, relay, for: handler)
    }

    /// Asks the backend to end the connection; its messages are still for the client.
    func beginClosing(_ upstream: Upstream, of index: Int, _ relay: Relay, for handler: some UpstreamHandler) {
        upstream.unsent.append(FrameWriter.close(.normal, key: maskingKey()))
        upstream.stage = .closing
        reactor.arm(.relay(sessions.token(index)), at: kernel.now() + Limits.closeTimeout)
        flush(upstream, of: index, relay, for: handler)
    }

    /// A close frame, which no answer is awaited of. Not in the middle of a frame.
    func sayClose(over upstream: Upstream) {
        guard upstream.stage == .open, upstream.unsent.isEmpty else { return }
        _ = kernel.send(FrameWriter.close(.normal, key: maskingKey()).span, to: upstream.descriptor)
    }

    func close(_ upstream: Upstream) { kernel.close(upstream.descriptor) }

    func flush(_ upstream: Upstream, of index: Int, _ relay: Relay, for handler: some UpstreamHandler) {
        guard !upstream.isBroken else { return endLater(upstream, of: index) }
        while !upstream.unsent.isEmpty {
            switch upstream.unsent.withSpan({ kernel.send($0, to: upstream.descriptor) }) {
            case .bytes(upstream.unsent.count):
                upstream.wipeRequest()
                upstream.unsent.removeAll()
            case .bytes(let count): upstream.unsent.removeFirst(count)
            case .wouldBlock: return
            case .failed:
                upstream.isBroken = true
                endLater(upstream, of: index)
                return handler.drained(index, relay)
            }
        }
        upstream.hasUnsentCommands = false
        handler.drained(index, relay)
    }

    /// Nothing can be sent any more. What the backend has sent before is still read, and usually its end follows.
    private func endLater(_ upstream: Upstream, of index: Int) {
        upstream.unsent.removeAll()
        reactor.arm(.relay(sessions.token(index)), at: kernel.now() + Limits.closeTimeout)
    }

    /// Sixteen random bytes in Base64 (RFC 6455, 4.1, item 7).
    private func webSocketKey() -> [UInt8] {
        let words = [kernel.random(), kernel.random()]
        return Base64.encode(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } })
    }

    private func maskingKey() -> MaskingKey {
        let random = kernel.random()
        return MaskingKey(
            UInt8(random & 0xff), UInt8(random >> 8 & 0xff), UInt8(random >> 16 & 0xff), UInt8(random >> 24 & 0xff))
    }

    // MARK: Reading

    /// Reads what the client can take. `isResumed`: the event loop has asked for it, and bounds the time of all that it
    /// resumes.
    func read(
        _ upstream: Upstream, of index: Int, _ relay: Relay, isResumed: Bool = false, for handler: some UpstreamHandler
    ) {
        if !upstream.unhandled.isEmpty {
            guard handler.mayRead(for: index) else { return }
            var bytes = upstream.unhandled
            upstream.unhandled = []
            take(&bytes, bytes.count, from: upstream, of: index, relay, isResumed: true, for: handler)
        }
        if buffer.isEmpty { buffer = Array(repeating: 0, count: Limits.cableReadBytes) }
        for _ in 0..<Limits.cableReadsPerTurn {
            guard handler.isCurrent(upstream, relay, index), handler.mayRead(for: index), upstream.unhandled.isEmpty
            else { return }
            guard isResumed || sessions.takeStep() else { break }
            switch kernel.receive(from: upstream.descriptor, into: &buffer) {
            case .wouldBlock:
                if upstream.isOrphaned { handler.closed(index, relay) }
                return
            case .ended, .failed: return handler.closed(index, relay)
            case .bytes(let count):
                upstream.heard = kernel.now()
                var bytes = buffer
                buffer = []
                take(&bytes, count, from: upstream, of: index, relay, isResumed: isResumed, for: handler)
                buffer = bytes
            }
            guard !isResumed else { break }
        }
        guard handler.isCurrent(upstream, relay, index), upstream.unhandled.isEmpty else { return }
        reactor.resumeLater(token(upstream, index))
    }

    /// Frames that arrived with the backend's 101.
    func take(
        early bytes: [UInt8], from upstream: Upstream, of index: Int, _ relay: Relay, for handler: some UpstreamHandler
    ) {
        var bytes = bytes
        take(&bytes, bytes.count, from: upstream, of: index, relay, isResumed: true, for: handler)
    }

    /// Handles messages step by step. What the share has no room for is resumed later; of an upstream that is resumed,
    /// everything behind the first step.
    private func take(
        _ bytes: inout [UInt8], _ count: Int, from upstream: Upstream, of index: Int, _ relay: Relay, isResumed: Bool,
        for handler: some UpstreamHandler
    ) {
        var unread = 0..<count
        if case .handshaking(let head) = upstream.stage {
            guard let length = answered(upstream, head, bytes[..<count], index, relay, handler) else { return }
            unread = max(0, length - head.count)..<count
        }
        let rules = MessageRules(role: .fromServer, maximumMessageBytes: Limits.upstreamMessageBytes)
        var left = Limits.cableMessagesPerStep
        while handler.isCurrent(upstream, relay, index) {
            if left == 0, !unread.isEmpty {
                guard !isResumed, handler.mayRead(for: index), sessions.takeStep() else {
                    return postpone(bytes[unread], of: upstream, index, handler)
                }
                left = Limits.cableMessagesPerStep
            }
            left -= 1
            let message: IncomingMessage?
            do throws(MessageViolation) {
                message = try upstream.assembler.next(in: &bytes, &unread, rules)
            } catch {
                return handler.closed(index, relay)
            }
            guard let message, !take(message, in: bytes, from: upstream, index, relay, handler) else { return }
        }
    }

    /// Returns whether nothing more is to be read from this connection.
    private func take(
        _ message: IncomingMessage, in bytes: [UInt8], from upstream: Upstream, _ index: Int, _ relay: Relay,
        _ handler: some UpstreamHandler
    ) -> Bool {
        upstream.hasSpoken = true
        switch message {
        case .text(let content): handler.received(.message(content.bytes(in: bytes)), relay, of: index)
        case .binary(let content): handler.received(.upstreamSentBinary(content.bytes(in: bytes)), relay, of: index)
        case .ping(let payload):
            // Nothing follows a close frame (RFC 6455, 5.5.1), and a backend that reads nothing needs no pongs.
            guard upstream.stage == .open, upstream.unsent.count <= Limits.relayQueueBytes else { break }
            upstream.unsent.append(FrameWriter.pong(payload, key: maskingKey()))
            flush(upstream, of: index, relay, for: handler)
        case .pong: break
        case .close:
            if upstream.stage == .open {
                sayClose(over: upstream)
                handler.closed(index, relay)
            } else {
                // The answer to our own close frame; the server ends the connection when it is done (RFC 6455, 7.1.1).
                upstream.hasCommandInFlight = false
            }
            return true
        }
        return false
    }

    /// A client that takes nothing more resumes it when it does.
    private func postpone(
        _ bytes: ArraySlice<UInt8>, of upstream: Upstream, _ index: Int, _ handler: some UpstreamHandler
    ) {
        upstream.unhandled = Array(bytes)
        if handler.mayRead(for: index) { reactor.resumeLater(token(upstream, index)) }
    }

    /// Checks the response to a connection that was made again. Returns the length of its head; nil when it is not
    /// complete, or when it is no 101 that fits.
    private func answered(
        _ upstream: Upstream, _ earlier: [UInt8], _ bytes: ArraySlice<UInt8>, _ index: Int, _ relay: Relay,
        _ handler: some UpstreamHandler
    ) -> Int? {
        let response = earlier + bytes
        switch UpstreamResponse(response, key: upstream.key, hasSubprotocol: relay.hasSubprotocol) {
        case .incomplete:
            upstream.stage = .handshaking(response)
            return nil
        case .refused(let isFinal):
            handler.refused(index, relay, isFinal: isFinal)
            return nil
        case .accepted(let headBytes, let hasSubprotocol):
            relay.hasSubprotocol = hasSubprotocol
            upstream.stage = .open
            upstream.opened = kernel.now()
            return headBytes
        }
    }

    /// Gives memory back when no client is left. Not where the last one ends: that may be inside of a read.
    func trim() { buffer = [] }
}

/// The owner of upstreams: what their messages and ends mean.
protocol UpstreamHandler: AnyObject {
    /// The client takes more of what its backend sends.
    func mayRead(for index: Int) -> Bool
    /// The session still has this relay, and that this connection.
    func isCurrent(_ upstream: Upstream, _ relay: Relay, _ index: Int) -> Bool
    func received(_ event: RelayMachine.Event, _ relay: Relay, of index: Int)
    /// Everything is sent, or nothing can be sent any more.
    func drained(_ index: Int, _ relay: Relay)
    /// The backend has not accepted the client again. `isFinal`: it has looked at the request.
    func refused(_ index: Int, _ relay: Relay, isFinal: Bool)
    /// The connection is over: by the backend, by the network, or because a wait was too long.
    func closed(_ index: Int, _ relay: Relay)
}
