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

    /// The step at `position`; past the end it is KILL, asked again each second until nothing is left.
    func step(at position: Int) -> Step {
        position < steps.count ? steps[position] : Step(signal: .kill, patience: .seconds(1))
    }
}
