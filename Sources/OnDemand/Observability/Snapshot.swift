/// A plain copy of states and counters, for status and metrics: taken when somebody asks, never kept up to date.
struct Snapshot: Equatable {
    struct Service: Equatable {
        /// A service has routes; a managed process is only required by others.
        enum Kind: String { case service, process }

        var name: String
        var kind = Kind.service
        var state: BackendState
        /// How long it has been so.
        var stateAge: Duration
        var paths: [String] = []
        var webSocket = false
        /// The names of what is ready before it starts.
        var requires: [String] = []
        var generation: UInt32 = 0
        var process: ProcessID?
        var residentBytes: Int?
        /// The processes that are left although the stop plan is over, as `1234 (ruby)`.
        var remaining: [String] = []
        /// Requests and tunnels in progress.
        var open = 0
        var queuedRequests = 0
        var starts = 0
        var lastStartup: Duration?
        /// Of its last starts, the latest last.
        var recentStartups: [Duration] = []
        var lastWake: Wake?
        var lastExit: String?
        /// Why it was ended, or ended: idle, ordered, shutdown or failure.
        var lastExitCause: String?
        /// Of the last start, or of the life that followed; gone once a later start has succeeded.
        var lastFailure: FailureReport?
        var idleTimeout: Duration?
        /// Of its tunnels, since the daemon began.
        var traffic = Traffic()
        /// An operator keeps it awake.
        var isPinned = false
        /// How often it was started for what.
        var wakes: [Count] = []
        /// How long it had a process since the daemon began; nil where it is not ours to run.
        var timeAlive: Duration?
        /// The memory that it would have held while it had none, by what it held just before it was last stopped.
        var savedByteSeconds: Double?
        /// Those of `open` that are tunnels.
        var openTunnels = 0
        /// Requests that had to wait for it.
        var queuedRequestsTotal = 0
        /// What is counted of refusals, in the order of their reasons.
        var refused: [Count] = []
        var failedStarts: [Count] = []
        /// nil where it is not ours to run, as with its boots.
        var crashes: Int?
        var startups: StartupHistogram?

        /// What it was last started for. A client is known by its address, path and agent.
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
    /// Where clients connect, as bound.
    var listening: [String]
    var services: [Service]
    /// It was told to end, and takes no clients any more.
    var isShuttingDown = false
    /// Whether the status listener takes orders.
    var commandsEnabled = false
    var reloads = Reloads()
    /// Connections that were only told that there are too many, or not even that.
    var rejected = 0
    /// Answers that clients got from the daemon instead of a backend, by status; without 503, which has reasons.
    var localReplies: [Count] = []

    /// How often the configuration was read again, with what outcome.
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
    /// The part of this time that it had a process.
    func share(of uptime: Duration) -> Double? {
        timeAlive.map { uptime > .zero ? min(1, $0 / uptime) : 0 }
    }

    var savedMegabyteHours: Double? { savedByteSeconds.map { $0 / 1_000_000 / 3600 } }
}

/// Who can make one.
protocol StatusSource: AnyObject {
    func snapshot() -> Snapshot
    /// The last 24 hours of each service.
    func history() -> [ServiceHistory]
}
