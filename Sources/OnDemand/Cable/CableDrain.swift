/// The end of all clients of a cable: at a shutdown, or because the cable is removed or disabled.
///
/// The driver calls `step` when the drain begins, when messages have been delivered, and at the time that the last step
/// has named. No client is ended while the cable has undelivered messages: a client gets everything that was accepted
/// before its end. That has a bound, after which clients are ended all the same.
///
/// Clients are ended in steps of `Limits.cableDrainStep` within a *window*, so that they do not all come back at once.
/// The window begins with the first step that may end a client. It is over at the bound, or where it would have been
/// without a wait, whichever is later.
///
/// Example: 1,000 clients, a window of 1 s. The first step finds messages that are not delivered and waits. 20 ms later
/// they are: 125 clients end, and so do 125 more every 125 ms.
struct CableDrain: Equatable {
    private enum State: Equatable {
        /// No client has been ended.
        case waiting
        case ending(until: Instant, next: Instant)
    }

    enum Step: Equatable {
        /// Nothing to do before this time, unless messages are delivered.
        case wait(until: Instant)
        /// So many clients are to be ended now. The next step is at `next`, if any are left.
        case end(clients: Int, next: Instant)
    }

    /// The cable is out of the configuration: its number is free when the last client has left.
    let isRemoval: Bool
    private let window: Duration
    /// After this time no client waits for messages.
    let bound: Instant
    private let end: Instant
    private var state = State.waiting

    init(isRemoval: Bool, from now: Instant, over window: Duration, waitingUntil bound: Instant) {
        self.isRemoval = isRemoval
        self.window = window
        self.bound = bound
        end = now + window
    }

    /// `clients`: how many are to be ended; counted only when some are.
    mutating func step(isDelivered: Bool, clients: @autoclosure () -> Int, at now: Instant) -> Step {
        guard isDelivered || now >= bound else { return .wait(until: bound) }
        let until: Instant
        switch state {
        case .waiting: until = min(now + window, max(bound, end))
        case .ending(let known, let next):
            guard now >= next else { return .wait(until: next) }
            until = known
        }
        let left = until - now
        let steps = max(1, Int((left / Limits.cableDrainStep).rounded(.up)))
        let count = clients()
        let share = left <= .zero ? count : (count + steps - 1) / steps
        let next = now + min(Limits.cableDrainStep, max(left, .zero))
        state = .ending(until: until, next: count > share ? next : now)
        return .end(clients: share, next: next)
    }
}
