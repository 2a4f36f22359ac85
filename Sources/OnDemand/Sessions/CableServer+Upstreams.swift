// The connections to backends: made, read, written and closed.

extension CableServer {
    // MARK: Connecting

    /// A lease of this generation is held.
    func connect(_ index: Int, _ relay: Relay, _ generation: Generation) {
        let now = kernel.now()
        let key = webSocketKey()
        let (descriptor, isConnected): (Descriptor, Bool)
        switch kernel.connect(to: backends.address(of: relay.backend, generation)) {
        case .connected(let made): (descriptor, isConnected) = (made, true)
        case .inProgress(let made): (descriptor, isConnected) = (made, false)
        case .failed:
            report(.upstreamEnded(relay.backend, generation, wasUncounted: false))
            return apply(.upstreamEnded(hasGap: false), to: relay, of: index)
        }
        let upstream = newUpstream(of: sessions.peek(at: index) { $0.cable })
        upstream.begin(
            descriptor, number: lastUpstreamNumber, generation: generation, stage: .connecting,
            unsent: ByteQueue(relay.head.with(key: key)), key: key, at: now)
        relay.link = .connected(upstream)
        guard watch(upstream, of: index) else { return upstreamClosed(index, relay) }
        reactor.arm(.relay(token(index)), at: relay.wakeDeadline ?? now + Limits.wakeTimeout)
        if isConnected { beginHandshake(index, relay, upstream) }
    }

    /// With `lastUpstreamNumber` as its number.
    func newUpstream(of id: CableID) -> Upstream {
        lastUpstreamNumber = (lastUpstreamNumber + 1) & 0xff_ffff
        return cables[id.index]!.reserve.take(inUse: cables[id.index]!.relayCount)
    }

    func watch(_ upstream: Upstream, of index: Int) -> Bool {
        do throws(SystemError) {
            let token = Token(SessionToken.relay, index: index, generation: upstream.number)
            try kernel.watch(upstream.descriptor, for: .edges, as: token)
            return true
        } catch {
            log(.systemError, LogField("detail", error.description))
            return false
        }
    }

    func beginHandshake(_ index: Int, _ relay: Relay, _ upstream: Upstream) {
        upstream.stage = .handshaking([])
        flush(upstream, of: index, relay)
    }

    func upstreamReady(_ token: Token, _ readiness: Readiness) {
        let index = token.index
        guard sessions.isTaken(index), let relay = sessions[index].relay, let upstream = relay.upstream,
            upstream.number == token.generation
        else { return }
        upstream.readiness.formUnion(readiness)
        if upstream.stage == .connecting {
            guard !readiness.contains(.broken), kernel.connectFailure(of: upstream.descriptor) == nil else {
                return upstreamClosed(index, relay)
            }
            beginHandshake(index, relay, upstream)
        } else if readiness.contains(.writable) {
            flush(upstream, of: index, relay)
        }
        guard isCurrent(upstream, relay, index) else { return }
        read(upstream, of: index, relay, isResumed: readiness.isEmpty)
    }

    private func isCurrent(_ upstream: Upstream, _ relay: Relay, _ index: Int) -> Bool {
        sessions.isTaken(index) && sessions[index].relay === relay && relay.upstream === upstream
    }

    // MARK: Bytes

    func send(_ opcode: FrameOpcode, _ payload: [UInt8], to relay: Relay, of index: Int) {
        guard let upstream = relay.upstream else { preconditionFailure("a message without an upstream") }
        upstream.unsent.append(FrameWriter.frame(opcode, payload, key: maskingKey()))
        upstream.hasUnsentCommands = upstream.hasUnsentCommands || relay.machine.hasCommandInFlight
        flush(upstream, of: index, relay)
    }

