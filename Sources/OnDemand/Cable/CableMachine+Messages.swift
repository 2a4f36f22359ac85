// What clients send, and what they are sent: commands, broadcasts, pings.

extension CableMachine {
    /// Bytes of a client, as its socket returned them: the part `unread` of `buffer`. At most
    /// `Limits.cableMessagesPerStep` messages are taken; what is left in `unread` then is for the next call. Replies
    /// to them leave in one write. The time of day is for signed names that expire.
    mutating func receive(
        _ buffer: inout [UInt8], _ unread: inout Range<Int>, from client: UInt32, at now: Instant, unixSeconds: Int,
        _ writer: inout some ClientWriter
    ) {
        guard !clients.slots[client].isEnding else {
            unread = unread.upperBound..<unread.upperBound
            return
        }
        clients.slots[client].heard = Self.seconds(now)
        let messages = MessageRules(role: .fromClient, maximumMessageBytes: rules.maximumMessageBytes)
        var replies: [UInt8] = []
        var end: EndReason?
        var left = Limits.cableMessagesPerStep
        do throws(MessageViolation) {
            while end == nil, left > 0,
                let message = try clients.slots[client].assembler.next(in: &buffer, &unread, messages)
            {
                end = take(message, in: buffer, from: client, unixSeconds, &replies)
                left -= 1
            }
        } catch {
            end = .violation(error)
        }
        if end != nil { unread = unread.upperBound..<unread.upperBound }
        if !replies.isEmpty { send(replies, to: client, at: now, &writer) }
        if let end { self.end(client, end, at: now, &writer) }
        settle(at: now, &writer)
    }

    private mutating func take(
        _ message: IncomingMessage, in buffer: [UInt8], from client: UInt32, _ unixSeconds: Int,
        _ replies: inout [UInt8]
    ) -> EndReason? {
        switch message {
        case .text(let content):
            let isActionCable = clients.slots[client].cableProtocol == .actionCable
            content.withSpan(in: buffer) { text in
                if isActionCable {
                    takeActionCable(text, from: client, unixSeconds, &replies)
                } else {
                    takeTurboCable(text, from: client, &replies)
                }
            }
        case .binary(let content):
            guard rules.resolver.hasBackend, clients.slots[client].cableProtocol == .actionCable else {
                counters.count(.binary)
                break
            }
            actions.append(
                .forwardBinary(connection: clients.slots[client].connection, content.bytes(in: buffer)))
        case .ping(let payload): replies += FrameWriter.pong(payload)
        case .pong: break
        case .close(let code, _): return .clientClosed(code)
        }
        return nil
    }

    private mutating func takeActionCable(
        _ text: Span<UInt8>, from client: UInt32, _ unixSeconds: Int, _ replies: inout [UInt8]
    ) {
        let request: ActionCableProtocol.Request
        do throws(IgnoredReason) {
            request = try ActionCableProtocol.read(text)
        } catch {
            counters.count(error)
            // A backend that is awake says itself what it thinks of it.
            if rules.resolver.hasBackend, error != .pong { forward(text, of: client) }
            return
        }
        let token = text.extracting(request.identifier.range.indices)
        let identifier = stored(request.identifier, in: text, of: client)
        let step = ActionCableProtocol.step(
            for: request.command, state(of: identifier, with: client),
            isFull: isFull(client), hasBackend: rules.resolver.hasBackend
        ) {
            guard token.count <= Limits.cableIdentifierBytes else { return .reject(.identifierTooLong) }
            guard let content = request.identifier.string(in: text) else { return .reject(.malformedIdentifier) }
            return rules.resolver.resolve(content, at: unixSeconds)
        }
        switch step {
        case .confirm: ActionCableFrame.appendConfirmation(of: token, to: &replies)
        case .reject(let reason):
            counters.count(reason)
            ActionCableFrame.appendRejection(of: token, to: &replies)
        case .subscribe(let stream):
            guard subscribe(client, identifier, .actionCable, to: stream) else { return }
            ActionCableFrame.appendConfirmation(of: token, to: &replies)
        case .unsubscribe: unsubscribe(client, identifier)
        case .forward: forward(text, of: client)
        case .ignore(let reason): counters.count(reason)
        }
    }

    private mutating func forward(_ text: Span<UInt8>, of client: UInt32) {
        actions.append(.forward(connection: clients.slots[client].connection, [UInt8](copying: text)))
    }

