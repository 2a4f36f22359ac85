import Testing

@testable import OnDemand

/// Sessions, streams, queues and pings together, with slow and broken sockets. An oracle knows the messages that each
/// client must get.
struct CableSimulationTests {
    /// The messages that one subscription of one client must get, from its confirmation on.
    fileprivate struct Period {
        var owed: [Int] = []
        var isOpen = true
    }

    fileprivate struct Client {
        let number: UInt32
        let connection: UInt64
        let isTurbo: Bool
        let sid: String
        /// By stream.
        var periods: [Int: [Period]] = [:]
        var ended: EndReason?
        var isGone = false
    }

    private struct World {
        var cable: CableHarness
        var random: Seeded
        var clients: [Client] = []
        var published = 0
        var failure: String?

        mutating func expect(_ dependencies: Bool, _ promise: @autoclosure () -> String) {
            if !dependencies, failure == nil { failure = promise() }
        }
    }

    @Test(
        "no client misses a message, gets one twice or out of order, or is closed without a close frame",
        arguments: 0..<50)
    func swarm(block: Int) {
        for seed in block * 40..<block * 40 + 40 {
            var world = World(cable: CableHarness { $0.maximumQueuedBytes = 3000 }, random: Seeded(seed: UInt64(seed)))
            for _ in 0..<(60 + world.random.below(200)) { Self.step(&world) }
            Self.finish(&world)
            if let failure = world.failure {
                Issue.record("seed \(seed): \(failure)")
                return
            }
        }
    }

    private static func step(_ world: inout World) {
        let alive = world.clients.indices.filter { !world.clients[$0].isGone && world.clients[$0].ended == nil }
        switch world.random.below(100) {
        case ..<12: open(&world)
        case ..<32:
            guard !alive.isEmpty else { return }
            subscribe(world.random.one(of: alive), stream: world.random.below(3), &world)
        case ..<38:
            guard !alive.isEmpty else { return }
            unsubscribe(world.random.one(of: alive), stream: world.random.below(3), &world)
        case ..<65: publish(stream: world.random.below(3), excluding: alive, &world)
        case ..<80:
            let limit = 1 + world.random.below(8)
            _ = world.cable.machine.deliver(upTo: limit, at: world.cable.now, &world.cable.sockets)
        case ..<86:
            guard !alive.isEmpty else { return }
            let connection = world.clients[world.random.one(of: alive)].connection
            world.cable.sockets.sockets[connection]?.room = world.random.below(300)
        case ..<92: drainSome(&world)
        case ..<94:
            guard !alive.isEmpty else { return }
            world.cable.sockets.sockets[world.clients[world.random.one(of: alive)].connection]?.isBroken = true
        case ..<97:
            world.cable.now = world.cable.now + world.random.duration(.zero ... .seconds(4))
            world.cable.machine.ping(at: world.cable.now, unixSeconds: 1, &world.cable.sockets)
            world.cable.machine.endStalled(at: world.cable.now, &world.cable.sockets)
        default:
            guard !alive.isEmpty else { return }
            let index = world.random.one(of: alive)
            world.cable.receive(FrameWriter.close(.normal, key: world.cable.key), from: world.clients[index].number)
        }
        perform(&world)
    }

    private static func open(_ world: inout World) {
        let isTurbo = world.random.chance(30)
        let number = world.cable.open(isTurbo ? .turboCable : .actionCable)
        let connection = world.cable.connection(of: number)
        if world.random.chance(30) { world.cable.sockets.sockets[connection]?.room = world.random.below(400) }
        let sid = SIDSecret(high: connection, low: 7).sid(of: number)
        world.clients.append(Client(number: number, connection: connection, isTurbo: isTurbo, sid: sid))
    }

    private static func subscribe(_ index: Int, stream: Int, _ world: inout World) {
        world.cable.subscribe(world.clients[index].number, to: "s\(stream)")
        if world.clients[index].periods[stream]?.last?.isOpen != true {
            world.clients[index].periods[stream, default: []].append(Period())
        }
    }

    private static func unsubscribe(_ index: Int, stream: Int, _ world: inout World) {
        world.cable.subscribe(world.clients[index].number, to: "s\(stream)", command: "unsubscribe")
        world.clients[index].close(stream)
    }

    private static func publish(stream: Int, excluding alive: [Int], _ world: inout World) {
        world.published += 1
        let excluded = world.random.chance(10) && !alive.isEmpty ? world.random.one(of: alive) : nil
        world.cable.broadcast(
            "\(world.published)", to: "s\(stream)", excluding: excluded.map { world.clients[$0].sid })
        for index in alive where index != excluded {
            guard let last = world.clients[index].periods[stream]?.indices.last,
                world.clients[index].periods[stream]?[last].isOpen == true
            else { continue }
            world.clients[index].periods[stream]?[last].owed.append(world.published)
        }
    }

