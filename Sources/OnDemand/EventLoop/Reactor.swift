/// The event loop: the only place where the daemon sleeps.
///
/// One turn (`runOnce`):
///
/// 1. Wait in `epoll_wait` until an event or the next timer. Without timers the wait has no timeout.
/// 2. Dispatch the events. `relayRun` takes consecutive tunnel events in one call.
/// 3. Resume connections that used up their share of the last turn, within a share of this one.
/// 4. Fire the timers that are due.
/// 5. `iterationEnded`: deliver messages between the drivers.
///
/// Invariant: a connection with more to do is in `unfinished`, so the next wait returns at once.
final class Reactor<K: Kernel> {
    let kernel: K
    private var timers = TimerQueue<TimerKey>()
    /// Connections that used up their share of this turn and have more to do.
    private var unfinished: [Token] = []
    /// Counts turns, for shares of one.
    private(set) var turn: UInt64 = 0

    init(kernel: K) { self.kernel = kernel }

    func arm(_ key: TimerKey, at instant: Instant) { timers.arm(key, at: instant) }
    func disarm(_ key: TimerKey) { timers.disarm(key) }
    func isArmed(_ key: TimerKey) -> Bool { timers.contains(key) }
    var hasTimers: Bool { !timers.isEmpty }

    /// Schedules another turn for this token, after all others had theirs. Several requests in one turn count once.
    func resumeLater(_ token: Token) {
        // An array, because few are busy at once. A `Set` would make the runtime load megabytes of conformances on
        // first use.
        if !unfinished.contains(token) { unfinished.append(token) }
    }

    private func takeUnfinished() -> [Token] {
        // Usually empty: then nothing is exchanged or allocated.
        guard !unfinished.isEmpty else { return [] }
        defer { unfinished = [] }
        return unfinished
    }

    /// Resumes connections within a share of this turn, so that new events do not wait for all busy connections. The
    /// rest comes first in the next turn.
    private func resume(_ tokens: [Token], _ handler: some EventHandler) {
        var share = WorkShare(
            items: Limits.resumedPerTurn, time: Limits.resumedTimePerTurn, from: kernel.now(), itemsPerLook: 1)
        var served = 0
        while served < tokens.count, share.takeItem(kernel.now) {
            handler.ready(tokens[served], [])
            served += 1
        }
        guard served < tokens.count else { return }
        let asked = unfinished
        unfinished = Array(tokens[served...])
        asked.forEach(resumeLater)
    }

    /// Time of the next turn without an event. nil: never. Inlined because it runs for every message.
    @inline(__always)
    var deadline: Instant? { unfinished.isEmpty ? timers.next : kernel.now() }

    /// Runs one turn.
    func runOnce(_ handler: some EventHandler) {
        let count = kernel.wait(until: deadline)
        let resumed = takeUnfinished()
        turn &+= 1
        var position = handler.relayRun(from: 0, of: count)
        while position < count {
            let event = kernel.event(at: position)
            handler.ready(event.token, event.readiness)
            position = handler.relayRun(from: position + 1, of: count)
        }
        if !resumed.isEmpty { resume(resumed, handler) }
        if timers.next != nil {
            let now = kernel.now()
            while let key = timers.popDue(at: now) { handler.timerFired(key) }
        }
        handler.iterationEnded()
    }
}

/// The owner of a reactor.
protocol EventHandler: AnyObject {
    /// Handles consecutive events at once. Returns the position of the first that is left.
    func relayRun(from first: Int, of count: Int) -> Int
    func ready(_ token: Token, _ readiness: Readiness)
    func timerFired(_ key: TimerKey)
    /// All events and timers of the turn are handled.
    func iterationEnded()
}

extension EventHandler {
    func relayRun(from first: Int, of count: Int) -> Int { first }
}
