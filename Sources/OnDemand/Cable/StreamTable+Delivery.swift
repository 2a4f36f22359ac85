// The way of a message from `publish` to each subscriber, in steps of bounded size.

/// One message as its subscribers get it: a JSON text for each protocol.
struct StreamMessage: Equatable, Sendable {
    /// Value of `message` for Action Cable clients.
    let message: [UInt8]
    /// Value of `data` for TurboCable clients; nil leaves the member out.
    let data: [UInt8]?

    init(message: [UInt8], data: [UInt8]?) {
        self.message = message
        self.data = data
    }

    /// A broadcast of a request with this body.
    init(_ broadcast: Broadcast, in body: Span<UInt8>) {
        var (message, data): ([UInt8], [UInt8]) = ([], [])
        broadcast.appendMessage(from: body, to: &message)
        let hasData = broadcast.appendData(from: body, to: &data)
        self.init(message: message, data: hasData ? data : nil)
    }

    /// A message that came through Redis, the same for both protocols; nil unless it is JSON.
    init?(published text: [UInt8]) {
        guard JSONScanner.isValue(text.span) else { return nil }
        self.init(message: text, data: text)
    }

    var byteCount: Int { message.count + (data?.count ?? 0) }
    /// What it takes in memory, in bytes.
    var memoryBytes: Int { byteCount + Limits.cableMessageBytes }
}

extension StreamTable {
    /// Messages of one stream that are sent as one buffer.
    struct Batch {
        var messages: [StreamMessage]
        var byteCount: Int
        /// A client that does not get them; its own batch, because others get the same bytes.
        let excluded: UInt32?
        var isSealed = false

        var memoryBytes: Int { byteCount + messages.count * Limits.cableMessageBytes }
    }

    struct Delivery {
        var batches: Queue<Batch>
        /// Number of the first batch; the others follow.
        var firstNumber: UInt64 = 0
        private(set) var groupPosition: UInt32 = 0
        private(set) var memberPosition: UInt32 = 0
        /// The first batch for the group at `groupPosition`; empty until it is made.
        var buffer: [UInt8] = []
        /// Groups with marks.
        var markedGroups: [UInt32] = []

        var lastNumber: UInt64? { batches.isEmpty ? nil : firstNumber + UInt64(batches.count - 1) }
        var hasBegun: Bool { groupPosition > 0 || memberPosition > 0 || !buffer.isEmpty }

        mutating func sealLast() { batches.changeLast { $0.isSealed = true } }

        func memberPosition(inGroupAt position: UInt32) -> UInt32? {
            position == groupPosition ? memberPosition : nil
        }

        mutating func move(toMember position: UInt32) { memberPosition = position }

        /// The positions of groups have changed; the group is the same, or the next one where that has gone.
        mutating func move(toGroup position: UInt32) { groupPosition = position }

        /// The group at `position` has ended.
        mutating func leaveGroup(at position: UInt32) {
            if position == groupPosition { nextGroup() }
        }

        mutating func nextGroup() {
            groupPosition += 1
            memberPosition = 0
            buffer = []
        }

        mutating func nextBatch() {
            batches.removeFirst()
            firstNumber += 1
            groupPosition = 0
            memberPosition = 0
            buffer = []
        }
    }

    /// Takes a message for all present subscribers of a stream; false when there is none. `excluded` is a client that
    /// does not get it.
    @discardableResult
    mutating func publish(_ message: StreamMessage, to name: [UInt8], excluding excluded: UInt32? = nil) -> Bool {
        guard let stream = stream(named: name) else { return false }
        pendingBytes += message.memoryBytes
        guard let delivery = streams[stream].delivery.first, let last = delivery.batches.last else {
            streams[stream].delivery = [Delivery(batches: Queue([Batch(message, excluded)]))]
            delivering.append(stream)
            return true
        }
        let isBeingSent = delivery.batches.count == 1 && delivery.hasBegun
        if isBeingSent || last.isSealed || last.excluded != excluded
            || last.byteCount + message.byteCount > Limits.cableBatchBytes
            || last.messages.count >= Limits.cableBatchMessages
        {
            streams[stream].delivery[0].batches.append(Batch(message, excluded))
        } else {
            streams[stream].delivery[0].batches.changeLast { $0.append(message) }
        }
        return true
    }

    /// Nothing is on its way.
    var isDelivered: Bool { nextDelivering == delivering.count }

