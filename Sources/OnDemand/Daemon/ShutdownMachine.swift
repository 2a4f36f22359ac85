/// The end of the daemon.
///
/// Theory of operation. A shutdown goes through three stages, each with a time limit:
///
///     running ──▶ draining ──▶ stopping ──▶ killing ──▶ exited
///
/// - The first SIGTERM or SIGINT begins the drain: no new request, and requests in progress may finish.
/// - When all clients have left and all runs of commands have ended, or the time is over, all connections are closed,
///   what is left of the runs is killed, and the backends stop by their plans.
/// - The second signal forces the shutdown: it waits neither for clients nor for the steps of stop plans.
/// - The third signal kills what is left and exits at once.
/// - When the plans' time is over, possibly at once after a jump of the clock, what is left is killed and still reaped.
struct ShutdownMachine: Equatable {
    enum State: Equatable {
        case running, draining
        case stopping(isForced: Bool)
        case killing, exited
    }

    enum Event: CaseIterable {
        /// SIGTERM or SIGINT.
        case signal
        /// No client is connected, and no run of a command is left.
        case drained
        /// No process of a backend or run, and no connection of a worker, is left.
        case stopped
        case timeReached
    }

    /// `arm` calls for `timeReached` and replaces an earlier call.
    enum Effect: Equatable {
        case drain, stop, force, killAll, finish
        case arm(Limit)
    }

    enum Limit { case drain, stop, kill }

    private(set) var state = State.running

    var isRunning: Bool { state == .running }
    var hasExited: Bool { state == .exited }

    mutating func apply(_ event: Event) -> [Effect] {
        switch (state, event) {
        case (.running, .signal): return proceed(to: .draining, [.drain, .arm(.drain)])
        case (.draining, .signal):
            return proceed(to: .stopping(isForced: true), [.stop, .arm(.stop), .force])
        case (.draining, .drained), (.draining, .timeReached):
            return proceed(to: .stopping(isForced: false), [.stop, .arm(.stop)])
        case (.stopping(isForced: false), .signal): return proceed(to: .stopping(isForced: true), [.force])
        case (.stopping, .timeReached): return proceed(to: .killing, [.killAll, .arm(.kill)])
        case (.stopping(isForced: true), .signal), (.killing, .signal):
            return proceed(to: .exited, [.killAll, .finish])
        case (.stopping, .stopped), (.killing, .stopped), (.killing, .timeReached):
            return proceed(to: .exited, [.finish])
        case (.running, .drained), (.running, .stopped), (.running, .timeReached), (.draining, .stopped),
            (.stopping, .drained), (.killing, .drained), (.exited, _):
            return []
        }
    }

    private mutating func proceed(to next: State, _ effects: [Effect]) -> [Effect] {
        state = next
        return effects
    }
}
