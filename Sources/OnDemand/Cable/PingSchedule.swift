/// When which clients of a cable are pinged: in slots, so that any number of clients costs few wake-ups.
///
/// An interval has up to eight slots for each second. A client's slot follows from its number: slot `s` of `n` has the
/// clients `s`, `s + n`, `s + 2n` and so on. Numbers are given lowest first, so slots are equally full, and no client
/// needs memory for its slot.
///
/// Invariants: without clients there is no deadline. A slot without clients causes no wake-up. Two pings of a client
/// are one interval apart, plus the delay of the second one. A client's first ping comes within one interval.
///
/// After a change of the interval a cable has two schedules (`CableMachine.formerPings`) until the new one has pinged
/// every client, so that none waits for the sum of both.
///
/// Example: interval 3 s, 24 slots, clients 0 and 1: two wake-ups in three seconds, 125 ms apart.
struct PingSchedule {
    let interval: Duration
    /// Slots of an interval, 1 to `Limits.cablePingSlots`.
    let slotCount: Int
    /// Clients of each slot; empty while there are none at all.
    private var clients: [UInt32] = []
    private var total = 0
    /// Ticks are numbered from the first client on; tick `t` is for slot `t % slotCount`.
    private var origin = Instant(nanoseconds: 0)
    private var nextTick: Int64 = 0

    /// A slot, and how many intervals have passed before it.
    struct Due: Equatable {
        let slot: Int
        let round: Int64
    }

    init(interval: Duration) {
        self.interval = interval
        let slots = interval.wholeNanoseconds * Int64(Limits.cablePingsPerSecond) / 1_000_000_000
        slotCount = Int(min(max(slots, 1), Int64(Limits.cablePingSlots)))
    }

    var isEmpty: Bool { total == 0 }

    mutating func join(_ client: UInt32, at now: Instant) {
        if total == 0 {
            clients = Array(repeating: 0, count: slotCount)
            origin = now
            nextTick = 1
        }
        clients[Int(client) % slotCount] += 1
        total += 1
    }

    mutating func leave(_ client: UInt32) {
        clients[Int(client) % slotCount] -= 1
        total -= 1
        if total == 0 { clients = [] }
    }

    /// When the next slot with clients is due; nil without clients.
    var deadline: Instant? {
        guard total > 0 else { return nil }
        var tick = nextTick
        while clients[Int(tick % Int64(slotCount))] == 0 { tick += 1 }
        return time(of: tick)
    }

    /// The next slot with clients that is due; nil when none is. A slot that is late by more than an interval is due
    /// once.
    mutating func takeDue(at now: Instant) -> Due? {
        guard total > 0 else { return nil }
        let passed = tick(at: now)
        nextTick = max(nextTick, passed - Int64(slotCount) + 1)
        while nextTick <= passed {
            let (round, slot) = nextTick.quotientAndRemainder(dividingBy: Int64(slotCount))
            nextTick += 1
            if clients[Int(slot)] > 0 { return Due(slot: Int(slot), round: round) }
        }
        return nil
    }

    /// The last tick that is not after `now`.
    private func tick(at now: Instant) -> Int64 {
        let (slots, whole) = (Int64(slotCount), max(interval.wholeNanoseconds, 1))
        // Apart, because the product of the whole time and the slots overflows after some hundred days.
        let (rounds, rest) = (now - origin).wholeNanoseconds.quotientAndRemainder(dividingBy: whole)
        return rounds * slots + rest * slots / whole
    }

    /// Rounded up, so that at this time the tick has passed.
    private func time(of tick: Int64) -> Instant {
        let slots = Int64(slotCount)
        let (rounds, rest) = tick.quotientAndRemainder(dividingBy: slots)
        let whole = interval.wholeNanoseconds
        return origin + .nanoseconds(rounds * whole) + .nanoseconds((rest * whole + slots - 1) / slots)
    }
}
