/// How a backend is ended, as data: signals to its whole process group, each with the patience that follows it.
struct StopPlan: Equatable, Sendable {
    struct Step: Equatable, Sendable {
        let signal: StopSignal
        /// How long the group may take to be gone before the next step.
        let patience: Duration
    }

    /// KILL without a patience of its own always follows the last of these.
    let steps: [Step]

    /// All patience together.
    var length: Duration { steps.reduce(.zero) { $0 + $1.patience } }

    /// SIGTERM, then after `stopTimeout` SIGKILL.
    static func politely(for stopTimeout: Duration) -> StopPlan {
        StopPlan(steps: [Step(signal: .terminate, patience: stopTimeout)])
    }

    /// KILL is repeated after this long, at first.
    static let killPause: Duration = .seconds(1)

    /// From this step on the stop is overdue: the plan and `Limits.stopGrace` are over.
    var overdueStep: Int { steps.count + Int(Limits.stopGrace / Self.killPause) }

    /// The step at `position`; past the end it is KILL, repeated until nothing is left: each second, and once the stop
    /// is overdue at a slower rate.
    func step(at position: Int) -> Step {
        guard position >= steps.count else { return steps[position] }
        let pause = position < overdueStep ? Self.killPause : Limits.overdueStopRetry
        return Step(signal: .kill, patience: pause)
    }
}
