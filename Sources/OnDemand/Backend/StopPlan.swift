/// The signals that end a backend's process group, each with the timeout that follows it.
struct StopPlan: Equatable, Sendable {
    struct Step: Equatable, Sendable {
        let signal: StopSignal
        /// Time for the group to exit before the next step.
        let timeout: Duration
    }

    /// The steps; a final KILL always follows them.
    let steps: [Step]

    /// Sum of all timeouts.
    var length: Duration { steps.reduce(.zero) { $0 + $1.timeout } }

    /// Returns SIGTERM, then SIGKILL after `stopTimeout`.
    static func politely(for stopTimeout: Duration) -> StopPlan {
        StopPlan(steps: [Step(signal: .terminate, timeout: stopTimeout)])
    }

    /// First pause between repeated KILLs.
    static let killPause: Duration = .seconds(1)

    /// The index from which the stop is overdue: the plan and `Limits.stopGrace` are over.
    var overdueStep: Int { steps.count + Int(Limits.stopGrace / Self.killPause) }

    /// Returns the step at `position`. Past the end it is KILL, repeated until no process is left: every second, and at
    /// a slower rate once the stop is overdue.
    func step(at position: Int) -> Step {
        guard position >= steps.count else { return steps[position] }
        let pause = position < overdueStep ? Self.killPause : Limits.overdueStopRetry
        return Step(signal: .kill, timeout: pause)
    }
}
