@testable import OnDemand

/// One end of a simulated connection: a queue of bytes with a capacity, possibly an end behind them, and possibly a
/// reset.
///
/// Both ends have this type. The daemon's end has a descriptor, a peer's end has an owner.
final class SimulatedSocket {
    enum Stage { case connecting, connected, refused }

    unowned let kernel: SimulatedKernel
    let capacity: Int
    var stage = Stage.connected
    var descriptor: Int32?
    weak var owner: (any SocketOwner)?
    /// nil after the peer has closed.
    weak var peer: SimulatedSocket?

    private var inbound: [UInt8] = []
    private var consumed = 0
    private(set) var peerHasEnded = false
    private(set) var hasEnded = false
    private(set) var isReset = false
    private var error: Errno?
    /// The last send reached a closed end.
    private(set) var hasSpokenToNobody = false
    /// A send found too little space: the owner is notified when there is more.
    private var wantsRoom = false
    /// A notification of the owner is planned.
    var isLookedAfter = false

    init(kernel: SimulatedKernel, capacity: Int) {
        self.kernel = kernel
        self.capacity = capacity
    }

    /// Creates two connected ends, with random capacities unless one is given.
    static func pair(_ kernel: SimulatedKernel, capacity: Int? = nil) -> (SimulatedSocket, SimulatedSocket) {
        let first = SimulatedSocket(kernel: kernel, capacity: capacity ?? kernel.drawCapacity())
        let second = SimulatedSocket(kernel: kernel, capacity: capacity ?? kernel.drawCapacity())
        first.peer = second
        second.peer = first
        return (first, second)
    }

    var queueLength: Int { inbound.count - consumed }
    private var room: Int { capacity - queueLength }
    var roomToSend: Int { peer?.room ?? 0 }
    private var peerHasRoom: Bool { (peer?.room ?? capacity) * 3 >= (peer?.capacity ?? 0) }

    /// The result of poll(2).
    var readiness: Readiness {
        switch stage {
        case .connecting: return []
        case .refused: return [.readable, .writable, .peerEnded, .broken]
        case .connected: break
        }
        guard !isReset else { return [.readable, .writable, .peerEnded, .broken] }
        var readiness: Readiness = []
        if queueLength > 0 || peerHasEnded { readiness.insert(.readable) }
        if peerHasEnded { readiness.insert(.peerEnded) }
        if hasEnded || peerHasRoom { readiness.insert(.writable) }
        if hasEnded && peerHasEnded { readiness.insert(.broken) }
        return readiness
    }

    // MARK: The verbs of an end

    /// Takes the next bytes, at most `limit`; empty when `receive` would return another result.
    func take(_ limit: Int) -> ArraySlice<UInt8> {
        let count = min(limit, queueLength)
        let bytes = inbound[consumed..<(consumed + count)]
        consumed += count
        if consumed == inbound.count {
            inbound.removeAll(keepingCapacity: true)
            consumed = 0
        }
        if count > 0, let peer, peer.wantsRoom, room * 3 >= capacity {
            peer.wantsRoom = false
            peer.changed()
        }
        return bytes
    }

    /// The result of a read without bytes. An error is reported once, then the connection has ended (tcp(7)).
    func resultWithoutBytes() -> ReadResult {
        if let error {
            self.error = nil
            return .failed(error)
        }
        return peerHasEnded || stage == .refused ? .ended : .wouldBlock
    }

    func send(_ bytes: ArraySlice<UInt8>) -> WriteResult {
        if let error {
            self.error = nil
            return .failed(error)
        }
        guard !isReset, !hasEnded, stage != .refused else { return .failed(.brokenPipe) }
        guard stage == .connected else { return .wouldBlock }
        guard let peer else {
            // The peer has closed: the bytes are lost, and a reset follows.
            hasSpokenToNobody = true
            kernel.scenario(after: kernel.drawLatency()) { [weak self] in self?.beReset() }
            return .bytes(bytes.count)
        }
        let count = min(bytes.count, max(peer.room, 0))
        if count < bytes.count { wantsRoom = true }
        guard count > 0 || bytes.isEmpty else { return .wouldBlock }
        peer.inbound += bytes.prefix(count)
        peer.changed()
        return .bytes(count)
    }

    /// Makes the socket full for this time; an event follows.
    func pretendFull(for delay: Duration) {
        wantsRoom = true
        kernel.scenario(after: delay) { [weak self] in self?.changed() }
    }

    func end() {
        guard !hasEnded, !isReset else { return }
        hasEnded = true
        peer?.hearEnd()
        // When both directions are over, the side that ended last also gets an event (EPOLLHUP).
        if peerHasEnded { changed() }
    }

