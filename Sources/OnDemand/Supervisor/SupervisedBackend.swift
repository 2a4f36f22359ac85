/// One backend as the supervisor sees it: its machine, its gate and its current process.
final class SupervisedBackend {
    enum Kind: String {
        /// Serves clients of the proxy.
        case service
        /// Serves only other backends.
        case process
    }

    let id: BackendID
    let kind: Kind
    let name: String
    /// Configured address. Port 0: another port for each start. nil: ready as soon as it runs.
    private(set) var target: SocketAddress?
    /// Address of the current or last generation.
    var address: SocketAddress?
    /// The listening socket that its processes inherit, owned by the daemon for its whole life.
    var listener: Descriptor?
    /// Delay of an always-on start after the start of the daemon.
    let startDelay: Duration
    private(set) var command: LaunchCommand
    /// Definition from the next start on. nil: unchanged.
    var next: Definition?
    /// Its start waits until another backend's process has released the address.
    var waitsForAddress = false
    /// Removed from the configuration.
    var isRemoved = false
    let gate: BackendGate
    var machine: BackendMachine
    var child: Child?
    var probe = ProbeMachine()
    /// nil: the probe has no connection.
    var probeConnection: ProbeConnection?
    var history = History()
    /// Leases on required backends while it runs, one per name in `requires`.
    var dependencies: [DependencyLease] = []
    /// `shutdownRequested` was dispatched.
    var shutdownSent = false
    var tail = OutputTail()
    /// Commands whose result a connection waits for.
    var commands: [PendingCommand] = []

    /// Parameters of a start. A process keeps those it was started with.
    struct Definition {
        let target: SocketAddress?
        let command: LaunchCommand
        let policy: BackendPolicy
    }

    struct Child {
        let process: ProcessID
        let spawnedAt: Instant
        /// Time of the first readiness. nil: not ready yet.
        var readyAt: Instant?
        /// Time at which its listener was last found missing. nil: never.
        var lostListenerAt: Instant?
        var output: OutputPipe
        var errors: OutputPipe
        /// Socket for READY=1. nil: another readiness check applies.
        var notifySocket: Descriptor?
        /// Exit of the leader once it is reaped. Other processes of the tree may still run.
        var exit: Exit?
        var lastSignal: StopSignal?
        /// The last signal before the exit. nil: the process ended by itself.
        var endedBy: StopSignal?
        /// A signal to a process of the tree was denied.
        var refusesSignals = false
        /// Processes that are alive when the stop is overdue, as of the last retry. nil: not overdue.
        var remaining: [ProcessDescription]?
    }

    struct OutputPipe {
        /// nil: closed.
        var descriptor: Descriptor?
        var lines = OutputLines()
        /// The pipe is readable and waits for its share of a turn.
        var isQueued = false
    }

    /// The connection of a probe.
    struct ProbeConnection {
        let descriptor: Descriptor
        var isWatched = false
        /// Bytes that the socket has not taken yet.
        var unsent: ArraySlice<UInt8> = []
    }

    /// A lease of one backend on another that it requires. Requested with a ticket, like a client's.
    struct DependencyLease {
        enum State: Equatable {
            case asked
            case held(Generation)
            /// Ended or refused. The backend does not wait for it.
            case lost
        }
        let required: SupervisedBackend
        /// Ticket of this request. A reply with an earlier ticket is ignored.
        var ticket: Ticket
        var state = State.asked
    }

    /// The cause of a start, with the client if there is one.
    struct Wake {
        let cause: WakeCause
        let visitor: ClientInfo?
        let at: Instant
    }

    /// Counters and last events for the status.
    struct History {
        var starts = 0
        var wakes = Counters<WakeCause>()
        var failedStarts = Counters<Refusal.Reason>()
        var crashes = 0
        /// The first cause of the next start. nil: none is expected.
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
        /// Cause of the current or last stop.
        var stopCause: BackendMachine.StopCause?
        var lastFailure: FailureReport?

        mutating func processStarted(at now: Instant) {
            starts += 1
            memory.processStarted(at: now)
        }
    }

    /// The command of this start: with the port in the places that name it.
    var launchCommand: LaunchCommand {
        guard command.isToldItsPort, let port = address?.port else { return command }
        return command.told(port)
    }

    /// Whether each start gets another port.
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

    /// Applies the pending definition between two generations.
    func applyPendingDefinition() {
        guard let next else { return }
        self.next = nil
        // The daemon's own socket may still be at the last address.
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