    private static func drainSome(_ world: inout World) {
        for index in world.clients.indices where !world.clients[index].isGone && world.random.chance(50) {
            let client = world.clients[index]
            world.cable.sockets.sockets[client.connection]?.room =
                world.random.chance(50) ? .max : world.random.below(200)
            world.cable.machine.writable(client.number, at: world.cable.now, &world.cable.sockets)
        }
    }

    /// Closes sockets as the machine requires, like the driver.
    private static func perform(_ world: inout World) {
        for action in world.cable.machine.takeActions() {
            switch action {
            case .end(let connection, let reason), .abort(let connection, let reason):
                guard let index = world.clients.firstIndex(where: { $0.connection == connection }) else { continue }
                world.expect(world.clients[index].ended == nil || reason == .connectionLost, "ended twice: \(reason)")
                world.clients[index].ended = world.clients[index].ended ?? reason
                for stream in 0..<3 { world.clients[index].close(stream) }
                if case .abort = action { leave(index, &world) }
            case .flushed(let connection):
                guard let index = world.clients.firstIndex(where: { $0.connection == connection }) else { continue }
                world.expect(world.cable.machine.clients.queues.isEmpty(world.clients[index].number), "not flushed")
                leave(index, &world)
            case .listen, .stopListening, .forward, .forwardBinary: break
            }
        }
    }

    private static func leave(_ index: Int, _ world: inout World) {
        guard !world.clients[index].isGone else { return }
        world.clients[index].isGone = true
        world.cable.machine.leave(world.clients[index].number)
    }

    private static func finish(_ world: inout World) {
        world.cable.deliverAll()
        perform(&world)
        for index in world.clients.indices where !world.clients[index].isGone {
            world.cable.sockets.sockets[world.clients[index].connection]?.room = .max
            world.cable.machine.writable(world.clients[index].number, at: world.cable.now, &world.cable.sockets)
            perform(&world)
        }
        for client in world.clients { judge(client, &world) }
        for index in world.clients.indices { leave(index, &world) }
        let machine = world.cable.machine
        world.expect(machine.clientCount == 0 && machine.deadline == nil, "a client is left")
        world.expect(
            machine.table.streamCount == 0 && machine.table.isDelivered && machine.table.pendingBytes == 0
                && machine.clients.queues.count == 0, "something is left when all clients have gone")
    }

    private static func judge(_ client: Client, _ world: inout World) {
        let socket = world.cable.sockets.sockets[client.connection]
        let texts = world.cable.texts(ofConnection: client.connection)
        for stream in 0..<3 {
            let periods = client.periods[stream] ?? []
            let got = texts.compactMap { number(in: $0, stream, client.isTurbo) }
            world.expect(zip(got, got.dropFirst()).allSatisfy { $0 < $1 }, "\(client) got \(got), not in order")
            let owed = Set(periods.flatMap(\.owed))
            world.expect(Set(got).isSubset(of: owed), "\(client) got \(got) of stream \(stream), owed \(owed)")
            guard let last = periods.last, last.isOpen, client.ended == nil, socket?.isBroken == false else { continue }
            world.expect(
                Set(last.owed).isSubset(of: got), "\(client) got \(got) of stream \(stream), owed \(last.owed)")
        }
        guard socket?.isBroken == false else { return }
        switch client.ended {
        case nil: break
        case .tooSlow, .stalled:
            let told = client.isTurbo || texts.dropLast().last?.contains("too_slow") == true
            world.expect(texts.last == "close 1013" && told, "\(client) was ended without a word: \(texts.suffix(2))")
        case .connectionLost: world.expect(false, "\(client) was lost although its socket works")
        default: world.expect(texts.last?.hasPrefix("close 1") == true, "\(client) got no close frame")
        }
    }

    private static func number(in text: String, _ stream: Int, _ isTurbo: Bool) -> Int? {
        guard text.contains("\"s\(stream)") || text.contains("\\\"s\(stream)\\\"") else { return nil }
        let key = isTurbo ? "\"data\":" : "\"message\":"
        guard let range = text.ranges(of: key).last else { return nil }
        return Int(text[range.upperBound...].dropLast())
    }
}

extension CableSimulationTests.Client {
    fileprivate mutating func close(_ stream: Int) {
        guard let last = periods[stream]?.indices.last else { return }
        periods[stream]?[last].isOpen = false
    }
}
