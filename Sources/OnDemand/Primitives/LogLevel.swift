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

    static func < (left: LogLevel, right: LogLevel) -> Bool { left.verbosity < right.verbosity }
}

/// Lines for people or for machines.
enum LogFormat: String, Sendable, CaseIterable {
    case text, json
}
