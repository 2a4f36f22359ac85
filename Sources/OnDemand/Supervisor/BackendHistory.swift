/// Counters and last events of a backend, for the status, the history file and the log.
///
/// A cause of a start is recorded when it appears and counts for the start that it leads to.
struct BackendHistory {
    /// The cause of a start, with the client if there is one.
    struct Wake {
        let cause: WakeCause
        let visitor: ClientInfo?
        let at: Instant
    }

    private(set) var starts = 0
    private(set) var wakes = Counters<WakeCause>()
    private(set) var failedStarts = Counters<Refusal.Reason>()
    private(set) var crashes = 0
    /// The first cause of the next start. nil: none is expected.
    private var nextWake: Wake?
    private(set) var lastWake: Wake?
    private(set) var memory = MemoryAccount()
    private(set) var stateSince = Instant(nanoseconds: 0)
    private(set) var day = StateHistory()
    private(set) var lastStartup: Duration?
    private(set) var startups = StartupTimes()
    private(set) var startupHistogram = StartupHistogram()
    private(set) var lastExit: String?
    private(set) var lastExitCause: String?
    /// Cause of the current or last stop.
    private var stopCause: BackendMachine.StopCause?
    private(set) var lastFailure: FailureReport?

    // MARK: States

    /// The time at which the state began. Later changes come with `changed`.
    mutating func begin(at now: Instant) { stateSince = now }

    /// Restores a day of an earlier daemon.
    mutating func restore(_ day: StateHistory) { self.day = day }

    /// `clock`: seconds since 1970, read only after a change.
    mutating func show(_ state: BackendState, clock: () -> Int64) {
        guard day.intervals.last?.state != state else { return }
        day.entered(state, at: clock())
    }

    /// Records a change of the state, and the cause of a start. Without a recorded cause it is always-on or pinned.
    mutating func changed(from before: BackendState, to machine: BackendMachine, at now: Instant) {
        stateSince = now
        if case .stopping(let stop) = machine.state { stopCause = stop.cause }
        let after = machine.state.name
        // It has only lost its listener.
        guard before != .awake || after != .starting else { return }
        if after == .starting {
            let itself: WakeCause = machine.standing == .pinned ? .operator : .alwaysOn
            let wake = nextWake ?? Wake(cause: itself, visitor: nil, at: now)
            wakes[wake.cause] += 1
            lastWake = wake
        }
        if after != .stopping, machine.queueLength == 0 || after == .starting { nextWake = nil }
    }

    /// Records the cause of a start that may follow.
    mutating func recordStartCause(_ wake: Wake, in state: BackendMachine.State) {
        switch state {
        case .asleep, .stopping: nextWake = nextWake ?? wake
        case .backoff where wake.cause == .operator: nextWake = wake  // Other causes do not end a backoff.
        case .backoff(let rest) where rest.queues(at: wake.at): nextWake = nextWake ?? wake
        case .starting, .awake, .backoff, .shuttingDown: break
        }
    }

    // MARK: Processes

    mutating func processStarted(at now: Instant) {
        starts += 1
        memory.processStarted(at: now)
    }

    mutating func processEnded(at now: Instant) { memory.processEnded(at: now) }

    mutating func recordResidentBytes(_ bytes: Int?) { memory.recordResidentBytes(bytes) }

    /// `startup`: nil when it has lost its listener and listens again.
    mutating func ready(after startup: Duration?) {
        lastFailure = nil
        guard let startup else { return }
        lastStartup = startup
        startups.record(startup)
        startupHistogram.record(startup)
    }

    mutating func stopped(_ exit: Exit) {
        lastExit = exit.description
        lastExitCause = stopCause?.word
    }

    mutating func failed(_ kind: BackendFailure.Kind, _ report: FailureReport) {
        switch kind {
        case .start(let refusal): failedStarts[refusal.reason] += 1
        case .crash: crashes += 1
        }
        lastFailure = report
    }
}

/// Accounts for the effect of sleep: time with a process, and memory saved without one.
struct MemoryAccount: Equatable {
    /// Time with a process in ended generations.
    private var alive = Duration.zero
    private var savedByteSeconds = 0.0
    private var bornAt: Instant?
    private var endedAt: Instant?
    /// Last measured value in bytes. nil: never measured.
    private(set) var lastResidentBytes: Int?

    /// An exited process that is not reaped yet reports 0 bytes, which is not its usual size.
    mutating func recordResidentBytes(_ bytes: Int?) {
        if let bytes, bytes > 0 { lastResidentBytes = bytes }
    }

    mutating func processStarted(at now: Instant) {
        savedByteSeconds = saved(at: now)
        (bornAt, endedAt) = (now, nil)
    }

    mutating func processEnded(at now: Instant) {
        alive = timeAlive(at: now)
        (bornAt, endedAt) = (nil, now)
    }

    /// Time with a process since the daemon started.
    func timeAlive(at now: Instant) -> Duration { alive + (bornAt.map { now - $0 } ?? .zero) }

    /// Saved memory in byte-seconds. 0 without a measurement.
    func saved(at now: Instant) -> Double {
        guard let endedAt, let lastResidentBytes else { return savedByteSeconds }
        return savedByteSeconds + Double(lastResidentBytes) * Double((now - endedAt).wholeMilliseconds) / 1000
    }
}
