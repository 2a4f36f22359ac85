/// One backend as the supervisor sees it: its machine, its gate and its current process.
///
/// Each field has one writer: this class, by a function, or the part that its comment names. What another part knows of
/// a backend (its removal, its pending operations) is kept there, by the backend's ID.
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
    /// Address of the current or last generation. Set by `GenerationDriver`.
    var address: SocketAddress?
    /// Delay of an always-on start after the start of the daemon.
    let startDelay: Duration
    private(set) var command: LaunchCommand
    /// Definition from the next start on. nil: unchanged.
    private(set) var next: Definition?
    let gate: BackendGate
    private(set) var machine: BackendMachine
    /// Set by `GenerationDriver`. nil: no process.
    var child: Child?
    /// Written by `GenerationDriver`.
    var history = BackendHistory()

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

    /// The command of this start: with the port in the places that name it.
    var launchCommand: LaunchCommand { toldPort.map(command.told) ?? command }

    /// The port that this start is told. nil: none.
    var toldPort: UInt16? { command.isToldItsPort ? address?.port : nil }

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

    /// Applies an event to the machine. Returns the effects, which the caller performs.
    func apply(_ event: BackendMachine.Event, at now: Instant, jitter: Double) -> [BackendMachine.Effect] {
        machine.apply(event, at: now, jitter: jitter)
    }

    /// Applies at once, because it does not depend on the process.
    func setCloseTiming(closeJitter: Duration, drainTimeout: Duration) {
        machine.update(closeJitter: closeJitter, drainTimeout: drainTimeout)
    }

    /// Sets the definition of the next start.
    func redefine(as definition: Definition) { next = definition }

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

    /// Whether its start waits for the backends that it requires.
    var awaitsDependencies: Bool {
        guard case .starting(let start) = machine.state else { return false }
        return start.phase == .awaitingDependencies
    }

    /// Whether the leader has exited and others of its tree may remain.
    var awaitsTree: Bool {
        guard case .stopping = machine.state else { return false }
        return child?.exit != nil
    }

    /// State shown by the status, the metrics and the history.
    var publicState: BackendState {
        machine.standing == .disabled && machine.state == .asleep ? .disabled : machine.state.name
    }
}
