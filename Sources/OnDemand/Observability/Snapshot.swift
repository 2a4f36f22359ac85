/// A copy of states and counters for status and metrics, made on request.
struct Snapshot: Equatable {
    struct Service: Equatable {
        /// A service has routes; a managed process is required by others.
        enum Kind: String { case service, process }

        var name: String
        var kind = Kind.service
        var state: BackendState
        /// Time in the current state.
        var stateAge: Duration
        var paths: [String] = []
        var webSocket = false
        /// Names of its dependencies.
        var requires: [String] = []
        var generation: UInt32 = 0
        var process: ProcessID?
        var residentBytes: Int?
        /// Processes that are left after the stop plan, as `1234 (ruby)`.
        var remaining: [String] = []
        /// Requests and tunnels in progress.
        var open = 0
        var queuedRequests = 0
        var starts = 0
        var lastStartup: Duration?
        /// Durations of recent startups, oldest first.
        var recentStartups: [Duration] = []
        var lastWake: Wake?
        var lastExit: String?
        /// Cause of the last exit: idle, command (an operation), shutdown or failure; nil before the first exit.
        var lastExitCause: String?
        /// Failure of the last start or of the generation that followed; nil after a later success.
        var lastFailure: FailureReport?
        var idleTimeout: Duration?
        /// Traffic of its tunnels since the daemon's start.
        var traffic = Traffic()
        /// Whether an operator pinned it.
        var isPinned = false
        /// Number of starts by cause.
        var wakes: [Count] = []
        /// Time with a process since the daemon's start; nil for an unmanaged service.
        var timeAlive: Duration?
        /// Memory that it would have used while it had no process, by its size before the last stop; nil where unknown.
        var savedByteSeconds: Double?
        /// The tunnels among `open`.
        var openTunnels = 0
        /// Requests that were queued since the daemon's start.
        var queuedRequestsTotal = 0
        /// Refusals by reason.
        var refused: [Count] = []
        var failedStarts: [Count] = []
        /// nil for an unmanaged service, as with its startups.
        var crashes: Int?
        var startups: StartupHistogram?

        /// The cause of the last start; a client is described by address, path and agent.
        struct Wake: Equatable {
            let cause: String
            let age: Duration
            var address: String?
            var path: String?
            var agent: String?
        }
    }

    struct Count: Equatable {
        let name: String
        let count: Int
    }

    var version: String
    var uptime: Duration
    var residentBytes: Int?
    /// Bound addresses of the listeners.
    var listening: [String]
    var services: [Service]
    var cables: [Cable] = []
    var commands: [Command] = []
    /// Whether the daemon is shutting down and accepts no clients.
    var isShuttingDown = false
    /// Whether the status listener accepts operations.
    var operationsEnabled = false
    var reloads = Reloads()
    /// Connections rejected because of a limit.
    var rejected = 0
    /// Local replies by status, without 503, which is counted by reason.
    var localReplies: [Count] = []

    /// Reloads by outcome.
    struct Reloads: Equatable {
        var done = 0
        var refused = 0
        var lastWasRefused = false

        mutating func note(wasRefused: Bool) {
            if wasRefused { refused += 1 } else { done += 1 }
            lastWasRefused = wasRefused
        }
    }
}

extension Snapshot.Service {
    /// Returns the share of this time with a process.
    func share(of uptime: Duration) -> Double? {
        timeAlive.map { uptime > .zero ? min(1, $0 / uptime) : 0 }
    }

    var savedMegabyteHours: Double? { savedByteSeconds.map { $0 / 1_000_000 / 3600 } }
}
