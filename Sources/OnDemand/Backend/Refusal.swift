/// Why a queued request is rejected: a closed set, so that every rejection has a name.
indirect enum Refusal: Equatable, Sendable {
    /// The backend did not become ready within its startup timeout.
    case startTimedOut(after: Duration)
    /// The backend exited before it was ready.
    case exitedEarly(Exit)
    /// The process could not be started.
    case spawnFailed(SystemError)
    /// A foreign process accepts connections at the backend's address.
    case addressTaken
    /// A dependency could not be made ready: its name and reason.
    case dependencyFailed(String, Refusal)
    /// A failure, with a backoff until the next start.
    case backoff(reason: String)
    case queueFull(limit: Int)
    /// It is asleep, and `wake_on` does not allow this request to wake it.
    case wakeNotAllowed
    /// It is asleep, and `min_sleep` is not over.
    case minSleep
    case disabled
    /// An operator stopped it during its start.
    case stopped
    case shuttingDown
    /// The stop plan is over and processes are left, so no start can follow.
    case stopTimedOut
    /// The process or the machine has no descriptor or memory for a connection.
    case resourcesExhausted
    /// The service has reached `max_connections`.
    case tooManyConnections(limit: Int)

    /// Retry-After during a shutdown: a service manager has usually restarted the daemon by then.
    static let shutdownRetry: Duration = .seconds(5)
    /// Retry-After for requests that are not allowed to wake.
    static let asleepRetry: Duration = .seconds(30)

    /// Retry delay of a backend whose dependency only an operator can enable.
    static let dependencyRetry: Duration = .seconds(5)
    /// Retry-After where resources are freed by closing connections.
    static let resourcesExhaustedRetry: Duration = .seconds(1)

    /// Retry-After at `max_connections`: requests end soon, tunnels may not.
    static let connectionLimitRetry: Duration = .seconds(1)

    /// The fixed Retry-After; nil where the backend's timers determine it, or where it is disabled.
    var usualRetry: Duration? {
        switch self {
        case .shuttingDown: Self.shutdownRetry
        case .wakeNotAllowed: Self.asleepRetry
        case .stopTimedOut: Limits.overdueStopRetry
        case .disabled: nil
        default: .seconds(1)
        }
    }

    /// Whether only an operator can end the cause.
    var needsOperator: Bool {
        switch self {
        case .disabled: true
        case .dependencyFailed(_, let refusal): refusal.needsOperator
        default: false
        }
    }

    /// The stable word of a refusal, for logs and counters.
    enum Reason: String, CaseIterable, Sendable {
        // A failed start.
        case startTimedOut = "start_timed_out"
        case exitedEarly = "exited_early"
        case spawnFailed = "spawn_failed"
        case addressTaken = "address_taken"
        case dependencyFailed = "dependency_failed"
        // Other causes.
        case backoff
        case queueFull = "queue_full"
        case wakeNotAllowed = "wake_not_allowed"
        case minSleep = "min_sleep"
        case disabled, stopped
        case shuttingDown = "shutting_down"
        case stopTimedOut = "stop_timed_out"
        case resourcesExhausted = "resources_exhausted"
        case tooManyConnections = "too_many_connections"

        /// The reasons of failed starts.
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

    /// A short sentence for the client, without details of the machine.
    var sentence: String {
        switch self {
        case .startTimedOut(let limit): "did not become ready within \(limit.shortText)"
        case .exitedEarly: "exited before it was ready"
        case .spawnFailed: "could not be started"
        case .addressTaken: "could not be started: its address is in use"
        case .dependencyFailed(let name, let refusal): "requires \(name), which \(refusal.sentence)"
        case .backoff(let reason): "\(reason); the next start is due shortly"
        case .queueFull(let limit): "is starting, and its queue is full (\(limit) requests)"
        case .wakeNotAllowed: "is asleep, and this request is not allowed to wake it"
        case .minSleep: "is asleep and cannot be woken yet"
        case .disabled: "is disabled"
        case .stopped: "was stopped by its operator"
        case .shuttingDown: "is shutting down"
        case .stopTimedOut: "is still stopping: its processes do not exit"
        case .resourcesExhausted: "cannot be reached: too many connections are open"
        case .tooManyConnections(let limit): "has reached its limit of \(limit) connections"
        }
    }
}

extension Duration {
    /// The duration in the notation of the configuration: `250ms`, `30s`, `15m`, `1h30m`.
    var shortText: String {
        let milliseconds = wholeMilliseconds
        guard milliseconds % 1000 == 0, milliseconds > 0 else { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        let parts = [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")]
        return parts.filter { $0.0 > 0 }.map { "\($0.0)\($0.1)" }.joined()
    }
}
