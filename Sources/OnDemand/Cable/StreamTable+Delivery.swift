// The way of a message from `publish` to each subscriber, in steps of bounded size.

extension StreamTable {
    /// Takes a message for all present subscribers of a stream; false when there is none. `excluded` is a client that
    /// does not get it.
    @discardableResult
    mutating func publish(_ message: StreamMessage, to name: [UInt8], excluding excluded: UInt32? = nil) -> Bool {
        guard let stream = stream(named: name) else { return false }
        pendingBytes += message.memoryBytes
        guard let delivery = streams[stream].delivery.first, let last = delivery.batches.last else {
            streams[stream].delivery = [StreamDelivery(batches: Queue([StreamBatch(message, excluded)]))]
            delivering.append(stream)
            return true
        }
        let isBeingSent = delivery.batches.count == 1 && delivery.hasBegun
        if isBeingSent || last.isSealed || last.excluded != excluded
            || last.byteCount + message.byteCount > Limits.cableBatchBytes
            || last.messages.count >= Limits.cableBatchMessages
        {
            streams[stream].delivery[0].batches.append(StreamBatch(message, excluded))
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

    private func buffer(for group: UInt32, _ batch: StreamBatch) -> [UInt8] {
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
