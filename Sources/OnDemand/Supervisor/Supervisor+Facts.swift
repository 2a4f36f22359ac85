/// What the status page wants to know of a backend; read when somebody asks.
extension Supervisor {
    func describe(_ id: BackendID, in service: inout Snapshot.Service) {
        guard let backend = inOrder.first(where: { $0.id == id }) else { return }
        let now = kernel.now()
        service.state = StateWord(backend.machine.state).rawValue
        service.stateAge = now - backend.history.stateSince
        service.generation = backend.machine.generation.number
        service.process = backend.child?.process
        service.residentBytes = backend.child.flatMap { kernel.residentBytes(of: $0.process) }
        // Nobody but other backends is inside of a process.
        if backend.kind == .process { service.open = backend.gate.leases }
        service.waiting = backend.machine.waitingCount
        service.starts = backend.history.starts
        service.lastBoot = backend.history.lastBoot
        service.lastExit = backend.history.lastExit
        service.lastFailure = backend.history.lastFailure
        service.idleTimeout = backend.machine.policy.alwaysOn ? nil : backend.machine.policy.idleTimeout
    }
}
