/// How much the log tells, from least to most.
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

    /// The number that syslog(3) and the journal have for it.
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

/// Lines for people or for machines.
enum LogFormat: String, Sendable, CaseIterable {
    /// For the journal where that reads standard error, else for people.
    case auto
    case text, json
    /// As journald wants them: with a priority in front, and without a time, which it has itself (sd-daemon(3)).
    case journal
}
