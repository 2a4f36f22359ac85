// Clients that the backend serves too: their messages in both directions, and the streams that the cable delivers in
// the backend's place while it sleeps.

extension CableMachine {
    // MARK: To the client

    /// A text message of the backend, or `welcome` in its place.
    mutating func deliver(_ text: [UInt8], to client: UInt32, at now: Instant, _ writer: inout some ClientWriter) {
        var frame: [UInt8] = []
        MessageWriter.appendText(byteCount: text.count, to: &frame) { $0 += text }
        send(frame, to: client, at: now, &writer)
        settle(at: now, &writer)
    }

    mutating func deliverBinary(
        _ payload: [UInt8], to client: UInt32, at now: Instant, _ writer: inout some ClientWriter
    ) {
        send(FrameWriter.binary(payload), to: client, at: now, &writer)
        settle(at: now, &writer)
    }

    /// `identifier` is a JSON string.
    mutating func confirm(_ identifier: [UInt8], to client: UInt32, at now: Instant, _ writer: inout some ClientWriter)
    {
        var frame: [UInt8] = []
        ActionCableFrame.appendConfirmation(of: identifier.span, to: &frame)
        send(frame, to: client, at: now, &writer)
        settle(at: now, &writer)
    }

    mutating func reject(_ identifier: [UInt8], to client: UInt32, at now: Instant, _ writer: inout some ClientWriter) {
        var frame: [UInt8] = []
        ActionCableFrame.appendRejection(of: identifier.span, to: &frame)
        send(frame, to: client, at: now, &writer)
        settle(at: now, &writer)
    }

    // MARK: In the backend's place

    /// Delivers messages of these streams to a subscription that the backend has confirmed before.
    mutating func beginDelivery(to client: UInt32, _ identifier: [UInt8], _ streams: [[UInt8]]) {
        guard !clients.slots[client].isEnding else { return }
        for stream in streams where !isRelayed(client, identifier, stream) {
            let opened = table.subscribe(
                client: client, identifier: identifier, .actionCable, to: stream, isLive: isLive(stream),
                isRelayed: true)
            if opened == .streamOpened { listen(stream) }
        }
    }

    /// The backend delivers again, or the client has unsubscribed.
    mutating func endDelivery(to client: UInt32, _ identifier: [UInt8]) {
        guard !clients.slots[client].isEnding else { return }
        for stream in table.unsubscribe(client: client, identifier: identifier, relayed: true) { stopListening(stream) }
    }

    private func isRelayed(_ client: UInt32, _ identifier: [UInt8], _ stream: [UInt8]) -> Bool {
        guard let number = table.stream(named: stream) else { return false }
        return table.subscriptions(of: client, identifier: identifier).contains {
            table.isRelayed($0) && table.groups[table.subscriptions[$0].group].stream == number
        }
    }

    /// Whether messages of a new subscription's stream can arrive already.
    func isLive(_ stream: [UInt8]) -> Bool { !rules.hasSource || isSourceAway || listened.isLive(stream) }

    // MARK: Listening ahead

    mutating func listenAhead(to streams: [[UInt8]]) {
        for stream in streams {
            let isKnown = table.stream(named: stream).map { table.streams[$0].isLive }
            guard listened.add(stream, isLive: isKnown == true && !isSourceAway), isKnown == nil else { continue }
            actions.append(.listen(stream))
        }
    }

    mutating func stopListeningAhead(to streams: [[UInt8]]) {
        for stream in streams where listened.remove(stream) && !table.contains(stream: stream) {
            actions.append(.stopListening(stream))
        }
    }

    /// All of these streams reach the cable.
    func hearsAll(_ streams: [[UInt8]]) -> Bool {
        !rules.hasSource || !isSourceAway && streams.allSatisfy { listened.isLive($0) }
    }

    mutating func listen(_ stream: [UInt8]) {
        if !listened.contains(stream) { actions.append(.listen(stream)) }
    }

    mutating func stopListening(_ stream: [UInt8]) {
        if !listened.contains(stream) { actions.append(.stopListening(stream)) }
    }
}