    /// Sends to the next subscribers, at most `limit`; returns false when nothing is left. Streams take turns. Large
    /// buffers and batches without a recipient count too, so that the work is bounded and not only the sends.
    ///
    /// `send` gets a client and whole frames, and what the caller keeps beside the table. It must not change the table:
    /// a client that cannot be sent to leaves after the call.
    @inline(__always)
    mutating func deliver<First, Second>(
        upTo limit: Int, _ first: inout First, _ second: inout Second,
        _ send: (UInt32, [UInt8], inout First, inout Second) -> Void
    ) -> Bool {
        var budget = limit
        while budget > 0, nextDelivering < delivering.count {
            let stream = delivering[nextDelivering]
            nextDelivering += 1
            let slice = min(budget, Limits.cableDeliveriesPerTurn)
            budget -= max(1, deliver(stream, upTo: slice, &first, &second, send))
            if streams[stream].delivery[0].batches.isEmpty {
                end(deliveryOf: stream)
            } else {
                delivering.append(stream)
            }
        }
        compactTurns()
        return !isDelivered
    }

    /// Returns the work that was done, in sends of small buffers.
    @inline(__always)
    private mutating func deliver<First, Second>(
        _ stream: UInt32, upTo limit: Int, _ first: inout First, _ second: inout Second,
        _ send: (UInt32, [UInt8], inout First, inout Second) -> Void
    ) -> Int {
        var work = 0
        while work < limit, let batch = streams[stream].delivery[0].batches.first {
            let position = streams[stream].delivery[0].groupPosition
            guard position < streams[stream].groups.end else {
                pendingBytes -= batch.memoryBytes
                streams[stream].delivery[0].nextBatch()
                work += 1
                continue
            }
            let group = streams[stream].groups.slots[Int(position)]
            let begin = streams[stream].delivery[0].memberPosition
            let end = group == ArrivalList.gap ? 0 : end(of: group, streams[stream].delivery[0].firstNumber)
            guard begin < end else {
                streams[stream].delivery[0].nextGroup()
                continue
            }
            if streams[stream].delivery[0].buffer.isEmpty {
                let made = buffer(for: group, batch)
                work += made.count / Limits.cableBytesPerDelivery
                streams[stream].delivery[0].buffer = made
            }
            let buffer = streams[stream].delivery[0].buffer
            let cost = 1 + buffer.count / Limits.cableBytesPerDelivery
            let members = groups[group].members.slots
            let excluded = batch.excluded ?? Self.none
            var next = Int(begin)
            while next < Int(end), work < limit {
                let member = members[next]
                next += 1
                guard member != ArrivalList.gap else { continue }
                let client = subscriptions[member].client
                guard client != excluded else { continue }
                send(client, buffer, &first, &second)
                work += cost
            }
            streams[stream].delivery[0].move(toMember: UInt32(next))
        }
        return work
    }

    /// How many positions of a group a batch is for.
    private func end(of group: UInt32, _ batch: UInt64) -> UInt32 {
        groups[group].marks.first { $0.batch >= batch }?.end ?? groups[group].members.end
    }

    private func buffer(for group: UInt32, _ batch: Batch) -> [UInt8] {
        let identifier = identifiers[groups[group].identifier]
        var buffer: [UInt8] = []
        for message in batch.messages {
            switch groups[group].cableProtocol {
            case .actionCable: ActionCableFrame.append(message.message, identifier: identifier, to: &buffer)
            case .turboCable: TurboCableFrame.append(message.data, stream: identifier, to: &buffer)
            }
        }
        return buffer
    }

    private mutating func end(deliveryOf stream: UInt32) {
        for group in streams[stream].delivery[0].markedGroups
        where groups.contains(group) && groups[group].stream == stream { groups[group].marks = [] }
        streams[stream].delivery = []
        if streams[stream].groups.isEmpty { streams.remove(stream) }
    }

    /// The last subscriber has left: nothing of this stream is sent any more.
    mutating func drop(deliveryOf stream: UInt32) {
        pendingBytes -= streams[stream].delivery[0].batches.all.reduce(0) { $0 + $1.memoryBytes }
        streams[stream].delivery[0].batches = Queue()
    }

    private mutating func compactTurns() {
        guard nextDelivering > 0, nextDelivering >= delivering.count - nextDelivering else { return }
        delivering.removeSubrange(..<nextDelivering)
        nextDelivering = 0
        if delivering.isEmpty, delivering.capacity > 1024 { delivering = [] }
    }
}

extension StreamTable.Batch {
    fileprivate init(_ message: StreamMessage, _ excluded: UInt32?) {
        self.init(messages: [message], byteCount: message.byteCount, excluded: excluded)
    }

    fileprivate mutating func append(_ message: StreamMessage) {
        messages.append(message)
        byteCount += message.byteCount
    }
}
