/// The life of one run of a command, from the start of its program to its result.
///
/// States: `starting`, `running` while the program's first process (the leader) lives, `stopping` while its tree is
/// told to end, `draining` when no process is left and the last output is read, and `ended` with the result.
///
/// Events come from the system (the spawn, exits, the terminal), timers, requests and the shutdown. `apply` returns
/// effects, which the driver performs in order.
///
/// The exit of the leader is the result, unless the daemon has begun to stop the run before: then the reason of that
/// stop is. Processes that the leader leaves behind get the stop plan too. A shutdown begins the stop plan, and sends
/// KILL at a given time, whatever the plan says. A process of another user, such as one of sudo(8), may refuse signals
/// of the daemon: when KILL is refused, or the stop is overdue, the terminal is closed, and its session gets SIGHUP.
///
/// Invariants: an ended run has exactly one result. No signal is sent once the tree is gone. No timer is armed in
/// `draining` and `ended`. KILL is repeated until the tree is gone. The terminal is closed at most once before that.
///
/// Example: `spawned` arms `timeout`. It fires: `stopping`, TERM, and `stopStep` is armed. `exited` and `treeGone`:
/// `draining`. `outputRead`: `ended`, timed out.
struct RunMachine {
    enum State: Equatable {
        /// The driver starts the program.
        case starting
        case running
        case stopping(Stop)
        /// No process is left, and the result is known. Output may still be unread.
        case draining(Outcome)
        case ended(Outcome)
    }

    struct Stop: Equatable {
        var cause: Cause
        /// Index of the current step of the stop plan.
        var step = 0
        /// Exit of the leader; nil while it runs.
        var exit: Exit?
        /// The terminal is closed.
        var hasHungUp = false
    }

    enum Cause: Equatable {
        /// The leader has exited by itself; others of its tree may remain.
        case leaderExited
        case timeout
        /// By a request or an operator.
        case request
        case shutdown
    }

    /// The end of a run.
    struct Outcome: Equatable, Sendable {
        let ending: RunEnding
        /// nil: no process was started.
        let exit: Exit?
    }

    enum Event: Equatable {
        case spawned
        case spawnFailed
        /// The leader has exited.
        case exited(Exit)
        /// No process of the tree is left.
        case treeGone
        /// All output of the ended tree is read.
        case outputRead
        case timerFired(RunTimer)
        /// A process of the tree may not be signalled.
        case signalRefused(StopSignal)
        case stopRequested
        /// The daemon stops: KILL follows at `killAt` at the latest.
        case shutdownRequested(killAt: Instant)
        /// The daemon waits for nothing more: KILL at once.
        case killRequested
    }

    enum Effect: Equatable {
        case arm(RunTimer, at: Instant)
        case disarm(RunTimer)
        /// To all processes of the tree.
        case signal(StopSignal)
        /// Close the terminal although processes are left: its session gets SIGHUP.
        case hangUp
        /// The stop is overdue, and processes are left.
        case reportOverdue
        /// Read the rest of the output and report `outputRead`.
        case readRest
        case end(Outcome)
    }

    private(set) var state = State.starting
    let timeout: Duration
    let stopPlan: StopPlan

    init(timeout: Duration, stopPlan: StopPlan) {
        self.timeout = timeout
        self.stopPlan = stopPlan
    }

    mutating func apply(_ event: Event, at now: Instant) -> [Effect] {
        switch state {
        case .starting: whileStarting(event, now)
        case .running: whileRunning(event, now)
        case .stopping(let stop): whileStopping(stop, event, now)
        case .draining(let outcome): whileDraining(outcome, event)
        case .ended: whileEnded(event)
        }
    }

    private mutating func whileStarting(_ event: Event, _ now: Instant) -> [Effect] {
        switch event {
        case .spawned:
            state = .running
            return [.arm(.timeout, at: now + timeout)]
        case .spawnFailed:
            let outcome = Outcome(ending: .spawnFailed, exit: nil)
            state = .ended(outcome)
            return [.end(outcome)]
        // A start takes one call, so nothing comes between.
        case .exited, .treeGone, .outputRead, .timerFired, .signalRefused, .stopRequested, .shutdownRequested,
            .killRequested:
            impossible(event)
        }
    }

