/// One client's connection and, while it has one, its backend's: everything the proxy keeps about it.
///
/// A plain value in a slab. Before the tunnel the conversation hangs on it; in a tunnel this is all there is.
struct Link {
    var client: End
    var upstream: End?
    /// The generation of this link's slot, for tokens.
    var generation: UInt32 = 0
    /// What keeps the backend awake.
    var lease: Lease?
    /// Heads, bodies and deadlines; gone once the tunnel is open.
    var conversation: Conversation?
    /// Client to backend.
    var up = Pump()
    /// Backend to client.
    var down = Pump()
    /// The backend's process is gone: when what it said has been passed on, the tunnel is over.
    var backendIsGone = false

    struct End {
        let descriptor: Descriptor
        var readiness: Readiness = []
    }

    struct Lease: Equatable {
        let backend: BackendID
        let generation: Generation
    }

    /// What the HTTP part of a connection needs.
    final class Conversation {
        var machine: ExchangeMachine
        /// The deadline that is armed, and for which request.
        var armed: ArmedDeadline?
        /// While it waits for a backend.
        var ticket: (number: Ticket, backend: BackendID)?

        struct ArmedDeadline: Equatable {
            let deadline: ExchangeMachine.Deadline
            let request: Int
        }

        init(machine: ExchangeMachine) { self.machine = machine }
    }
}

// MARK: - The tunnel

extension Link {
    enum Progress: Equatable {
        /// Nothing more to do until a socket says so.
        case rest
        /// This turn's share is used up.
        case more
        case over(Hangup)
    }

    /// Moves what can be moved in both directions; reads are shared out so that nobody starves.
    mutating func relay(through kernel: some Kernel, scratch: inout [UInt8]) -> Progress {
        let upward = Self.pump(&up, from: &client, to: &upstream!, kernel, &scratch)
        if case .over = upward { return .over(.clientReset) }
        let downward = Self.pump(&down, from: &upstream!, to: &client, kernel, &scratch)
        if case .over = downward { return .over(.upstreamReset) }
        if up.isFinished && down.isFinished { return .over(.done) }
        if backendIsGone && down.pending.isEmpty && downward == .rest { return .over(.backendGone) }
        return upward == .more || downward == .more ? .more : .rest
    }

    /// One direction: flush what waits, then read and write at once, a bounded number of times.
    private static func pump(
        _ pump: inout Pump, from source: inout End, to sink: inout End, _ kernel: some Kernel, _ scratch: inout [UInt8]
    ) -> Progress {
        if pump.wantsToWrite, sink.readiness.contains(.writable) {
            let result = pump.pending.withSpan { kernel.send($0, to: sink.descriptor) }
            guard let sent = sink.note(result, of: pump.pending.count) else { return .over(.done) }
            pump.pending.removeFirst(sent)
        }
        var chunks = 0
        while pump.wantsToRead, source.readiness.contains(.readable) {
            guard chunks < Limits.chunksPerTurn else { return .more }
            chunks += 1
            switch kernel.receive(from: source.descriptor, into: &scratch) {
            case .bytes(let count):
                source.noteRead(count, of: scratch.count)
                let maySend = sink.readiness.contains(.writable)
                let bytes = scratch.span.extracting(0..<count)
                let result = maySend ? kernel.send(bytes, to: sink.descriptor) : .wouldBlock
                guard let sent = sink.note(result, of: count) else { return .over(.done) }
                if sent < count { pump.pending = ByteQueue(scratch[sent..<count]) }
            case .wouldBlock: source.readiness.remove(.readable)
            case .ended: pump.sourceEnded = true
            case .failed: return .over(.done)
            }
        }
        if pump.wantsToEndSink {
            kernel.endSending(on: sink.descriptor)
            pump.sinkEnded = true
        }
        return .rest
    }
}

extension Link.End {
    /// A short read means drained, unless the peer has ended: then the end itself is still to be read.
    mutating func noteRead(_ count: Int, of room: Int) {
        if count < room, !readiness.contains(.peerEnded) { readiness.remove(.readable) }
    }

    /// How much was taken; nil when the connection is broken.
    mutating func note(_ result: WriteResult, of count: Int) -> Int? {
        switch result {
        case .bytes(let sent):
            if sent < count { readiness.remove(.writable) }
            return sent
        case .wouldBlock:
            readiness.remove(.writable)
            return 0
        case .failed:
            return nil
        }
    }

    mutating func learn(_ more: Readiness) {
        readiness.formUnion(more)
        // An error or a full close shows itself in the next read, behind whatever came before it.
        if !more.isDisjoint(with: [.broken, .peerEnded]) { readiness.insert(.readable) }
        if more.contains(.broken) { readiness.insert(.writable) }
    }
}
