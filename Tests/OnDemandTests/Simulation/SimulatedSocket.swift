@testable import OnDemand

/// One end of a simulated connection: a queue of bytes with a capacity, an end behind them, and perhaps a reset.
///
/// Both ends are of this type. The daemon's is known by its descriptor, a peer's by its owner.
final class SimulatedSocket {
    enum Stage { case connecting, connected, refused }

    unowned let kernel: SimulatedKernel
    let capacity: Int
    var stage = Stage.connected
    var descriptor: Int32?
    weak var owner: (any SocketOwner)?
    /// Of a client's connection, at the daemon's end.
    var peerAddress: SocketAddress?
    /// nil once it was closed for good.
    weak var peer: SimulatedSocket?

    private var inbound: [UInt8] = []
    private var consumed = 0
    private(set) var peerHasEnded = false
    private(set) var hasEnded = false
    private(set) var isReset = false
    private var error: Errno?
    /// What was sent reached an end that was closed.
    private(set) var hasSpokenToNobody = false
    /// A send found too little room: its owner is told when there is more.
    private var wantsRoom = false
    /// A look of the owner is planned already.
    var isLookedAfter = false

    init(kernel: SimulatedKernel, capacity: Int) {
        self.kernel = kernel
        self.capacity = capacity
    }

    /// Two ends that know each other, each as roomy as the dice say if it is not told.
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

    /// What poll(2) would say.
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

    /// The next bytes, at most `limit`; empty when `receive` would have another answer.
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

    /// What a read says when no bytes wait. An error is told once, then the connection has simply ended (tcp(7)).
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
            // It was closed: what we say reaches nobody, and a reset tells us so.
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

    /// The room that a send did not find counts as coming back: an event will tell.
    func pretendFull(for delay: Duration) {
        wantsRoom = true
        kernel.scenario(after: delay) { [weak self] in self?.changed() }
    }

    func end() {
        guard !hasEnded, !isReset else { return }
        hasEnded = true
        peer?.hearEnd()
        // Both directions over is news for the one who ended last, too (EPOLLHUP).
        if peerHasEnded { changed() }
    }

    /// Gone. Who closes with unread bytes resets the connection instead of ending it (RFC 9293, 3.6).
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

    /// What had arrived before can still be read.
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

/// A virtual client or a backend's conversation.
protocol SocketOwner: AnyObject {
    /// Something about the socket has changed: bytes, an end, room, a reset.
    func inspect(_ socket: SimulatedSocket)
}

/// A listening address with the connections nobody has taken yet.
final class SimulatedListener {
    let address: SocketAddress
    /// Ends that wait to be accepted.
    var queue: [SimulatedSocket] = []
    let limit: Int
    var descriptor: Int32?
    /// Who accepts; nil for the daemon's own and for strangers.
    weak var process: SimulatedProcess?
    let isStranger: Bool
    /// The daemon's own, and its children inherit it.
    var isForChild = false
    /// Only the daemon accepts here.
    var isOwn: Bool { process == nil && !isStranger && !isForChild }
    private(set) var isClosed = false
    /// Shut down from outside, and still the daemon's descriptor: ready without a client (shutdown(2)).
    private(set) var isShutDown = false

    func shutDown() {
        isShutDown = true
        for socket in queue { socket.reset() }
        queue = []
    }

    init(address: SocketAddress, limit: Int = 128, isStranger: Bool = false) {
        self.address = address
        self.limit = limit
        self.isStranger = isStranger
    }

    func close() {
        isClosed = true
        for socket in queue { socket.reset() }
        queue = []
    }
}

/// A pipe that children write into and the daemon reads.
final class SimulatedPipe {
    static let capacity = 64 * 1024
    var bytes: [UInt8] = []
    /// What did not fit: its writer is blocked until the daemon reads.
    var backlog: [UInt8] = []
    /// Processes that hold the writing end.
    var writers = 0
    var isClosed = false

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
    }
}

/// What one thread watches and others ring.
final class SimulatedWakeup {
    var hasRung = false
}

/// A datagram socket that hears who speaks.
final class SimulatedNotifySocket {
    let name: String
    var messages: [(text: String, sender: Int32)] = []

    init(name: String) { self.name = name }
}

extension Errno {
    static let badDescriptor = Errno(number: 9)
    static let tryAgain = Errno(number: 11)
}
