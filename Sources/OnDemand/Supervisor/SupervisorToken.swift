/// The sockets and timers of the supervisor. The index is that of the `BackendID`.
enum SupervisorToken: UInt8, OwnedKind {
    case output, errors, probe, notification
    /// Exits and ends of process trees that are looked for in another turn.
    case trees

    static var owner: Owner { .supervisor }
}

enum SupervisorTimer: UInt8, OwnedKind {
    case startup, idle, stopStep, backoff
    case probe
    case startupSlow
    case startDelay
    /// The guard is to be started, updated or released.
    case processGuard

    static var owner: Owner { .supervisor }

    init(_ timer: BackendTimer) {
        self =
            switch timer {
            case .startup: .startup
            case .idle: .idle
            case .stopStep: .stopStep
            case .backoffTimer: .backoff
            }
    }
}

extension Owner {
    static var supervisor: Owner { Owner(number: 3) }
}

extension TimerKey {
    static func backend(_ id: BackendID, _ timer: BackendTimer) -> TimerKey {
        TimerKey(SupervisorTimer(timer), index: id.index)
    }
    static func probe(_ id: BackendID) -> TimerKey { TimerKey(SupervisorTimer.probe, index: id.index) }
    static func startupSlow(_ id: BackendID) -> TimerKey { TimerKey(SupervisorTimer.startupSlow, index: id.index) }
    static func startDelay(_ id: BackendID) -> TimerKey { TimerKey(SupervisorTimer.startDelay, index: id.index) }
    static var processGuard: TimerKey { TimerKey(SupervisorTimer.processGuard) }
}

extension Supervisor {
    func ready(_ token: Token, _ readiness: Readiness) {
        let id = BackendID(index: token.index)
        switch SupervisorToken(token) {
        case .output, .errors:
            generations.outputReady(token, isResumed: readiness.isEmpty) { id in
                guard let backend = backends[id], let result = generations.printed(backend) else { return }
                driver.dispatch(backend, result)
            }
        case .probe:
            guard let backend = backends[id] else { return }
            generations.probeReady(token, backend) { driver.dispatch(backend, $0) }
        case .notification:
            guard let backend = backends[id] else { return }
            generations.notificationReady(token, backend) { driver.dispatch(backend, $0) }
        case .trees: reapChildren()
        }
    }

    func timerFired(_ key: TimerKey) {
        let id = BackendID(index: key.index)
        switch SupervisorTimer(key) {
        case .startup: driver.dispatch(known(id), .timerFired(.startup))
        case .idle: driver.dispatch(known(id), .timerFired(.idle))
        case .stopStep: driver.dispatch(known(id), .timerFired(.stopStep))
        case .backoff: driver.dispatch(known(id), .timerFired(.backoffTimer))
        case .probe:
            guard let backend = backends[id], let result = generations.probe(backend, .timeReached) else { return }
            driver.dispatch(backend, result)
        case .startupSlow: if let backend = backends[id] { generations.logSlowStartup(of: backend) }
        case .startDelay: startDelayEnded(known(id))
        case .processGuard: trees.settleGuard()
        }
    }

    /// An operator may have stopped the backend meanwhile, or a reload may have changed when it starts.
    private func startDelayEnded(_ backend: SupervisedBackend) {
        guard backend.machine.policy.alwaysOn, backend.machine.standing == .usual else { return }
        driver.dispatch(backend, .startRequested)
    }
}
