@testable import OnDemand

/// One side of a chat in a tunnel: the bytes left to send, the received bytes, and the end.
struct StreamScript {
    enum Peer { case client, backend }
    enum Step { case wait, speak, end, close }
    enum End { case heard, none }

    let side: Peer
    let chat: ScenarioRequest.Chat
    let key: Int
    var listening: StreamVerifier
    private(set) var said = 0
    var isPausing = false
    /// This side has ended its sending direction.
    var hasEnded = false
    private(set) var hasHeardEnd = false
    private let voice: MessagePattern

    init(side: Peer, chat: ScenarioRequest.Chat, key: Int) {
        self.side = side
        self.chat = chat
        self.key = key
        voice = side == .client ? .client : .backend
        listening = StreamVerifier(to: side == .client ? .backend : .client, key: key)
    }

    var toSay: Int { voice.byteCount(frames: side == .client ? chat.up : chat.down, key: key) }
    var toHear: Int { listening.pattern.byteCount(frames: side == .client ? chat.down : chat.up, key: key) }
    var hasSaidAll: Bool { said == toSay }
    var hasHeardAll: Bool { listening.received == toHear }

    mutating func nextBurst() -> ArraySlice<UInt8> {
        let bytes = voice.bytes(key: key, from: said, count: min(chat.burst, toSay - said))
        said += bytes.count
        return bytes
    }

    mutating func heardEnd(_ kernel: SimulatedKernel) {
        guard !hasHeardEnd else { return }
        hasHeardEnd = true
        judge(end: .heard, kernel)
    }

    /// Returns the next step, depending on whether all bytes so far are flushed.
    func next(isFlushed: Bool) -> Step {
        guard isFlushed else { return .wait }
        guard hasSaidAll else { return hasEnded ? .wait : .speak }
        if hasHeardEnd { return .close }
        guard !hasEnded else { return .wait }
        switch (side, chat.ending) {
        case (.client, .client): return hasHeardAll ? .end : .wait
        case (.client, .clientEarly), (.backend, .backend): return .end
        case (.client, .clientCloses), (.backend, .backendCloses): return .close
        default: return .wait
        }
    }

    /// A wrong byte is always a violation; a missing byte only when the other side ended cleanly.
    func judge(end: End, _ kernel: SimulatedKernel) {
        if let position = listening.firstWrong {
            kernel.complain("chat \(key): the \(side) received a wrong byte at \(position)")
        }
        if listening.hasReceivedCloseFrame, !kernel.isShuttingDown, !kernel.obeysOperator, !kernel.sendsAway {
            kernel.complain("chat \(key): the \(side) was closed without a cause")
        }
        if listening.received > toHear {
            kernel.complain("chat \(key): the \(side) received more bytes than were sent")
        }
        if end == .heard, chat.ending.isPolite, !hasHeardAll, !listening.hasReceivedCloseFrame {
            kernel.counters.incomplete.append(
                .init(key: key, sentence: "the \(side) heard an end after \(listening.received) of \(toHear) bytes"))
        }
    }
}

/// The requests of all clients, for the checks of the received ones.
struct RequestLog {
    struct Incomplete {
        let key: Int
        let sentence: String
    }

    /// Connections with at least one request to a process.
    var connections = 0
    /// Body sizes by key.
    var bodies: [Int: Int] = [:]
    /// Chats of which one side received too little before a clean end; the client's outcome decides whether this is a
    /// violation.
    var incomplete: [Incomplete] = []
    private var admissions: Set<Int> = []

    func hasArrived(_ key: Int) -> Bool { admissions.contains(key) }

    mutating func arrived(_ key: Int, _ kernel: SimulatedKernel) {
        guard !admissions.insert(key).inserted else { return }
        // After a reset without a cause, an idempotent request may be sent once more.
        if kernel.failedVerb == nil || bodies[key] != nil { kernel.complain("request \(key) arrived twice") }
    }
}
