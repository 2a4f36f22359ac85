/// The event names of the log; stable, so that they can be searched and counted.
enum LogEvent: String, CaseIterable, Sendable {
    // The daemon.
    case listening
    case shuttingDown = "shutting_down"
    case forcedShutdown = "forced_shutdown"
    case exited
    case reloaded
    case reloadFailed = "reload_failed"
    case listenerPaused = "listener_paused"
    case listenerResumed = "listener_resumed"
    case listenerClosed = "listener_closed"
    case socketUnused = "socket_unused"
    case signalIgnored = "signal_ignored"
    case systemError = "system_error"
    case logLinesDropped = "log_lines_dropped"
    case logReopened = "log_reopened"
    case orphanKilled = "orphan_killed"
    case processTreeLimited = "process_tree_limited"
    case guardFailed = "guard_failed"
    case historyUnreadable = "history_unreadable"
    case historyWriteFailed = "history_write_failed"
    // Backends.
    case command
    case started, ready
    case firstRequest = "first_request"
    case idle, stopping, stopped
    case startupSlow = "startup_slow"
    case startFailed = "start_failed"
    case crashed
    case listenerLost = "listener_lost"
    case signalRefused = "signal_refused"
    case stopTimedOut = "stop_timed_out"
    case backoff
    case addressConflict = "address_conflict"
    case output
    // Commands.
    case runStarted = "run_started"
    case runEnded = "run_ended"
    /// The program of a run could not be started.
    case runFailed = "run_failed"
    // Cables.
    case redisUnreachable = "redis_unreachable"
    case redisConnected = "redis_connected"
    case redisRefused = "redis_refused"
    // Clients.
    case queued, refused
    case tunnelOpened = "tunnel_opened"
    case tunnelClosed = "tunnel_closed"
    case connectionAborted = "connection_aborted"
    /// A cable's client was asked to reconnect, because its backend cannot be reached as before.
    case clientDisconnected = "client_disconnected"
    case badRequest = "bad_request"
    case unauthorized
    case upstreamError = "upstream_error"

    var level: LogLevel {
        switch self {
        case .redisRefused, .startFailed, .runFailed, .crashed, .systemError, .reloadFailed, .stopTimedOut,
            .listenerClosed:
            .error
        case .startupSlow, .listenerLost, .signalRefused, .addressConflict, .upstreamError, .listenerPaused, .backoff,
            .logLinesDropped, .signalIgnored, .socketUnused, .orphanKilled, .processTreeLimited,
            .guardFailed, .historyUnreadable, .historyWriteFailed, .unauthorized, .redisUnreachable:
            .warning
        case .listening, .logReopened, .listenerResumed, .shuttingDown, .forcedShutdown, .exited, .reloaded, .command,
            .started,
            .ready,
            .firstRequest, .idle, .stopping, .stopped, .output, .runStarted, .runEnded, .refused, .connectionAborted,
            .clientDisconnected,
            .redisConnected:
            .info
        case .queued, .tunnelOpened, .tunnelClosed, .badRequest: .debug
        }
    }
}

/// The value of a log field.
enum LogValue: Equatable, Sendable {
    case text(String)
    case number(Int64)
}

/// A name and a value; lines keep the order of fields.
struct LogField: Equatable, Sendable {
    let name: String
    let value: LogValue

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = .text(value)
    }

    init(_ name: String, _ value: some BinaryInteger) {
        self.name = name
        self.value = .number(Int64(value))
    }
}
