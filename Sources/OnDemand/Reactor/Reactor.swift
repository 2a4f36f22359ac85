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

    /// One turn: wait, events, timers that are due, and the turns that were asked for.
    func turn(_ tenant: some Tenant) {
        let count = kernel.wait(until: unfinished.isEmpty ? timers.next : kernel.now())
        let resumed = takeUnfinished()
        for position in 0..<count {
            let event = kernel.event(at: position)
            tenant.ready(event.token, event.readiness)
        }
        for token in resumed { tenant.ready(token, []) }
        if timers.next != nil {
            let now = kernel.now()
            while let key = timers.popDue(at: now) { tenant.timerFired(key) }
        }
        tenant.turnEnded()
    }
}

/// Who lives on a reactor and is told what happens there.
protocol Tenant: AnyObject {
    func ready(_ token: Token, _ readiness: Readiness)
    func timerFired(_ key: TimerKey)
    /// Everything that was ready has been told: time to deliver messages.
    func turnEnded()
}

/// Whose deadline it is and what for; one timer each.
enum TimerKey: Hashable {
    /// A conversation's current deadline, whatever it is.
    case conversation(Token)
    /// The next attempt to connect to a backend whose queue was full.
    case connectRetry(Token)
    /// A client that sent too fast may be read from again.
    case pace(Token)
    case acceptPause(listener: Int)
    case backend(BackendID, BackendTimer)
    case probe(BackendID)
    case slowStart(BackendID)
    case startDelay(BackendID)
    /// What is not ours to start leaves the configuration; its clients have this long.
    case leave(BackendID)
    case status
    case crowdSettled
    case logRetry
    case watchdog
    case shutdown
}
