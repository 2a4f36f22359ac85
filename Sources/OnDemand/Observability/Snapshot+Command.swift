/// The part of a snapshot that is about commands and their runs.
extension Snapshot {
    /// A command as the status, the metrics and the page show it. Counters begin with the daemon, or with the command.
    struct Command: Equatable {
        var name: String
        var path: String
        /// Name of the cable whose clients get the output.
        var cable: String
        /// Names of the parameters that a request has.
        var parameters: [String] = []
        var maximumRunning = 1
        var counters = Counters()
        /// Oldest first; those that are being stopped too.
        var running: [Run] = []
        /// Runs that have ended and are still known, the latest first.
        var last: [Run] = []

        struct Counters: Equatable {
            /// Runs that were accepted, those without a process too.
            var started: UInt64 = 0
            /// Ended with status 0.
            var succeeded: UInt64 = 0
            /// Ended by themselves with another status, or by a signal that the daemon had not sent.
            var failed: UInt64 = 0
            var timedOut: UInt64 = 0
            /// Stopped by a request, an operator, or the daemon's shutdown.
            var stopped: UInt64 = 0
            var spawnFailed: UInt64 = 0
            /// Requests that started nothing, by `RunRejection`.
            var rejected: [Count] = []
        }
    }

    /// One execution of a command.
    struct Run: Equatable {
        enum State: String, CaseIterable {
            case running
            /// Its stop plan has begun.
            case stopping
            case ended
        }

        var id: String
        /// Wall clock, in seconds since 1970.
        var startedAt: Int64
        /// Since the start; of an ended run from its start to its end.
        var duration: Duration
        var state = State.running
        /// Of the process that the daemon started; nil while it runs, and where none was started.
        var exit: Exit?
        /// nil until it has ended.
        var ending: RunEnding?
        /// Bytes that the program has written.
        var outputBytes: UInt64 = 0
        /// Its processes that are left when its stop is overdue, in words.
        var remaining: [String] = []

        var hasSucceeded: Bool { exit == .status(0) && ending == .exited }

        /// Of an ended run, in words such as `status 1` or `timed out`.
        var result: String {
            switch ending {
            case .exited, .killed: exit.map { "\($0)" } ?? "unknown"
            case .timedOut: "timed out"
            case .stopped: "stopped"
            case .shutdown: "stopped by the shutdown"
            case .spawnFailed: "not started"
            case nil: state.rawValue
            }
        }
    }
}

/// How a run has ended.
enum RunEnding: String, CaseIterable, Sendable {
    /// By itself, with any status.
    case exited
    case timedOut = "timed_out"
    /// By a request or an operator.
    case stopped
    case shutdown
    case spawnFailed = "spawn_failed"
    /// By a signal that the daemon had not sent.
    case killed
}

/// Why a request started no run.
enum RunRejection: String, CaseIterable, Sendable {
    /// `max_running` was reached.
    case busy
    /// The key was missing or wrong.
    case unauthorized
    /// The body was not an object of exactly the declared parameters.
    case invalid
    case tooLarge = "too_large"
    case shutdown
}
