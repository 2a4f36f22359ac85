/// Values of a backend for the status, read on request.
extension Supervisor {
    /// Empty for an unmanaged service.
    func states(of id: BackendID) -> StateHistory { backends[id]?.history.day ?? StateHistory() }

    func restore(_ day: StateHistory, of id: BackendID) { backends[id]?.history.day = day }

    func describe(_ id: BackendID, in service: inout Snapshot.Service) {
        guard let backend = backends[id] else { return }
        let now = kernel.now()
        let (standing, memory) = (backend.machine.standing, backend.history.memory)
        service.state = backend.publicState
        service.isPinned = standing == .pinned
        service.stateAge = now - backend.history.stateSince
        service.generation = backend.machine.generation.number
        service.process = backend.child?.process
        service.remaining = (backend.child?.remaining ?? []).map(\.shown)
        service.residentBytes = backend.child.flatMap { kernel.residentBytes(of: $0.process) }
        // Only other backends have leases on a process.
        if backend.kind == .process { service.open = backend.gate.leases }
        backend.history.memory.recordResidentBytes(service.residentBytes)
        service.timeAlive = memory.timeAlive(at: now)
        service.savedByteSeconds = memory.saved(at: now)
        service.wakes = backend.history.wakes.all
        service.failedStarts = Refusal.Reason.ofStarts.map {
            .init(name: $0.rawValue, count: backend.history.failedStarts[$0])
        }
        service.crashes = backend.history.crashes
        service.startups = backend.history.startupHistogram
        service.queuedRequests = backend.machine.queueLength
        service.starts = backend.history.starts
        service.lastStartup = backend.history.lastStartup
        service.recentStartups = backend.history.startups.recent
        service.lastWake = backend.history.lastWake.map { wake in
            .init(
                cause: wake.cause.rawValue, age: now - wake.at, address: wake.visitor?.address,
                path: wake.visitor?.path, agent: wake.visitor?.agent)
        }
        service.lastExit = backend.history.lastExit
        service.lastExitCause = backend.history.lastExitCause
        service.lastFailure = backend.history.lastFailure
        let staysAwake = backend.machine.policy.alwaysOn || standing == .pinned
        service.idleTimeout = staysAwake ? nil : backend.machine.policy.idleTimeout
    }
}

extension SupervisedBackend {
    var isStarting: Bool { if case .starting = machine.state { true } else { false } }

    /// State shown by the status, the metrics and the history.
    var publicState: BackendState {
        machine.standing == .disabled && machine.state == .asleep ? .disabled : machine.state.name
    }
}

extension BackendMachine.State {
    /// The state without its data.
    var name: BackendState {
        switch self {
        case .asleep: .asleep
        case .starting: .starting
        case .awake: .awake
        case .stopping: .stopping
        case .backoff: .backoff
        case .shuttingDown: .shuttingDown
        }
    }
}

extension BackendMachine.StopCause {
    /// For the status.
    var word: String {
        switch self {
        case .idle: "idle"
        case .command: "command"
        case .shutdown: "shutdown"
        case .failure: "failure"
        }
    }
}
