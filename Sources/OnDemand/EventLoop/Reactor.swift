/// Waits, fires timers and tells its tenant what happened: the one place where the daemon sleeps.
final class Reactor<K: Kernel> {
    let kernel: K
    private var timers = TimerQueue<TimerKey>()
    /// Connections that used up their share of this turn and have more to do.
    private var unfinished: [Token] = []

    init(kernel: K) { self.kernel = kernel }

    func arm(_ key: TimerKey, at instant: Instant) { timers.arm(key, at: instant) }
    func disarm(_ key: TimerKey) { timers.disarm(key) }
    func isArmed(_ key: TimerKey) -> Bool { timers.contains(key) }
    var hasTimers: Bool { !timers.isEmpty }

    /// Asks for another turn for this token, after everybody else had theirs.
    ///
    /// One turn each, however often it is asked for: both sockets of a busy tunnel ask, and so do those turns again.
    func resumeLater(_ token: Token) {
        // Few are busy at one moment; a set would make the runtime read every conformance, megabytes, on first use.
        if !unfinished.contains(token) { unfinished.append(token) }
    }

    private func takeUnfinished() -> [Token] {
        // Mostly nobody: then there is nothing to exchange, and nothing to allocate.
        guard !unfinished.isEmpty else { return [] }
        defer { unfinished = [] }
        return unfinished
    }

    /// The turns that were asked for, within a share of this one: what just became ready goes first, and so waits no
    /// longer for all of those who are busy than for one. The rest is first in the next turn.
    private func resume(_ tokens: [Token], _ tenant: some EventHandler) {
        var share = WorkShare(
            items: Limits.resumedPerTurn, time: Limits.resumedTimePerTurn, from: kernel.now(), itemsPerLook: 1)
        var served = 0
        while served < tokens.count, share.takeItem(kernel.now) {
            tenant.ready(tokens[served], [])
            served += 1
        }
        guard served < tokens.count else { return }
        let asked = unfinished
        unfinished = Array(tokens[served...])
        asked.forEach(resumeLater)
    }

    /// When it turns without an event; nil is never. Every message comes by here.
    @inline(__always)
    var deadline: Instant? { unfinished.isEmpty ? timers.next : kernel.now() }

    /// One turn: wait, events, timers that are due, and the turns that were asked for.
    func runOnce(_ tenant: some EventHandler) {
        let count = kernel.wait(until: deadline)
        let resumed = takeUnfinished()
        var position = tenant.relayRun(from: 0, of: count)
        while position < count {
            let event = kernel.event(at: position)
            tenant.ready(event.token, event.readiness)
            position = tenant.relayRun(from: position + 1, of: count)
        }
        if !resumed.isEmpty { resume(resumed, tenant) }
        if timers.next != nil {
            let now = kernel.now()
            while let key = timers.popDue(at: now) { tenant.timerFired(key) }
        }
        tenant.iterationEnded()
    }
}

/// Who lives on a reactor and is told what happens there.
protocol EventHandler: AnyObject {
    /// Deals with as many events in a row as it can at once; the position of the first that is left.
    func relayRun(from first: Int, of count: Int) -> Int
    func ready(_ token: Token, _ readiness: Readiness)
    func timerFired(_ key: TimerKey)
    /// Everything that was ready has been told: time to deliver messages.
    func iterationEnded()
}

extension EventHandler {
    func relayRun(from first: Int, of count: Int) -> Int { first }
}

/// Whose deadline it is and what for; one timer each.
enum TimerKey: Equatable {
    /// A conversation's current deadline, whatever it is.
    case connection(Token)
    /// The next attempt to connect to a backend whose queue was full.
    case connectRetry(Token)
    /// A client that sent too fast may be read from again.
    case rateLimiter(Token)
    case acceptPause(listener: Int)
    case backend(BackendID, BackendTimer)
    case probe(BackendID)
    case startupSlow(BackendID)
    case startDelay(BackendID)
    /// There is something to tell the guard, or a guard to start or to let go.
    case familyGuard
    /// What is not ours to start leaves the configuration; its clients have this long.
    case leave(BackendID)
    case status
    case memoryTrim
    case logRetry
    case watchdog
    case shutdown
}

extension TimerKey: TimerIdentifier {
    /// The kind in the highest byte, and whose it is in the others: a token's own highest byte only says that it is a
    /// client's.
    var code: UInt64 {
        switch self {
        case .connection(let token): Self.code(1, token)
        case .connectRetry(let token): Self.code(2, token)
        case .rateLimiter(let token): Self.code(3, token)
        case .acceptPause(let listener): Self.code(4, listener)
        case .backend(let id, .startup): Self.code(5, id.index)
        case .backend(let id, .idle): Self.code(6, id.index)
        case .backend(let id, .stopStep): Self.code(7, id.index)
        case .backend(let id, .backoffTimer): Self.code(8, id.index)
        case .probe(let id): Self.code(9, id.index)
        case .startupSlow(let id): Self.code(10, id.index)
        case .startDelay(let id): Self.code(11, id.index)
        case .leave(let id): Self.code(12, id.index)
        case .status: Self.code(13, 0)
        case .memoryTrim: Self.code(14, 0)
        case .logRetry: Self.code(15, 0)
        case .watchdog: Self.code(16, 0)
        case .shutdown: Self.code(17, 0)
        case .familyGuard: Self.code(18, 0)
        }
    }

    private static func code(_ kind: UInt64, _ index: Int) -> UInt64 { kind << 56 | UInt64(index) }

    private static func code(_ kind: UInt64, _ token: Token) -> UInt64 {
        precondition(token.role == .client, "only clients' timers are told apart by their tokens")
        return kind << 56 | token.rawValue & 0xff_ffff_ffff_ffff
    }
}
