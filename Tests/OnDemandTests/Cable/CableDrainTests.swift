import Testing

@testable import OnDemand

struct CableDrainTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func drain(over window: Duration, waiting: Duration = .seconds(10)) -> CableDrain {
        CableDrain(isRemoval: false, from: start, over: window, waitingUntil: start + waiting)
    }

    /// Steps until all clients are ended; returns when each step has ended how many.
    private func run(
        _ drain: CableDrain, clients: Int, isDelivered: (Instant) -> Bool = { _ in true }
    ) -> [(after: Duration, count: Int)] {
        var (drain, left, now) = (drain, clients, start)
        var ends: [(Duration, Int)] = []
        while left > 0 {
            switch drain.step(isDelivered: isDelivered(now), clients: left, at: now) {
            case .wait(let until):
                // The driver also calls when messages are delivered.
                now = isDelivered(now) ? until : min(until, now + .milliseconds(5))
            case .end(let count, let next):
                ends.append((now - start, count))
                left -= count
                now = next
            }
        }
        return ends
    }

    @Test("without a window all clients end in one step, and with one they are spread evenly over it")
    func spread() {
        let atOnce = run(drain(over: .zero), clients: 1000)
        #expect(atOnce.count == 1 && atOnce[0] == (.zero, 1000))
        let spread = run(drain(over: .seconds(1)), clients: 1000)
        #expect(spread.map(\.count) == Array(repeating: 125, count: 8))
        #expect(spread.map(\.after) == (0..<8).map { Limits.cableDrainStep * $0 })
        #expect(run(drain(over: .milliseconds(300)), clients: 2).map(\.count).reduce(0, +) == 2)
    }

    @Test("no client ends before all messages are delivered, and the window begins then")
    func waits() {
        let ends = run(drain(over: .seconds(1)), clients: 80) { $0 - start >= .seconds(2) }
        #expect(ends.first?.after == .seconds(2) && ends.count == 8)
        #expect(ends.map(\.count) == Array(repeating: 10, count: 8))
    }

    @Test("messages that arrive within the window delay its next step")
    func waitsAgain() {
        let pause = Duration.milliseconds(400)..<Duration.milliseconds(700)
        let ends = run(drain(over: .seconds(1)), clients: 80) { !pause.contains($0 - start) }
        #expect(!ends.contains { pause.contains($0.after) })
        #expect(ends.map(\.count).reduce(0, +) == 80 && ends.last!.after <= .seconds(1))
    }

    @Test("behind the bound clients end whatever is undelivered, within the window if that is not over")
    func bound() {
        let never = run(drain(over: .zero, waiting: .seconds(3)), clients: 7) { _ in false }
        #expect(never.count == 1 && never[0] == (.seconds(3), 7))
        let spread = run(drain(over: .seconds(5), waiting: .seconds(3)), clients: 160) { _ in false }
        #expect(spread.first?.after == .seconds(3) && spread.count == 16)
        let late = run(drain(over: .seconds(2), waiting: .seconds(3)), clients: 80) { $0 - start >= .seconds(2) }
        #expect(late.last!.after <= .seconds(3) && late.first?.after == .seconds(2))
    }

    @Test("a step before its time ends nothing and names the time")
    func early() {
        var drain = drain(over: .seconds(1))
        let next = start + .milliseconds(125)
        #expect(drain.step(isDelivered: true, clients: 80, at: start) == .end(clients: 10, next: next))
        #expect(drain.step(isDelivered: true, clients: 70, at: start) == .wait(until: next))
        #expect(drain.step(isDelivered: false, clients: 70, at: start) == .wait(until: start + .seconds(10)))
    }
}
