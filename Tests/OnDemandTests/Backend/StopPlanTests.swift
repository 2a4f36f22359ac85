import Testing

@testable import OnDemand

struct StopPlanTests {
    @Test("a backend gets TERM first, and KILL when its timeout is over")
    func politely() {
        let plan = StopPlan.politely(for: .seconds(10))
        #expect(plan.step(at: 0) == .init(signal: .terminate, timeout: .seconds(10)))
        #expect(plan.step(at: 1).signal == .kill)
    }

    @Test("KILL follows every plan, an empty one too, and is repeated each second until the stop is overdue")
    func killFollows() {
        let plan = StopPlan(steps: [])
        for position in [0, 1, 2, plan.overdueStep - 1] {
            #expect(plan.step(at: position) == .init(signal: .kill, timeout: .seconds(1)))
        }
        for position in [plan.overdueStep, 100] {
            #expect(plan.step(at: position) == .init(signal: .kill, timeout: Limits.overdueStopRetry))
        }
    }

    @Test("a longer plan is executed step by step")
    func severalSteps() {
        let steps: [StopPlan.Step] = [
            .init(signal: .quit, timeout: .seconds(3)), .init(signal: .terminate, timeout: .seconds(2)),
        ]
        let plan = StopPlan(steps: steps)
        #expect((0..<2).map { plan.step(at: $0) } == steps)
        #expect(plan.step(at: 2).signal == .kill)
    }
}