    private mutating func takeTurboCable(_ text: Span<UInt8>, from client: UInt32, _ replies: inout [UInt8]) {
        let request: TurboCableProtocol.Request
        do throws(IgnoredReason) {
            request = try TurboCableProtocol.read(text)
        } catch {
            return counters.count(error)
        }
        let token = text.extracting(request.stream.range.indices)
        let identifier = stored(request.stream, in: text, of: client)
        let name = request.stream.string(in: text) ?? []
        let step = TurboCableProtocol.step(
            for: request.command, state(of: identifier, with: client), isFull: isFull(client)
        ) { rules.resolver.publicStreams.allow(name) }
        switch step {
        case .confirm: TurboCableFrame.appendConfirmation(of: token, to: &replies)
        case .subscribe:
            guard subscribe(client, identifier, .turboCable, to: name) else { return }
            TurboCableFrame.appendConfirmation(of: token, to: &replies)
        case .unsubscribe: unsubscribe(client, identifier)
        case .ignore(let reason): counters.count(reason)
        }
    }

    /// An identifier as its client wrote it when it subscribed; as it is written now when the client has not.
    /// JSON has several ways to write a string, and a library may change its way.
    private func stored(_ identifier: JSONSlice, in text: Span<UInt8>, of client: UInt32) -> [UInt8] {
        table.identifier(like: identifier, in: text, of: client)
            ?? [UInt8](copying: text.extracting(identifier.range.indices))
    }

    private func state(of identifier: [UInt8], with client: UInt32) -> ActionCableProtocol.SubscriptionState {
        guard let subscription = table.subscriptions(of: client, identifier: identifier).first else {
            return .notSubscribed
        }
        guard !table.isRelayed(subscription) else { return .relayed }
        return table.isLive(subscription) ? .confirmed : .pending
    }

    private func isFull(_ client: UInt32) -> Bool {
        table.subscriptionCount(of: client) >= rules.maximumSubscriptions
    }

    /// Returns whether the subscription is confirmed at once.
    private mutating func subscribe(
        _ client: UInt32, _ identifier: [UInt8], _ cableProtocol: CableProtocol, to stream: [UInt8]
    ) -> Bool {
        let opened = table.subscribe(
            client: client, identifier: identifier, cableProtocol, to: stream, isLive: isLive(stream))
        if opened == .streamOpened { listen(stream) }
        return table.stream(named: stream).map { table.streams[$0].isLive } ?? false
    }

    private mutating func unsubscribe(_ client: UInt32, _ identifier: [UInt8]) {
        for stream in table.unsubscribe(client: client, identifier: identifier) { stopListening(stream) }
    }
}

// MARK: - Broadcasts

extension CableMachine {
    /// Takes a message for the subscribers that a stream has now; `deliver` sends it. The client that `sid` belongs to
    /// does not get it.
    mutating func broadcast(_ message: StreamMessage, to stream: [UInt8], excluding sid: [UInt8]? = nil) {
        let excluded = sid.flatMap { client(withSID: $0) }
        if table.publish(message, to: stream, excluding: excluded) {
            counters.broadcasts += 1
        } else {
            counters.unheard += 1
        }
    }

    /// Sends messages to at most `limit` clients; returns false when no message is left.
    mutating func deliver(upTo limit: Int, at now: Instant, _ writer: inout some ClientWriter) -> Bool {
        let maximum = rules.maximumQueuedBytes
        let hasMore = table.deliver(upTo: limit, &self.clients, &counters) { client, frames, clients, counters in
            counters.deliveries += 1
            clients.send(frames, to: client, at: now, maximumBytes: maximum, &writer)
        }
        settle(at: now, &writer)
        return hasMore
    }
}

// MARK: - The source

extension CableMachine {
    /// The source delivers this stream from now on: its subscriptions are confirmed.
    mutating func sourceConfirmed(_ stream: [UInt8], at now: Instant, _ writer: inout some ClientWriter) {
        listened.set(stream, isLive: !isSourceAway)
        var confirmations: [(UInt32, [UInt8])] = []
        table.becomeLive(stream) { client, identifier, cableProtocol in
            var frame: [UInt8] = []
            switch cableProtocol {
            case .actionCable: ActionCableFrame.appendConfirmation(of: identifier.span, to: &frame)
            case .turboCable: TurboCableFrame.appendConfirmation(of: identifier.span, to: &frame)
            }
            confirmations.append((client, frame))
        }
        for (client, frame) in confirmations { send(frame, to: client, at: now, &writer) }
        settle(at: now, &writer)
    }