    /// Sixteen random bytes in Base64 (RFC 6455, 4.1, item 7).
    private func webSocketKey() -> [UInt8] {
        let words = [kernel.random(), kernel.random()]
        return Base64.encode(words.flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } })
    }

    func maskingKey() -> MaskingKey {
        let random = kernel.random()
        return MaskingKey(
            UInt8(random & 0xff), UInt8(random >> 8 & 0xff), UInt8(random >> 16 & 0xff), UInt8(random >> 24 & 0xff))
    }

    func flush(_ upstream: Upstream, of index: Int, _ relay: Relay) {
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
                return resumeClient(index, relay)
            }
        }
        upstream.hasUnsentCommands = false
        resumeClient(index, relay)
    }

    /// The client is read again.
    func resumeClient(_ index: Int, _ relay: Relay) {
        guard sessions[index].isPaused, relay.held.isEmpty else { return }
        sessions[index].isPaused = false
        reactor.resumeLater(token(index))
    }

    /// Nothing can be sent any more. What the backend has sent before is still read, and usually its end follows.
    private func endLater(_ upstream: Upstream, of index: Int) {
        upstream.unsent.removeAll()
        reactor.arm(.relay(token(index)), at: kernel.now() + Limits.closeTimeout)
    }

    /// Reads what the client can take. `isResumed`: the event loop has asked for it, and bounds the time of all that it
    /// resumes.
    func read(_ upstream: Upstream, of index: Int, _ relay: Relay, isResumed: Bool = false) {
        if !upstream.unhandled.isEmpty {
            guard mayRead(for: index) else { return }
            var bytes = upstream.unhandled
            upstream.unhandled = []
            take(&bytes, bytes.count, from: upstream, of: index, relay, isResumed: true)
        }
        if upstreamBuffer.isEmpty { upstreamBuffer = Array(repeating: 0, count: Limits.sessionReadBytes) }
        for _ in 0..<Limits.sessionReadsPerTurn {
            guard isCurrent(upstream, relay, index), mayRead(for: index), upstream.unhandled.isEmpty else { return }
            guard isResumed || takeStep() else { break }
            switch kernel.receive(from: upstream.descriptor, into: &upstreamBuffer) {
            case .wouldBlock:
                if upstream.isOrphaned { upstreamClosed(index, relay) }
                return
            case .ended, .failed: return upstreamClosed(index, relay)
            case .bytes(let count):
                upstream.heard = kernel.now()
                var bytes = upstreamBuffer
                upstreamBuffer = []
                take(&bytes, count, from: upstream, of: index, relay, isResumed: isResumed)
                upstreamBuffer = bytes
            }
            guard !isResumed else { break }
        }
        guard isCurrent(upstream, relay, index), upstream.unhandled.isEmpty else { return }
        reactor.resumeLater(Token(SessionToken.relay, index: index, generation: upstream.number))
    }

    func mayRead(for index: Int) -> Bool {
        guard case .open(let client) = sessions.peek(at: index, for: { $0.stage }) else { return true }
        let id = sessions.peek(at: index) { $0.cable }
        return cables[id.index]!.machine.clients.queues.byteCount(client) <= Limits.relayQueueBytes
    }

    /// Handles messages step by step. What the share has no room for is resumed later; of an upstream that is resumed,
    /// everything behind the first step.
    func take(
        _ bytes: inout [UInt8], _ count: Int, from upstream: Upstream, of index: Int, _ relay: Relay, isResumed: Bool
    ) {
        var unread = 0..<count
        if case .handshaking(let head) = upstream.stage {
            guard let length = answered(upstream, head, bytes[..<count], index, relay) else { return }
            unread = max(0, length - head.count)..<count
        }
        let rules = MessageRules(role: .fromServer, maximumMessageBytes: Limits.upstreamMessageBytes)
        var left = Limits.sessionMessagesPerStep
        while isCurrent(upstream, relay, index) {
            if left == 0, !unread.isEmpty {
                guard !isResumed, mayRead(for: index), takeStep() else {
                    return postpone(bytes[unread], of: upstream, index)
                }
                left = Limits.sessionMessagesPerStep
            }
            left -= 1
            let message: IncomingMessage?
            do throws(MessageViolation) {
                message = try upstream.assembler.next(in: &bytes, &unread, rules)
            } catch {
                return upstreamClosed(index, relay)
            }
            guard let message else { return }
            upstream.hasSpoken = true
            switch message {
            case .text(let content): apply(.message(content.bytes(in: bytes)), to: relay, of: index)
            case .binary(let content): apply(.upstreamSentBinary(content.bytes(in: bytes)), to: relay, of: index)
            case .ping(let payload):
                // Nothing follows a close frame (RFC 6455, 5.5.1), and a backend that reads nothing needs no pongs.
                guard upstream.stage == .open, upstream.unsent.count <= Limits.relayQueueBytes else { break }
                upstream.unsent.append(FrameWriter.pong(payload, key: maskingKey()))
                flush(upstream, of: index, relay)
            case .pong: break
            case .close:
                // The answer to our own close frame; the server ends the connection when it is done (RFC 6455, 7.1.1).
                guard upstream.stage == .open else {
                    upstream.hasCommandInFlight = false
                    return
                }
                // Not in the middle of a frame.
                guard upstream.unsent.isEmpty else { return upstreamClosed(index, relay) }
                _ = kernel.send(FrameWriter.close(.normal, key: maskingKey()).span, to: upstream.descriptor)
                return upstreamClosed(index, relay)
            }
        }
    }

    /// A client that takes nothing more resumes it when it does.
    private func postpone(_ bytes: ArraySlice<UInt8>, of upstream: Upstream, _ index: Int) {
        upstream.unhandled = Array(bytes)
        if mayRead(for: index) {
            reactor.resumeLater(Token(SessionToken.relay, index: index, generation: upstream.number))
        }
    }

    /// Checks the response to a connection that was made again. Returns the length of its head; nil when it is not
    /// complete, or when it is no 101 that fits.
    private func answered(
        _ upstream: Upstream, _ earlier: [UInt8], _ bytes: ArraySlice<UInt8>, _ index: Int, _ relay: Relay
    ) -> Int? {
        let response = earlier + bytes
        var parser = ResponseHeadParser(
            limits: HeadLimits(maximumHeaderBytes: Limits.upstreamResponseBytes, maximumFields: Limits.responseFields))
        let head: ResponseHead?
        do throws(HeadError) {
            head = try parser.examine(response.span)
        } catch {
            refused(index, relay, isFinal: false)
            return nil
        }
        guard let head else {
            upstream.stage = .handshaking(response)
            return nil
        }
        guard head.status == 101 else {
            // The backend has looked at the request and does not want this client, or cannot serve now.
            refused(index, relay, isFinal: head.status < 500)
            return nil
        }
        let chosen = head.values(of: .secWebSocketProtocol)
        let key = upstream.key
        guard UpgradeIntent.isSwitchToWebSocket(head, in: response.span),
            let accept = head.onlyValue(of: .secWebSocketAccept),
            Handshake.accepts(response.span.extracting(accept.indices), key: key.span),
            !head.has(.secWebSocketExtensions),
            chosen.allSatisfy({ response[$0.indices].elementsEqual(ActionCableFrame.subprotocol.utf8) }),
            relay.hasSubprotocol ?? !chosen.isEmpty == !chosen.isEmpty
        else {
            refused(index, relay, isFinal: true)
            return nil
        }
        relay.hasSubprotocol = !chosen.isEmpty
        upstream.stage = .open
        upstream.opened = kernel.now()
        return head.byteCount
    }

    private func refused(_ index: Int, _ relay: Relay, isFinal: Bool) {
        abortUpstream(index, relay)
        apply(.upstreamRefused(isFinal: isFinal), to: relay, of: index)
    }

    func isAwake(_ relay: Relay) -> Bool { backends.gate(of: relay.backend).isOpen }

    // MARK: Closing

    func closeUpstream(_ index: Int, _ relay: Relay) {
        guard let upstream = relay.upstream else { return }
        upstream.unsent.append(FrameWriter.close(.normal, key: maskingKey()))
        upstream.stage = .closing
        reactor.arm(.relay(token(index)), at: kernel.now() + Limits.closeTimeout)
        flush(upstream, of: index, relay)
    }

    /// Closes the connection and returns its lease; the machine has decided it, and is told nothing.
    func abortUpstream(_ index: Int, _ relay: Relay) {
        switch relay.link {
        case .none: break
        case .paused: reactor.disarm(.relay(token(index)))
        case .queued(let ticket):
            tickets[ticket] = nil
            requests(.abandoned(relay.backend, ticket))
            reactor.disarm(.relay(token(index)))
        case .connected(let upstream):
            reactor.disarm(.relay(token(index)))
            kernel.close(upstream.descriptor)
            report(.upstreamEnded(relay.backend, upstream.generation, wasUncounted: !upstream.isCounted))
        }
        relay.link = .none
        if sessions.isTaken(index), sessions[index].relay === relay { resumeClient(index, relay) }
    }

    /// The connection is over: by the backend, by the network, or because a wait was too long.
    func upstreamClosed(_ index: Int, _ relay: Relay) {
        let now = kernel.now()
        var isCut = false
        if let upstream = relay.upstream, upstream.stage == .open || upstream.stage == .closing {
            isCut =
                upstream.hasUnsentCommands || !mayRead(for: index) || !upstream.unhandled.isEmpty
                || upstream.stage == .closing && upstream.hasCommandInFlight
            let isShort = upstream.opened.map { now - $0 < Limits.shortUpstream } ?? false
            let isAnotherOne = isShort && upstream.stage == .open
            relay.shortUpstreams = isAnotherOne ? min(relay.shortUpstreams + 1, Limits.shortUpstreams) : 0
        }
        abortUpstream(index, relay)
        let id = sessions.peek(at: index) { $0.cable }
        let hasGap = cables[id.index]!.lastDelivered.map { now - $0 < Limits.crashGap } ?? false
        let isHeard = cables[id.index]!.machine.hearsAll(relay.machine.streams)
        apply(.upstreamEnded(hasGap: hasGap || !isHeard, isCut: isCut), to: relay, of: index)
        if sessions.isTaken(index), sessions[index].relay === relay { letHeldGo(index, relay) }
        // The backend has ended this connection only, and goes on to broadcast.
        guard isAwake(relay), sessions.isTaken(index), sessions[index].relay === relay,
            relay.machine.needsRestoring(cables[id.index]!.relayRules)
        else { return }
        cables[id.index]!.restore = min(cables[id.index]!.restore ?? index, index)
        touch(id)
    }
}
