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
