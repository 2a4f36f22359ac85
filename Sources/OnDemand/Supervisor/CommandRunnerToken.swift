/// The terminals and timers of runs. The index is the slot of the run.
enum CommandRunnerToken: UInt8, OwnedKind {
    case terminal

    static var owner: Owner { .commandRunner }
}

enum CommandRunnerTimer: UInt8, OwnedKind {
    case timeout, stopStep, kill, output

    static var owner: Owner { .commandRunner }

    init(_ timer: RunTimer) {
        self =
            switch timer {
            case .timeout: .timeout
            case .stopStep: .stopStep
            case .kill: .kill
            case .output: .output
            }
    }

    /// What the machine of the run calls it.
    var ofRun: RunTimer {
        switch self {
        case .timeout: .timeout
        case .stopStep: .stopStep
        case .kill: .kill
        case .output: .output
        }
    }
}

extension Owner {
    static var commandRunner: Owner { Owner(number: 9) }
}

extension TimerKey {
    static func run(_ slot: Int, _ timer: RunTimer) -> TimerKey {
        TimerKey(CommandRunnerTimer(timer), index: slot)
    }
}

extension CommandRunner {
    func timerFired(_ key: TimerKey) { timerFired(key.index, CommandRunnerTimer(key).ofRun) }
}