    private mutating func whileRunning(_ event: Event, _ now: Instant) -> [Effect] {
        switch event {
        case .exited(let exit):
            return [.disarm(.timeout)] + stop(Stop(cause: .leaderExited, exit: exit), now)
        case .timerFired(.timeout): return stop(Stop(cause: .timeout), now)
        case .stopRequested: return [.disarm(.timeout)] + stop(Stop(cause: .request), now)
        case .shutdownRequested(let killAt):
            return [.disarm(.timeout), .arm(.kill, at: killAt)] + stop(Stop(cause: .shutdown), now)
        case .killRequested:
            return [.disarm(.timeout)] + stop(Stop(cause: .shutdown, step: stopPlan.steps.count), now)
        case .spawned, .spawnFailed, .treeGone, .outputRead, .timerFired(.stopStep), .timerFired(.kill),
            .timerFired(.output), .signalRefused:
            impossible(event)
        }
    }

    /// Sends the signal of the current step.
    private mutating func stop(_ stop: Stop, _ now: Instant) -> [Effect] {
        state = .stopping(stop)
        let step = stopPlan.step(at: stop.step)
        return [.signal(step.signal), .arm(.stopStep, at: now + step.timeout)]
    }

    private mutating func whileStopping(_ stop: Stop, _ event: Event, _ now: Instant) -> [Effect] {
        var stop = stop
        switch event {
        case .exited(let exit):
            guard stop.exit == nil else { impossible(event) }
            stop.exit = exit
            state = .stopping(stop)
            return []
        case .treeGone:
            guard let exit = stop.exit else { impossible(event) }
            state = .draining(Outcome(ending: stop.cause.ending(exit), exit: exit))
            return [.disarm(.stopStep), .disarm(.kill), .readRest]
        case .timerFired(.stopStep):
            stop.step += 1
            guard stop.step >= stopPlan.overdueStep else { return self.stop(stop, now) }
            return self.stop(stop, now) + hangUp(&stop) + [.reportOverdue]
        case .signalRefused(let signal): return signal == .kill ? hangUp(&stop) : []
        case .timerFired(.kill), .killRequested:
            guard stop.step < stopPlan.steps.count else { return [] }
            stop.step = stopPlan.steps.count
            return [.disarm(.kill)] + self.stop(stop, now)
        case .shutdownRequested(let killAt): return [.arm(.kill, at: killAt)]
        case .stopRequested: return []
        case .spawned, .spawnFailed, .outputRead, .timerFired(.timeout), .timerFired(.output): impossible(event)
        }
    }

    private mutating func hangUp(_ stop: inout Stop) -> [Effect] {
        guard !stop.hasHungUp else { return [] }
        stop.hasHungUp = true
        state = .stopping(stop)
        return [.hangUp]
    }

    private mutating func whileDraining(_ outcome: Outcome, _ event: Event) -> [Effect] {
        switch event {
        case .outputRead:
            state = .ended(outcome)
            return [.end(outcome)]
        case .stopRequested, .shutdownRequested, .killRequested: return []
        case .spawned, .spawnFailed, .exited, .treeGone, .timerFired, .signalRefused: impossible(event)
        }
    }

    private func whileEnded(_ event: Event) -> [Effect] {
        switch event {
        case .stopRequested, .shutdownRequested, .killRequested: return []
        case .spawned, .spawnFailed, .exited, .treeGone, .outputRead, .timerFired, .signalRefused: impossible(event)
        }
    }

    /// Traps: the driver has reported what cannot happen in this state.
    private func impossible(_ event: Event) -> Never { preconditionFailure("\(event) while \(state)") }
}

extension RunMachine {
    /// As the status shows it.
    var shownState: Snapshot.Run.State {
        switch state {
        case .starting, .running: .running
        case .stopping, .draining: .stopping
        case .ended: .ended
        }
    }

    var outcome: Outcome? {
        switch state {
        case .starting, .running, .stopping: nil
        case .draining(let outcome), .ended(let outcome): outcome
        }
    }

    /// Whether the leader has exited and others may remain.
    var awaitsTree: Bool { if case .stopping(let stop) = state { stop.exit != nil } else { false } }

    var isDraining: Bool { if case .draining = state { true } else { false } }
    var hasEnded: Bool { if case .ended = state { true } else { false } }
}

extension RunMachine.Cause {
    fileprivate func ending(_ exit: Exit) -> RunEnding {
        switch self {
        case .timeout: .timedOut
        case .request: .stopped
        case .shutdown: .shutdown
        case .leaderExited: if case .signal = exit { .killed } else { .exited }
        }
    }
}
