/// Why a waiting client is turned away: a closed set, so that every waiter gets an answer and each answer has a name.
indirect enum Refusal: Equatable, Sendable {
    /// The backend did not become ready within its startup timeout.
    case startTimedOut(after: Duration)
    /// The backend ended before it was ready.
    case exitedEarly(Exit)
    /// It could not even be started.
    case spawnFailed(SystemError)
    /// Something else already accepts connections where the backend would listen.
    case addressTaken
    /// Something that it requires could not be made ready: its name, and what is the matter with it.
    case dependencyFailed(String, Refusal)
    /// It failed a moment ago and rests until the next attempt.
    case backoff(reason: String)
    case queueFull(limit: Int)
    /// It sleeps, and this is none of the requests that may wake it (`wake_on`).
    case wakeNotAllowed
    /// It went to sleep a moment ago, and nobody may wake it yet (`min_sleep`).
    case minSleep
    case disabled
    /// An operator stopped it while it was starting.
    case stopped
    case shuttingDown
    /// Its processes do not end although the stop plan is over, so no start can follow.
    case stopTimedOut
    /// The process or the machine has no descriptor or no memory left for a connection to it.
    case resourcesExhausted
    /// As many requests and tunnels as the service may have.
    case tooManyConnections(limit: Int)

    /// A daemon that is restarted by its manager is most often back by then.
    static let shutdownRetry: Duration = .seconds(5)
    /// Who may not wake a backend can only look again whether somebody else has.
    static let asleepRetry: Duration = .seconds(30)

    /// Whoever requires what is not there looks for it again after this long; only an operator can bring it.
    static let dependencyRetry: Duration = .seconds(5)
    /// What ran out comes back when somebody leaves.
    static let resourcesExhaustedRetry: Duration = .seconds(1)

    /// Requests end quickly, tunnels some day.
    static let connectionLimitRetry: Duration = .seconds(1)

    /// Where the backend's own times say nothing about when to come back; nobody knows when it is enabled again.
    var usualRetry: Duration? {
        switch self {
        case .shuttingDown: Self.shutdownRetry
        case .wakeNotAllowed: Self.asleepRetry
        case .stopTimedOut: Limits.overdueStopRetry
        case .disabled: nil
        default: .seconds(1)
        }
    }

    /// No time that passes makes a difference, only somebody who enables something.
    var needsOperator: Bool {
        switch self {
        case .disabled: true
        case .dependencyFailed(_, let refusal): refusal.needsOperator
        default: false
        }
    }

    /// A refusal without its details: one stable word for logs and counters.
    enum Reason: String, CaseIterable, Sendable {
        // A start that led to nothing.
        case startTimedOut = "start_timed_out"
        case exitedEarly = "exited_early"
        case spawnFailed = "spawn_failed"
        case addressTaken = "address_taken"
        case dependencyFailed = "dependency_failed"
        // Anything else.
        case backoff
        case queueFull = "queue_full"
        case wakeNotAllowed = "wake_not_allowed"
        case minSleep = "min_sleep"
        case disabled, stopped
        case shuttingDown = "shutting_down"
        case stopTimedOut = "stop_timed_out"
        case resourcesExhausted = "resources_exhausted"
        case tooManyConnections = "too_many_connections"

        /// Those for which a start can lead to nothing.
        static let ofStarts: [Reason] = [
            .startTimedOut, .exitedEarly, .spawnFailed, .addressTaken, .dependencyFailed,
        ]
    }

    var reason: Reason {
        switch self {
        case .startTimedOut: .startTimedOut
        case .exitedEarly: .exitedEarly
        case .spawnFailed: .spawnFailed
        case .addressTaken: .addressTaken
        case .dependencyFailed: .dependencyFailed
        case .backoff: .backoff
        case .queueFull: .queueFull
        case .wakeNotAllowed: .wakeNotAllowed
        case .minSleep: .minSleep
        case .disabled: .disabled
        case .stopped: .stopped
        case .shuttingDown: .shuttingDown
        case .stopTimedOut: .stopTimedOut
        case .resourcesExhausted: .resourcesExhausted
        case .tooManyConnections: .tooManyConnections
        }
    }

    var word: String { reason.rawValue }

    /// A short sentence for the client: what happened, and nothing about the machine it happened on.
    var sentence: String {
        switch self {
        case .startTimedOut(let limit): "did not become ready within \(limit.shortText)"
        case .exitedEarly: "ended before it was ready"
        case .spawnFailed: "could not be started"
        case .addressTaken: "could not be started: its address is in use"
        case .dependencyFailed(let name, let refusal): "requires \(name), which \(refusal.sentence)"
        case .backoff(let reason): "\(reason); the next start is due shortly"
        case .queueFull(let limit): "is starting, and \(limit) clients already wait for it"
        case .wakeNotAllowed: "is asleep, and a request like this does not wake it"
        case .minSleep: "has just gone to sleep and cannot be woken yet"
        case .disabled: "is disabled"
        case .stopped: "was stopped by its operator"
        case .shuttingDown: "is shutting down"
        case .stopTimedOut: "is still being stopped: its processes do not end"
        case .resourcesExhausted: "cannot be connected to: too many connections are open"
        case .tooManyConnections(let limit): "has as many connections as it may have, which is \(limit)"
        }
    }
}

extension Duration {
    /// As an operator writes it: `250ms`, `30s`, `15m`, `1h30m`.
    var shortText: String {
        let milliseconds = wholeMilliseconds
        guard milliseconds % 1000 == 0, milliseconds > 0 else { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")]
        return parts.filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }
}
