import Testing

@testable import OnDemand

struct StreamTableTests {
    private static let scores = Array("scores".utf8)
    private static let identifier = Array("\"{\\\"channel\\\":\\\"Scores\\\"}\"".utf8)

    private func table(clients: Range<UInt32>) -> StreamTable {
        var table = StreamTable()
        for client in clients {
            _ = table.subscribe(client: client, identifier: Self.identifier, .actionCable, to: Self.scores)
        }
        return table
    }

    private func frame(_ message: String, _ identifier: [UInt8] = Self.identifier) -> [UInt8] {
        FrameWriter.text("{\"identifier\":\(String(decoding: identifier, as: UTF8.self)),\"message\":\(message)}")
    }

    @Test("a stream opens with its first subscription and closes with its last one")
    func openAndClose() {
        var table = StreamTable()
        #expect(
            table.subscribe(client: 1, identifier: Self.identifier, .actionCable, to: Self.scores) == .streamOpened)
        #expect(table.subscribe(client: 2, identifier: Self.identifier, .actionCable, to: Self.scores) == .added)
        #expect(table.unsubscribe(client: 1, identifier: Self.identifier) == [])
        #expect(table.unsubscribe(client: 1, identifier: Self.identifier) == [])
        #expect(table.leave(client: 2) == [Self.scores])
        #expect(table.streamCount == 0 && table.subscriptionCount == 0 && table.identifiers.count == 0)
        #expect(table.groups.count == 0 && table.streams.count == 0)
    }

    @Test("subscribers get messages in order of arrival, and one buffer serves all with the same identifier")
    func order() {
        var table = table(clients: 0..<3)
        _ = table.subscribe(client: 3, identifier: [0x22, 0x22], .actionCable, to: Self.scores)
        _ = table.subscribe(client: 4, identifier: Self.identifier, .turboCable, to: Self.scores)
        table.publish("1", to: Self.scores)
        let sent = table.deliverAll()
        #expect(sent.map(\.client) == [0, 1, 2, 3, 4])
        #expect(sent[0].frames == frame("1") && sent[3].frames == frame("1", [0x22, 0x22]))
        let turbo = "{\"type\":\"message\",\"stream\":\(String(decoding: Self.identifier, as: UTF8.self)),\"data\":1}"
        #expect(sent[4].frames == FrameWriter.text(turbo))
        #expect(sent[0].frames.storage == sent[2].frames.storage, "one buffer is shared")
        #expect(table.isDelivered && table.pendingBytes == 0)
    }

    @Test("messages before the stream's turn are sent as one buffer")
    func joined() {
        var table = table(clients: 0..<2)
        for message in ["1", "2", "3"] { table.publish(message, to: Self.scores) }
        #expect(table.deliverAll().map(\.frames) == Array(repeating: frame("1") + frame("2") + frame("3"), count: 2))
    }

    @Test("a joined buffer has a limit, and a message that is larger is sent alone")
    func batchLimit() {
        var table = table(clients: 0..<1)
        let large = "\"" + String(repeating: "x", count: Limits.cableBatchBytes) + "\""
        for message in ["1", large, "2"] { table.publish(message, to: Self.scores) }
        #expect(table.deliverAll().map(\.frames) == [frame("1"), frame(large), frame("2")])
    }

    @Test("a joined buffer has a number of messages, because each repeats the identifier that its client chose")
    func batchCount() {
        var table = table(clients: 0..<1)
        let count = Limits.cableBatchMessages + 1
        for message in 0..<count { table.publish("\(message)", to: Self.scores) }
        let sent = table.deliverAll()
        #expect(sent.count == 2 && sent[1].frames == frame("\(count - 1)"))
        #expect(sent.flatMap(\.frames) == (0..<count).flatMap { frame("\($0)") })
    }

    @Test("a step ends after so many batches, also when none has a recipient, and after so many bytes")
    func boundedSteps() {
        var table = table(clients: 0..<1)
        // Each has a batch of its own: whom it is not for changes.
        for message in 0..<1000 { table.publish("1", to: Self.scores, excluding: message % 2 == 0 ? 0 : 1) }
        #expect(table.deliver(10).count <= 10)
        #expect(table.streams[0].delivery[0].batches.count >= 980)
        #expect(table.deliverAll().count >= 490 && table.isDelivered && table.pendingBytes == 0)
        var large = self.table(clients: 0..<100)
        large.publish("\"" + String(repeating: "x", count: 10 * Limits.cableBytesPerDelivery) + "\"", to: Self.scores)
        #expect((1...10).contains(large.deliver(100).count))
        #expect(large.deliverAll().count >= 90 && large.pendingBytes == 0)
    }

    @Test("a table is congested above its limit, until half of it is delivered or no subscriber is left")
    func congestion() {
        for leaves in [false, true] {
            var table = table(clients: 0..<2)
            let message = "\"" + String(repeating: "x", count: 100_000) + "\""
            var count = 0
            while !table.isCongested {
                table.publish(message, to: Self.scores)
                count += 1
            }
            #expect(table.pendingBytes > Limits.cableUndeliveredBytes)
            #expect(table.pendingBytes <= Limits.cableUndeliveredBytes + 300_000)
            if leaves {
                for client in UInt32(0)..<2 { _ = table.leave(client: client) }
                #expect(!table.isCongested && table.pendingBytes == 0)
                continue
            }
            var delivered = 0
            while table.isCongested {
                delivered += table.deliver(1).count
                #expect(table.isCongested == (table.pendingBytes > Limits.cableResumeBytes))
            }
            #expect((count - 2..<2 * count).contains(delivered))
            #expect(table.deliverAll().count + delivered == 2 * count)
        }
    }

    @Test("small messages count with the memory that they take")
    func smallMessages() {
        var table = table(clients: 0..<1)
        var count = 0
        while !table.isCongested {
            table.publish("1", to: Self.scores)
            count += 1
        }
        #expect(count <= Limits.cableUndeliveredBytes / Limits.cableMessageBytes)
    }

    @Test("a message that arrives in the middle of a fan-out follows it and does not overtake")
    func midway() {
        var table = table(clients: 0..<4)
        table.publish("1", to: Self.scores)
        var sent = table.deliver(2)
        table.publish("2", to: Self.scores)
        table.publish("3", to: Self.scores)
        sent += table.deliverAll()
        for client in 0..<UInt32(4) {
            #expect(sent.filter { $0.client == client }.flatMap(\.frames) == frame("1") + frame("2") + frame("3"))
        }
        #expect(sent.count == 8)
    }

    @Test("a client that subscribes in the middle of a fan-out gets the next message only")
    func subscribesMidway() {
        var table = table(clients: 0..<4)
        table.publish("1", to: Self.scores)
        var sent = table.deliver(2)
        table.publish("2", to: Self.scores)
        _ = table.subscribe(client: 9, identifier: Self.identifier, .actionCable, to: Self.scores)
        _ = table.subscribe(client: 10, identifier: [0x22, 0x22], .actionCable, to: Self.scores)
        table.publish("3", to: Self.scores)
        sent += table.deliverAll()
        #expect(sent.filter { $0.client == 9 }.map(\.frames) == [frame("3")])
        #expect(sent.filter { $0.client == 10 }.map(\.frames) == [frame("3", [0x22, 0x22])])
        #expect(sent.filter { $0.client == 3 }.flatMap(\.frames) == frame("1") + frame("2") + frame("3"))
    }

    @Test("a client that leaves in the middle of a fan-out gets nothing more, also when its number is used again")
    func leavesMidway() {
        var table = table(clients: 0..<4)
        table.publish("1", to: Self.scores)
        _ = table.deliver(1)
        #expect(table.leave(client: 2) == [])
        _ = table.subscribe(client: 2, identifier: Self.identifier, .actionCable, to: Self.scores)
        #expect(table.deliverAll().map(\.client) == [1, 3])
        table.publish("2", to: Self.scores)
        #expect(table.deliverAll().map(\.client) == [0, 1, 3, 2])
    }

    @Test("a stream whose last subscriber leaves in the middle of a fan-out drops its messages")
    func closesMidway() {
        var table = table(clients: 0..<2)
        table.publish("1", to: Self.scores)
        _ = table.deliver(1)
        #expect(table.leave(client: 0) == [])
        #expect(table.leave(client: 1) == [Self.scores])
        #expect(table.pendingBytes == 0)
        _ = table.subscribe(client: 5, identifier: Self.identifier, .actionCable, to: Self.scores)
        table.publish("2", to: Self.scores)
        #expect(table.deliverAll() == [Sent(client: 5, frames: frame("2"))])
        #expect(table.isDelivered && table.streams.count == 1)
    }

    @Test("gaps close in the middle of a fan-out, and every remaining client gets the message once")
    func compactsMidway() {
        var table = table(clients: 0..<100)
        table.publish("1", to: Self.scores)
        var sent = table.deliver(50)
        for client in UInt32(20)..<90 { _ = table.leave(client: client) }
        _ = table.subscribe(client: 200, identifier: Self.identifier, .actionCable, to: Self.scores)
        for client in UInt32(90)..<95 { _ = table.leave(client: client) }
        sent += table.deliverAll()
        #expect(sent.map(\.client) == Array(0..<50) + Array(95..<100))
        table.publish("2", to: Self.scores)
        #expect(table.deliverAll().map(\.client) == Array(0..<20) + Array(95..<100) + [200])
    }

    @Test("an excluded client does not get the message, and gets those before and after it")
    func excluded() {
        var table = table(clients: 0..<3)
        table.publish("1", to: Self.scores)
        table.publish("2", to: Self.scores, excluding: 1)
        table.publish("3", to: Self.scores)
        let sent = table.deliverAll()
        #expect(sent.filter { $0.client == 1 }.flatMap(\.frames) == frame("1") + frame("3"))
        #expect(sent.filter { $0.client == 2 }.flatMap(\.frames) == frame("1") + frame("2") + frame("3"))
    }

    @Test("streams take turns, so a small one does not wait for a large one")
    func turns() {
        var table = table(clients: 0..<1000)
        _ = table.subscribe(client: 5000, identifier: Self.identifier, .actionCable, to: [1])
        table.publish("1", to: Self.scores)
        table.publish("2", to: [1])
        #expect(table.deliver(Limits.cableDeliveriesPerTurn + 1).map(\.client).last == 5000)
    }

    @Test("a subscription is confirmed when its source confirms the stream, in order of arrival")
    func live() {
        var table = StreamTable()
        for client in UInt32(0)..<3 {
            _ = table.subscribe(
                client: client, identifier: Self.identifier, .actionCable, to: Self.scores, isLive: false)
        }
        #expect(table.waitingStreams == [Self.scores])
        #expect(!table.isLive(table.subscriptions(of: 1, identifier: Self.identifier)[0]))
        var confirmed: [UInt32] = []
        table.becomeLive(Self.scores) { client, _, _ in confirmed.append(client) }
        table.becomeLive(Self.scores) { client, _, _ in confirmed.append(client) }
        table.becomeLive([1]) { client, _, _ in confirmed.append(client) }
        #expect(confirmed == [0, 1, 2] && table.waitingStreams == [])
    }

    @Test("subscribing and leaving cost the same for the first client and for the last of ten thousand")
    func constantWork() {
        // All leave in the worst order for an array: the oldest first.
        var table = table(clients: 0..<10_000)
        for client in UInt32(0)..<10_000 { _ = table.leave(client: client) }
        #expect(table.streamCount == 0 && table.groups.count == 0 && table.streams.end == 0)
    }
}

/// One send of a fan-out.
struct Sent: Equatable {
    let client: UInt32
    let frames: [UInt8]
}

extension StreamTable {
    mutating func publish(_ json: String, to name: [UInt8], excluding client: UInt32? = nil) {
        publish(StreamMessage(message: Array(json.utf8), data: Array(json.utf8)), to: name, excluding: client)
    }

    mutating func deliver(_ limit: Int) -> [Sent] {
        var sent: [Sent] = []
        var nothing: Void = ()
        _ = deliver(upTo: limit, &sent, &nothing) { client, frames, sent, _ in
            sent.append(Sent(client: client, frames: frames))
        }
        return sent
    }

    mutating func deliverAll() -> [Sent] {
        var sent: [Sent] = []
        while !isDelivered { sent += deliver(7) }
        return sent
    }
}

extension [UInt8] {
    /// The address of the bytes: equal for two arrays that share them.
    fileprivate var storage: Int { unsafe withUnsafeBytes { Int(bitPattern: $0.baseAddress) } }
}
