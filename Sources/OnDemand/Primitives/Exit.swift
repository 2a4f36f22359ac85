/// The exit of a process (waitid(2)).
enum Exit: Equatable, Sendable {
    case status(Int32)
    case signal(Int32)
}

extension Exit: CustomStringConvertible {
    var description: String {
        switch self {
        case .status(let code): "status \(code)"
        case .signal(let number): "signal \(number)"
        }
    }

    /// The value of a log field: the status, or the signal.
    var word: String {
        switch self {
        case .status(let code): "\(code)"
        case .signal(let number): "signal \(number)"
        }
    }
}
