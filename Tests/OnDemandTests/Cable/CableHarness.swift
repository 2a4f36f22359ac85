@testable import OnDemand

/// The sockets of a cable's clients, with a capacity that the test sets.
struct SimulatedSockets: ClientWriter {
    struct Socket {
        var received: [UInt8] = []
        var room = Int.max
        var isBroken = false
    }

    var sockets: [UInt64: Socket] = [:]
    private(set) var sends = 0

    mutating func send(_ frames: [UInt8], from offset: Int, to connection: UInt64) -> OutputQueues.SendResult {
        sends += 1
        guard var socket = sockets[connection], !socket.isBroken else { return .failed }
        let count = min(frames.count - offset, socket.room)
        socket.received += frames[offset..<offset + count]
        if socket.room != .max { socket.room -= count }
        sockets[connection] = socket
        return .taken(count)
    }
}

/// A cable with its clients' sockets and their received frames.
struct CableHarness {
    var machine: CableMachine
    var sockets = SimulatedSockets()
    var now = Instant(nanoseconds: 1_000_000_000)
    private var lastConnection: UInt64 = 0
    let key = MaskingKey(9, 8, 7, 6)

    init(hasBackend: Bool = false, hasSource: Bool = false, _ adjust: (inout CableMachine.Rules) -> Void = { _ in }) {
        var rules = CableMachine.Rules(resolver: SubscriptionResolver(publicStreams: .all, hasBackend: hasBackend))
        rules.hasSource = hasSource
        adjust(&rules)
        machine = CableMachine(rules: rules, pingInterval: .seconds(3))
    }

    mutating func open(_ cableProtocol: CableProtocol = .actionCable, identifiers: String? = nil) -> UInt32 {
        lastConnection += 1
        sockets.sockets[lastConnection] = SimulatedSockets.Socket()
        return machine.open(
            lastConnection, cableProtocol, secret: SIDSecret(high: lastConnection, low: 7),
            identifiers: identifiers.map { Array($0.utf8) }, at: now, &sockets)
    }

    func connection(of client: UInt32) -> UInt64 { machine.clients.slots[client].connection }

    mutating func receive(_ bytes: [UInt8], from client: UInt32) {
        var buffer = bytes
        var unread = buffer.indices
        while !unread.isEmpty {
            machine.receive(&buffer, &unread, from: client, at: now, unixSeconds: 1_700_000_000, &sockets)
        }
    }

    mutating func receive(_ text: String, from client: UInt32) {
        receive(FrameWriter.text(text, key: key), from: client)
    }

    mutating func subscribe(_ client: UInt32, to stream: String, command: String = "subscribe") {
        switch machine.clients.slots[client].cableProtocol {
        case .actionCable:
            receive("{\"command\":\"\(command)\",\"identifier\":\(Self.identifier(stream))}", from: client)
        case .turboCable: receive("{\"type\":\"\(command)\",\"stream\":\"\(stream)\"}", from: client)
        }
    }

    mutating func broadcast(_ json: String, to stream: String, excluding sid: String? = nil) {
        let message = StreamMessage(message: Array(json.utf8), data: Array(json.utf8))
        machine.broadcast(message, to: Array(stream.utf8), excluding: sid.map { Array($0.utf8) })
    }

    mutating func deliverAll() { while machine.deliver(upTo: 16, at: now, &sockets) {} }

    /// Returns the texts of everything that a client's socket accepted.
    func texts(_ client: UInt32) -> [String] { texts(ofConnection: connection(of: client)) }

    /// Returns how many bytes a client's socket accepted.
    func byteCount(of client: UInt32) -> Int { sockets.sockets[connection(of: client)]?.received.count ?? 0 }

    func texts(ofConnection connection: UInt64) -> [String] {
        FrameTexts.all(in: sockets.sockets[connection]?.received ?? [])
    }

    static func identifier(_ stream: String) -> String {
        "\"{\\\"channel\\\":\\\"$pubsub\\\",\\\"stream_name\\\":\\\"\(stream)\\\"}\""
    }
}

extension SIDSecret {
    func sid(of client: UInt32) -> String {
        var text: [UInt8] = []
        appendSID(of: client, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}
