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
        switch SupervisorToken(token) {
        case .output, .errors: outputReady(token, isResumed: readiness.isEmpty)
        case .probe: probeReady(token)
        case .notification: notificationReady(token)
        case .trees: reapChildren()
        }
    }

    func timerFired(_ key: TimerKey) {
        let id = BackendID(index: key.index)
        switch SupervisorTimer(key) {
        case .startup: dispatch(known(id), .timerFired(.startup))
        case .idle: dispatch(known(id), .timerFired(.idle))
        case .stopStep: dispatch(known(id), .timerFired(.stopStep))
        case .backoff: dispatch(known(id), .timerFired(.backoffTimer))
        case .probe: probeTimerFired(id)
        case .startupSlow: logSlowStartup(id)
        case .startDelay: startDelayIsOver(id)
        case .processGuard: trees.settleGuard()
        }
    }
}