    /// The source cannot be reached: what waits for it is confirmed, and will have a gap.
    mutating func sourceLost(at now: Instant, _ writer: inout some ClientWriter) {
        isSourceAway = true
        listened.sourceLost()
        for stream in table.waitingStreams { sourceConfirmed(stream, at: now, &writer) }
    }

    mutating func sourceReturned() { isSourceAway = false }

    /// Messages of this stream were missed: its clients are asked to come back.
    mutating func gap(in stream: [UInt8], at now: Instant, _ writer: inout some ClientWriter) {
        var affected: [UInt32] = []
        table.forEachSubscriber(of: stream) { client, _, _ in affected.append(client) }
        for client in affected { end(client, .gap, at: now, &writer) }
    }
}

// MARK: - Time, and the end

extension CableMachine {
    /// Pings the clients of every slot that is due, and ends TurboCable clients that have been silent for too long.
    mutating func ping(at now: Instant, unixSeconds: Int, _ writer: inout some ClientWriter) {
        if let deadline = pings.deadline, deadline <= now {
            while let due = pings.takeDue(at: now) { ping(due, pings.slotCount, at: now, unixSeconds, &writer) }
        }
        if let former = formerPings, let deadline = former.schedule.deadline, deadline <= now {
            while let due = formerPings?.schedule.takeDue(at: now) {
                ping(due, former.schedule.slotCount, at: now, unixSeconds, &writer)
            }
            if former.until <= now { formerPings = nil }
        }
        while let due = turboPings.takeDue(at: now) {
            forEachClient(of: due, turboPings.slotCount, .turboCable) { machine, client in
                machine.checkSilence(of: client, round: due.round, at: now, &writer)
            }
        }
        settle(at: now, &writer)
    }

    private mutating func ping(
        _ due: PingSchedule.Due, _ slotCount: Int, at now: Instant, _ unixSeconds: Int,
        _ writer: inout some ClientWriter
    ) {
        let frame = ActionCableFrame.ping(unixSeconds: unixSeconds)
        forEachClient(of: due, slotCount, .actionCable) { machine, client in
            machine.send(frame, to: client, at: now, &writer)
        }
    }

    private mutating func forEachClient(
        of due: PingSchedule.Due, _ slotCount: Int, _ cableProtocol: CableProtocol,
        _ body: (inout CableMachine, UInt32) -> Void
    ) {
        for number in stride(from: due.slot, to: clients.slots.end, by: slotCount) {
            let client = UInt32(number)
            guard clients.slots.contains(client), !clients.slots[client].isEnding,
                clients.slots[client].cableProtocol == cableProtocol
            else { continue }
            body(&self, client)
        }
    }

    private mutating func checkSilence(
        of client: UInt32, round: Int64, at now: Instant, _ writer: inout some ClientWriter
    ) {
        let silence = Self.seconds(now) &- clients.slots[client].heard
        guard Int64(silence) < Limits.turboCableSilence.components.seconds else {
            return end(client, .silent, at: now, &writer)
        }
        let lookRound = round + Int64(client) / Int64(turboPings.slotCount)
        if lookRound % Int64(Limits.turboCableLooksPerPing) == 0 {
            send(TurboCableFrame.ping, to: client, at: now, &writer)
        }
    }

    /// Ends the clients whose socket has taken nothing for the send timeout.
    mutating func endStalled(at now: Instant, _ writer: inout some ClientWriter) {
        for client in clients.queues.stalled(for: rules.sendTimeout, at: now) {
            end(client, .stalled, at: now, &writer)
        }
    }

    /// Ends the clients with these connection identifiers.
    mutating func disconnect(
        _ text: [UInt8], reconnect: Bool, at now: Instant, _ writer: inout some ClientWriter
    ) {
        guard let wanted = identifiers.find(text) else { return }
        for number in 0..<UInt32(clients.slots.end)
        where clients.slots.contains(number) && clients.slots[number].identifiers == wanted {
            end(number, .remote(reconnect: reconnect), at: now, &writer)
        }
    }

    /// Ends the next clients, at most `limit`, lowest number first; returns how many are left. A shutdown calls this
    /// again and again, so that not all clients come back at once.
    mutating func endNext(
        _ limit: Int, _ reason: EndReason, at now: Instant, _ writer: inout some ClientWriter
    ) -> Int {
        var left = 0
        for number in 0..<UInt32(clients.slots.end)
        where clients.slots.contains(number) && !clients.slots[number].isEnding {
            left += 1
            if left <= limit { end(number, reason, at: now, &writer) }
        }
        return max(0, left - limit)
    }
}
