/// Values of a backend for the status, read on request.
extension Supervisor {
    /// Empty for an unmanaged service.
    func states(of id: BackendID) -> StateHistory { backends[id]?.history.day ?? StateHistory() }

    func restore(_ day: StateHistory, of id: BackendID) { backends[id]?.history.restore(day) }

    /// The last lines that its processes have printed.
    func lastOutput(of id: BackendID) -> [String] { generations.lastOutput(of: id) }

    /// Its last measured size. nil: never measured.
    func residentBytes(of id: BackendID) -> Int? { backends[id]?.history.memory.lastResidentBytes }

    func describe(_ id: BackendID, in service: inout Snapshot.Service) {
        guard let backend = backends[id] else { return }
        let resident = backend.child.flatMap { kernel.residentBytes(of: $0.process) }
        backend.history.recordResidentBytes(resident)
        backend.describe(in: &service, residentBytes: resident, at: kernel.now())
    }
}

extension SupervisedBackend {
    fileprivate func describe(in service: inout Snapshot.Service, residentBytes: Int?, at now: Instant) {
        let (standing, memory) = (machine.standing, history.memory)
        service.state = publicState
        service.isPinned = standing == .pinned
        service.stateAge = now - history.stateSince
        service.generation = machine.generation.number
        service.process = child?.process
        service.remaining = (child?.remaining ?? []).map(\.shown)
        service.residentBytes = residentBytes
        // Only other backends have leases on a process.
        if kind == .process { service.open = gate.leases }
        service.timeAlive = memory.timeAlive(at: now)
        service.savedByteSeconds = memory.saved(at: now)
        service.wakes = history.wakes.all
        service.failedStarts = Refusal.Reason.ofStarts.map {
            .init(name: $0.rawValue, count: history.failedStarts[$0])
        }
        service.crashes = history.crashes
        service.startups = history.startupHistogram
        service.queuedRequests = machine.queueLength
        service.starts = history.starts
        service.lastStartup = history.lastStartup
        service.recentStartups = history.startups.recent
        service.lastWake = history.lastWake.map { wake in
            .init(
                cause: wake.cause.rawValue, age: now - wake.at, address: wake.visitor?.address,
                path: wake.visitor?.path, agent: wake.visitor?.agent)
        }
        service.lastExit = history.lastExit
        service.lastExitCause = history.lastExitCause
        service.lastFailure = history.lastFailure
        let staysAwake = machine.policy.alwaysOn || standing == .pinned
        service.idleTimeout = staysAwake ? nil : machine.policy.idleTimeout
    }
}
