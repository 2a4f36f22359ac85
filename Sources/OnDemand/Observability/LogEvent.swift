/// The words of the log, one per thing that happens: stable, so that people can search and machines can count.
enum LogEvent: String, CaseIterable, Sendable {
    // The daemon itself.
    case listening
    case shuttingDown = "shutting_down"
    case hurrying, bye
    case reloaded
    case reloadFailed = "reload_failed"
    case listenerPaused = "listener_paused"
    case listenerResumed = "listener_resumed"
    case listenerClosed = "listener_closed"
    case socketUnused = "socket_unused"
    case signalIgnored = "signal_ignored"
    case systemTrouble = "system_trouble"
    case linesDropped = "lines_dropped"
    case logReopened = "log_reopened"
    case orphanEnded = "orphan_ended"
    case processTreeLimited = "process_tree_limited"
    case guardFailed = "guard_failed"
    case historyIgnored = "history_ignored"
    case historyNotSaved = "history_not_saved"
    // A backend's life.
    case ordered
    case started, ready
    case firstHit = "first_hit"
    case idle, stopping, stopped
    case slowStart = "slow_start"
    case startFailed = "start_failed"
    case crashed
    case listenerLost = "listener_lost"
    case signalRefused = "signal_refused"
    case stopTimedOut = "stop_timed_out"
    case coolingDown = "cooling_down"
    case stranger, output
    // Clients.
    case held, refused
    case tunnelOpened = "tunnel_opened"
    case tunnelClosed = "tunnel_closed"
    case connectionAborted = "connection_aborted"
    case badRequest = "bad_request"
    case unauthorized
    case upstreamTrouble = "upstream_trouble"

    var level: LogLevel {
        switch self {
        case .startFailed, .crashed, .systemTrouble, .reloadFailed, .stopTimedOut, .listenerClosed: .error
        case .slowStart, .listenerLost, .signalRefused, .stranger, .upstreamTrouble, .listenerPaused, .coolingDown,
            .linesDropped, .signalIgnored, .socketUnused, .orphanEnded, .processTreeLimited,
            .guardFailed, .historyIgnored, .historyNotSaved, .unauthorized:
            .warning
        case .listening, .logReopened, .listenerResumed, .shuttingDown, .hurrying, .bye, .reloaded, .ordered, .started,
            .ready,
            .firstHit, .idle, .stopping, .stopped, .output, .refused, .connectionAborted:
            .info
        case .held, .tunnelOpened, .tunnelClosed, .badRequest: .debug
        }
    }
}

/// What a log line says besides its word.
enum LogValue: Equatable, Sendable {
    case text(String)
    case number(Int64)
}

/// A name and what it is; order is kept in the line.
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
