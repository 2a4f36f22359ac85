/// A plain copy of states and counters, for status and metrics: taken when somebody asks, never kept up to date.
struct Snapshot: Equatable {
    struct Service: Equatable {
        var name: String
        /// disabled, asleep, starting, ready, stopping, cooling_down, external or retired.
        var state: String
        /// How long it has been so.
        var stateAge: Duration
        var paths: [String]
        var webSocket: Bool
        var generation: UInt32
        var process: ProcessID?
        var residentBytes: Int?
        /// Requests and tunnels in progress.
        var open: Int
        var waiting: Int
        var starts: Int
        var lastBoot: Duration?
        var lastExit: String?
        var lastFailure: String?
        var idleTimeout: Duration?
    }

    var version: String
    var uptime: Duration
    var residentBytes: Int?
    /// Where clients connect, as bound.
    var listening: [String]
    var services: [Service]
}

/// Who can make one.
protocol StatusSource: AnyObject {
    func snapshot() -> Snapshot
}
