@testable import OnDemand

/// A client's frames have the same effects in any cut: the same replies, subscriptions, counters and actions.
enum CableSessionProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        let cuts = Cuts(input)
        let cableProtocol = cuts.choice & 0x80 == 0 ? CableProtocol.actionCable : .turboCable
        let hasBackend = cuts.choice & 0x40 != 0
        var begin = 0
        let pieces = cuts.ends.map { end in
            defer { begin = end }
            return Array(cuts.bytes[begin..<end])
        }
        let whole = Session(cableProtocol, hasBackend, [cuts.bytes])
        let cut = Session(cableProtocol, hasBackend, pieces)
        try promise(whole.socket.received == cut.socket.received, "other replies: \(whole.socket), \(cut.socket)")
        try promise(whole.actions == cut.actions, "other actions: \(whole.actions), in pieces: \(cut.actions)")
        try promise(whole.machine.counters == cut.machine.counters, "other counters")
        let subscriptions = (whole.machine.table.subscriptionCount, cut.machine.table.subscriptionCount)
        try promise(subscriptions.0 == subscriptions.1 && subscriptions.0 <= 3, "subscriptions: \(subscriptions)")
        try promise(hasOnlyFrames(whole.socket.received), "not only frames: \(whole.socket)")
        try promise(cut.leavesNothing(), "something is left of the client")
    }

    private static func hasOnlyFrames(_ bytes: [UInt8]) -> Bool {
        var tracker = FrameTracker(role: .fromServer, maximumMessageBytes: nil)
        return (try? tracker.advance(bytes.span)) != nil && tracker.isAtBoundary
    }

    private struct Socket: ClientWriter {
        var received: [UInt8] = []

        mutating func send(_ frames: [UInt8], from offset: Int, to connection: UInt64) -> OutputQueues.SendResult {
            received += frames[offset...]
            return .taken(frames.count - offset)
        }
    }

    private struct Session {
        var machine: CableMachine
        var socket = Socket()
        let client: UInt32
        let actions: [CableMachine.Action]

        init(_ cableProtocol: CableProtocol, _ hasBackend: Bool, _ pieces: [[UInt8]]) {
            let now = Instant(nanoseconds: 0)
            var rules = CableMachine.Rules(resolver: SubscriptionResolver(publicStreams: .all, hasBackend: hasBackend))
            rules.maximumSubscriptions = 3
            rules.maximumMessageBytes = 300
            machine = CableMachine(rules: rules, pingInterval: .seconds(3))
            client = machine.open(1, cableProtocol, secret: SIDSecret(high: 1, low: 2), at: now, &socket)
            for piece in pieces {
                var buffer = piece
                var unread = buffer.indices
                while !unread.isEmpty {
                    machine.receive(&buffer, &unread, from: client, at: now, unixSeconds: 0, &socket)
                }
            }
            machine.broadcast(StreamMessage(message: [0x31], data: [0x31]), to: [0x61])
            while machine.deliver(upTo: 1, at: now, &socket) {}
            actions = machine.takeActions()
        }

        func leavesNothing() -> Bool {
            var machine = machine
            machine.leave(client)
            return machine.clientCount == 0 && machine.table.streamCount == 0 && machine.table.identifiers.count == 0
                && machine.deadline == nil
        }
    }
}