    /// Closes this end. A close with unread bytes resets the connection instead of ending it (RFC 9293, 3.6).
    func close() {
        descriptor = nil
        owner = nil
        let other = peer
        peer = nil
        other?.peer = nil
        guard !isReset else { return }
        if queueLength > 0 { other?.beReset() } else if !hasEnded { other?.hearEnd() }
        hasEnded = true
        inbound = []
        consumed = 0
    }

    func reset() {
        let other = peer
        peer = nil
        other?.peer = nil
        other?.beReset()
        isReset = true
        owner = nil
    }

    func decide(_ stage: Stage, error: Errno? = nil) {
        self.stage = stage
        self.error = error
        changed()
    }

    func takeError() -> Errno? {
        defer { error = nil }
        return error
    }

    private func hearEnd() {
        peerHasEnded = true
        changed()
    }

    /// Handles a reset. Bytes that arrived before remain readable.
    func beReset() {
        guard !isReset else { return }
        isReset = true
        peerHasEnded = true
        hasEnded = true
        error = .connectionReset
        peer = nil
        changed()
    }

    private func changed() {
        if descriptor != nil { kernel.edge(on: self) } else { kernel.lookLater(at: self) }
    }
}

/// A virtual client or a backend's connection.
protocol SocketOwner: AnyObject {
    /// Handles a change of the socket: bytes, an end, space, a reset.
    func inspect(_ socket: SimulatedSocket)
}

/// A listening address with its queue of unaccepted connections.
final class SimulatedListener {
    let address: SocketAddress
    /// Ends in the accept queue.
    var queue: [SimulatedSocket] = []
    let limit: Int
    var descriptor: Int32?
    /// The accepting process; nil for the daemon's own and for foreign listeners.
    weak var process: SimulatedProcess?
    let isForeign: Bool
    /// Opened by the daemon and inherited by its children.
    var isForChild = false
    /// Called when a connection is queued; nil: nothing accepts here by itself.
    var acceptLater: (() -> Void)?
    /// Only the daemon accepts here.
    var isOwn: Bool { process == nil && !isForeign && !isForChild }
    private(set) var isClosed = false
    /// Shut down from outside, but still the daemon's descriptor: ready without a client (shutdown(2)).
    private(set) var isShutDown = false

    func shutDown() {
        isShutDown = true
        for socket in queue { socket.reset() }
        queue = []
    }

    init(address: SocketAddress, limit: Int = 128, isForeign: Bool = false) {
        self.address = address
        self.limit = limit
        self.isForeign = isForeign
    }

    func close() {
        isClosed = true
        for socket in queue { socket.reset() }
        queue = []
    }
}

/// A pipe from children to the daemon.
final class SimulatedPipe {
    static let capacity = 64 * 1024
    var bytes: [UInt8] = []
    /// Bytes beyond the capacity: the writer is blocked until the daemon reads.
    var backlog: [UInt8] = []
    /// Number of processes that hold the write end.
    var writers = 0 {
        didSet { if writers == 0, oldValue > 0 { changed?() } }
    }
    var isClosed = false {
        didSet { hungUp?() }
    }
    /// Called when the daemon closes a terminal: its session gets SIGHUP from the kernel, under any user.
    var hungUp: (() -> Void)?
    /// A process that the daemon does not know writes this whenever there is room; empty: none does.
    var outsider: [UInt8] = []
    /// Called when there is something to read; for a terminal, which is watched edge-triggered.
    var changed: (() -> Void)?

    var readiness: Readiness {
        var readiness: Readiness = []
        if !bytes.isEmpty { readiness.insert(.readable) }
        if writers == 0 { readiness.insert(.broken) }
        return readiness
    }

    func write(_ more: [UInt8]) {
        guard !isClosed else { return }
        backlog += more
        refill()
        changed?()
    }

    func take(_ limit: Int) -> ArraySlice<UInt8> {
        let taken = bytes.prefix(limit)
        bytes.removeFirst(taken.count)
        refill()
        return taken
    }

    private func refill() {
        let count = min(backlog.count, Self.capacity - bytes.count)
        bytes += backlog.prefix(count)
        backlog.removeFirst(count)
        bytes += outsider.prefix(Self.capacity - bytes.count)
    }
}

/// The wakeup descriptor of a thread.
final class SimulatedWakeup {
    var hasRung = false
}

/// A datagram socket that knows the sender of each message.
final class SimulatedNotifySocket {
    let name: String
    var messages: [(text: String, sender: Int32)] = []

    init(name: String) { self.name = name }
}

extension Errno {
    static let badDescriptor = Errno(number: 9)
    static let tryAgain = Errno(number: 11)
}
