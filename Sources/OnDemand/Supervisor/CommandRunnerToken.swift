/// The terminals and timers of runs. The index is the slot of the run.
enum CommandRunnerToken: UInt8, OwnedKind {
    case terminal

    static var owner: Owner { .commandRunner }
}

extension RunTimer: OwnedKind {
    static var owner: Owner { .commandRunner }
}

extension Owner {
    static var commandRunner: Owner { Owner(number: 9) }
}

extension TimerKey {
    static func run(_ slot: Int, _ timer: RunTimer) -> TimerKey { TimerKey(timer, index: slot) }
}

extension CommandRunner {
    func timerFired(_ key: TimerKey) { timerFired(key.index, RunTimer(key)) }
}
