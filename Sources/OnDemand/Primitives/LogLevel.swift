/// The levels of the log, from the fewest to the most lines.
enum LogLevel: String, Sendable, Comparable, CaseIterable {
    case error, warning, info, debug

    private var verbosity: Int {
        switch self {
        case .error: 0
        case .warning: 1
        case .info: 2
        case .debug: 3
        }
    }

    /// The priority in syslog(3) and the journal.
    var priority: Int {
        switch self {
        case .error: 3
        case .warning: 4
        case .info: 6
        case .debug: 7
        }
    }

    static func < (left: LogLevel, right: LogLevel) -> Bool { left.verbosity < right.verbosity }
}

/// The format of log lines.
enum LogFormat: String, Sendable, CaseIterable {
    /// `journal` where the journal reads standard error, else `text`.
    case auto
    case text, json
    /// For journald: with a priority prefix and without a time (sd-daemon(3)).
    case journal
}
