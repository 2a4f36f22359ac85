import Testing

@testable import OnDemand

/// The stream table against a model with plain lists.
struct StreamTableModelTests {
    private struct Key: Hashable {
        let client: UInt32
        let identifier: UInt8
    }

    /// The messages that each subscription must get, in the order of its stream.
    private struct Model {
        var streams: [Key: UInt8] = [:]
        /// Messages that were published during a subscription.
        var owed: [Key: [String]] = [:]
        var isListening: Set<UInt8> = []
    }

    private static func protocolOf(_ client: UInt32) -> CableProtocol { client % 3 == 0 ? .turboCable : .actionCable }
    private static func token(_ identifier: UInt8) -> [UInt8] { [0x22, 0x61 + identifier, 0x22] }

    @Test("random subscriptions, broadcasts and partial fan-outs agree with a naive model", arguments: 0..<40)
    func random(block: Int) {
        for seed in block * 100..<block * 100 + 100 {
            if let failure = Self.run(seed: UInt64(seed)) {
                Issue.record("seed \(seed): \(failure)")
                return
            }
        }
    }

    private static func run(seed: UInt64) -> String? {
        var random = Seeded(seed: seed)
        var (table, model) = (StreamTable(), Model())
        let clients = 1 + random.below(random.chance(30) ? 60 : 6)
        let streams = 1 + random.below(4)
        let churn = random.below(100)
        var published = 0
        for _ in 0..<(40 + random.below(160)) {
            let key = Key(client: UInt32(random.below(clients)), identifier: UInt8(random.below(3)))
            let stream = UInt8(random.below(streams))
            switch random.below(100) {
            case ..<churn where random.chance(60):
                if let failure = subscribe(key, stream, &table, &model) { return failure }
            case ..<churn where random.chance(70):
                let closed = table.unsubscribe(client: key.client, identifier: token(key.identifier))
                if let failure = end([key], closed, &model) { return failure }
            case ..<churn:
                let ended = model.streams.keys.filter { $0.client == key.client }
                if let failure = end(ended, table.leave(client: key.client), &model) { return failure }
            default:
                if random.chance(40) {
                    if let failure = check(table.deliver(1 + random.below(9)), &model) { return failure }
                } else {
                    published += 1
                    publish("\(published)", stream, excluding: random.chance(20) ? key.client : nil, &table, &model)
                }
            }
        }
        if let failure = check(table.deliverAll(), &model) { return failure }
        if let (key, left) = model.owed.first(where: { !$0.value.isEmpty }) { return "\(key) never got \(left)" }
        for client in 0..<UInt32(clients) { _ = table.leave(client: client) }
        let isEmpty =
            table.subscriptions.count == 0 && table.groups.count == 0 && table.streams.count == 0
            && table.identifiers.count == 0 && table.pendingBytes == 0 && table.isDelivered
        return isEmpty ? nil : "something is left when all clients have gone"
    }

    private static func subscribe(
        _ key: Key, _ stream: UInt8, _ table: inout StreamTable, _ model: inout Model
    ) -> String? {
        guard model.streams[key] == nil else { return nil }
        let opened = table.subscribe(
            client: key.client, identifier: token(key.identifier), protocolOf(key.client), to: [stream])
        let isNew = model.isListening.insert(stream).inserted
        model.streams[key] = stream
        model.owed[key] = []
        return (opened == .streamOpened) == isNew ? nil : "stream \(stream) opened: \(opened), expected \(isNew)"
    }

    private static func end(_ keys: [Key], _ closed: [[UInt8]], _ model: inout Model) -> String? {
        var affected: Set<UInt8> = []
        for key in keys {
            if let stream = model.streams.removeValue(forKey: key) { affected.insert(stream) }
            model.owed[key] = nil
        }
        let expected = affected.filter { stream in !model.streams.values.contains(stream) }
        model.isListening.subtract(expected)
        return Set(closed) == Set(expected.map { [$0] }) ? nil : "closed \(closed), expected \(expected)"
    }

    private static func publish(
        _ text: String, _ stream: UInt8, excluding client: UInt32?, _ table: inout StreamTable, _ model: inout Model
    ) {
        table.publish(text, to: [stream], excluding: client)
        for (key, name) in model.streams where name == stream && key.client != client {
            model.owed[key, default: []].append(text)
        }
    }

    /// Checks that every send contains the next messages of exactly one subscription of its client.
    private static func check(_ sent: [Sent], _ model: inout Model) -> String? {
        for send in sent {
            for text in FrameTexts.all(in: send.frames) {
                let found = (0..<UInt8(3)).map { Key(client: send.client, identifier: $0) }.first { key in
                    guard let next = model.owed[key]?.first else { return false }
                    return text == expected(next, key)
                }
                guard let found else { return "client \(send.client) got \(text), which is not its next message" }
                model.owed[found]?.removeFirst()
            }
        }
        return nil
    }

    private static func expected(_ message: String, _ key: Key) -> String {
        let token = String(decoding: token(key.identifier), as: UTF8.self)
        return switch protocolOf(key.client) {
        case .actionCable: "{\"identifier\":\(token),\"message\":\(message)}"
        case .turboCable: "{\"type\":\"message\",\"stream\":\(token),\"data\":\(message)}"
        }
    }
}

/// The texts of the complete server frames at the beginning; a close frame is `close CODE`.
enum FrameTexts {
    static func all(in frames: [UInt8]) -> [String] {
        var texts: [String] = []
        var offset = 0
        while offset < frames.count, let header = FrameHeader(frames.span, at: offset) {
            let begin = offset + header.byteCount
            offset = begin + Int(header.payloadLength)
            guard offset <= frames.count else { break }
            let payload = frames[begin..<offset]
            switch header.start.opcode {
            case .close: texts.append("close \(UInt16(payload[begin]) << 8 | UInt16(payload[begin + 1]))")
            case .pong: texts.append("pong")
            default: texts.append(String(decoding: payload, as: UTF8.self))
            }
        }
        return texts
    }
}
