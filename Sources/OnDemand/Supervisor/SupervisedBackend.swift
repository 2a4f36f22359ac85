/// One backend as the supervisor sees it: its machine, its gate, and the process that is alive for it, if any.
final class SupervisedBackend {
    enum Kind: String {
        /// It has clients of the proxy.
        case service
        /// Only other backends need it.
        case process
    }

    let id: BackendID
    let kind: Kind
    let name: String
    /// Where it accepts connections, as it was configured: with port 0 each start has another one, and without an
    /// address it is ready as soon as it runs.
    private(set) var target: SocketAddress?
    /// Where the current generation listens, or the last one did.
    var address: SocketAddress?
    /// The listening socket that its processes inherit; ours from the beginning to the end.
    var listener: Descriptor?
    /// What is always on is started this long after the daemon.
    let startDelay: Duration
    private(set) var command: LaunchCommand
    /// What it is from its next start on, when that differs.
    var next: Definition?
    /// It starts, and another backend's process still has to leave the address.
    var waitsForAddress = false
    /// Taken out of the configuration.
    var isRemoved = false
    let gate: BackendGate
    var machine: BackendMachine
    var child: Child?
    var probe = Probe()
    var history = History()
    /// What it holds on to while it lives: one for each name in `requires`.
    var dependencies: [DependencyLease] = []
    /// At a shutdown each has its turn.
    var shutdownSent = false
    var tail = OutputTail()
    /// Orders whose end somebody waits for, each with a connection of its own.
    var commands: [PendingCommand] = []

    /// What a process is started from; it keeps what it was started with.
    struct Definition {
        let target: SocketAddress?
        let command: LaunchCommand
        let policy: BackendPolicy
    }

    struct Child {
        let process: ProcessID
        let spawnedAt: Instant
        /// When it was ready for the first time.
        var readyAt: Instant?
        /// When its listener was found gone for the last time.
        var lostListenerAt: Instant?
        var output: OutputPipe
        var errors: OutputPipe
        /// Where it says that it is ready, if that is what is waited for.
        var notifySocket: Descriptor?
        /// Its family has changed since the guard was told of it.
        var isNewsForGuard = true
        /// Set once it was reaped; others of its group may live on.
        var exit: Exit?
        var lastSignal: StopSignal?
        /// What had been sent when it ended; nil when it ended by itself.
        var endedBy: StopSignal?
        /// Set once a process of the family may not be signalled.
        var refusesSignals = false
        /// The processes that are left when the stop is overdue, as of the last retry; nil before that.
        var remaining: [ProcessDescription]?
    }

    struct OutputPipe {
        /// nil once it ended.
        var descriptor: Descriptor?
        var lines = OutputLines()
        /// It has something, and its share of a turn is still to come.
        var isQueued = false
    }

    /// The wish of one backend that another one be ready; once that is so, it is a lease like a client's.
    struct DependencyLease {
        enum State: Equatable {
            case asked
            case held(Generation)
            /// It ended or could not be had, and is not awaited.
            case lost
        }
        let required: SupervisedBackend
        /// Of this wish alone; an answer to an earlier one finds nobody.
        var ticket: Ticket
        var state = State.asked
    }

    /// What it is started for, and if that is a client, which.
    struct Wake {
        let cause: WakeCause
        let visitor: ClientInfo?
        let at: Instant
    }

    /// For people who ask later.
    struct History {
        var starts = 0
        var wakes = Counters<WakeCause>()
        var failedStarts = Counters<Refusal.Reason>()
        var crashes = 0
        /// Who wanted the next start first, while there is one to come.
        var nextWake: Wake?
        var lastWake: Wake?
        var memory = MemoryAccount()
        var stateSince = Instant(nanoseconds: 0)
        var day = StateHistory()
        var lastStartup: Duration?
        var startups = StartupTimes()
        var startupHistogram = StartupHistogram()
        var lastExit: String?
        var lastExitCause: String?
        /// Why its present or last stop began.
        var stopCause: BackendMachine.StopCause?
        var lastFailure: FailureReport?

        mutating func processStarted(at now: Instant) {
            starts += 1
            memory.processStarted(at: now)
        }
    }

    /// Whether each start has a port of its own.
    var picksPort: Bool { target?.port == 0 }

    init(
        id: BackendID, kind: Kind = .service, name: String, address: SocketAddress?, command: LaunchCommand,
        policy: BackendPolicy, gate: BackendGate, startDelay: Duration = .zero, isEnabled: Bool = true
    ) {
        self.id = id
        self.kind = kind
        self.name = name
        target = address
        self.address = address
        self.startDelay = startDelay
        self.command = command
        self.gate = gate
        machine = BackendMachine(policy: policy, standing: isEnabled ? .usual : .disabled)
    }

    /// Between two lives.
    func applyPendingDefinition() {
        guard let next else { return }
        self.next = nil
        // Where it was last is where a socket of ours still is.
        if next.target != target { address = next.target }
        (target, command) = (next.target, next.command)
        machine.update(next.policy)
    }

    var isAtRest: Bool {
        switch machine.state {
        case .asleep, .shuttingDown: true
        case .starting, .awake, .stopping, .backoff: false
        }
    }
}

/// What a backend's sleep is worth: how long it had a process, and the memory it would have held while it had none.
struct MemoryAccount: Equatable {
    /// Of its lives that have ended.
    private var alive = Duration.zero
    private var savedByteSeconds = 0.0
    private var bornAt: Instant?
    private var endedAt: Instant?
    /// What it held when it was last looked at.
    private(set) var lastResidentBytes: Int?

    /// A process that has exited and is not reaped yet holds nothing, and that is not what sleeping saves.
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

    /// Since the daemon began.
    func timeAlive(at now: Instant) -> Duration { alive + (bornAt.map { now - $0 } ?? .zero) }

    /// Bytes times seconds; what was never measured saves nothing.
    func saved(at now: Instant) -> Double {
        guard let endedAt, let lastResidentBytes else { return savedByteSeconds }
        return savedByteSeconds + Double(lastResidentBytes) * Double((now - endedAt).wholeMilliseconds) / 1000
    }
}
