@testable import OnDemand

/// One side of a chat in a tunnel: what it still has to say, what it has heard, and how it ends.
struct StreamScript {
    enum Peer { case client, backend }
    enum Step { case wait, speak, end, close }
    enum End { case heard, none }

    let side: Peer
    let chat: Wish.Chat
    let key: Int
    var listening: StreamVerifier
    private(set) var said = 0
    var isPausing = false
    /// This side has told the other that nothing more comes.
    var hasEnded = false
    private(set) var hasHeardEnd = false
    private let voice: MessagePattern

    init(side: Peer, chat: Wish.Chat, key: Int) {
        self.side = side
        self.chat = chat
        self.key = key
        voice = side == .client ? .client : .backend
        listening = StreamVerifier(to: side == .client ? .backend : .client, key: key)
    }

    var toSay: Int { voice.byteCount(frames: side == .client ? chat.up : chat.down, key: key) }
    var toHear: Int { listening.chatter.byteCount(frames: side == .client ? chat.down : chat.up, key: key) }
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

    /// What to do now that everything said so far is on its way, or is not.
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

    /// A byte that is wrong is always somebody's fault; one that is missing only when the other side ended politely.
    func judge(end: End, _ kernel: SimulatedKernel) {
        if let position = listening.firstWrong {
            kernel.complain("chat \(key): the \(side) heard a wrong byte at \(position)")
        }
        if listening.hasHeardFarewell, !kernel.isShuttingDown, !kernel.obeysOperator, !kernel.sendsAway {
            kernel.complain("chat \(key): the \(side) was sent away although nobody is leaving")
        }
        if listening.received > toHear { kernel.complain("chat \(key): the \(side) heard more than was said") }
        if end == .heard, chat.ending.isPolite, !hasHeardAll, !listening.hasHeardFarewell {
            kernel.counters.incomplete.append(
                .init(key: key, sentence: "the \(side) heard an end after \(listening.received) of \(toHear) bytes"))
        }
    }
}

/// What clients have asked, so that what arrives can be judged.
struct RequestLog {
    struct Incomplete {
        let key: Int
        let sentence: String
    }

    /// On which a process was asked at least once.
    var connections = 0
    /// Body sizes by key.
    var bodies: [Int: Int] = [:]
    /// Chats of which one side heard too little before a proper end; the client's story decides what that means.
    var incomplete: [Incomplete] = []
    private var admissions: Set<Int> = []

    func hasArrived(_ key: Int) -> Bool { admissions.contains(key) }

    mutating func arrived(_ key: Int, _ kernel: SimulatedKernel) {
        guard !admissions.insert(key).inserted else { return }
        // After a reset that had no reason, what changes nothing may be asked once more.
        if kernel.failedVerb == nil || bodies[key] != nil { kernel.complain("request \(key) arrived twice") }
    }
}
