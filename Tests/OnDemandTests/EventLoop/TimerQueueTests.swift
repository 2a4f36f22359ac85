import Testing

@testable import OnDemand

extension Int: TimerIdentifier {
    var code: UInt64 { UInt64(self + 1) }
}

struct TimerQueueTests {
    /// Sorted at every step: by instant, then by the order of arming.
    private struct Model {
        private var armed: [(key: Int, instant: Instant)] = []

        var next: Instant? { sorted.first?.instant }
        private var sorted: [(key: Int, instant: Instant)] {
            armed.enumerated().sorted { ($0.element.instant, $0.offset) < ($1.element.instant, $1.offset) }
                .map(\.element)
        }

        mutating func arm(_ key: Int, at instant: Instant) {
            disarm(key)
            armed.append((key, instant))
        }

        mutating func disarm(_ key: Int) { armed.removeAll { $0.key == key } }

        mutating func popDue(at now: Instant) -> Int? {
            guard let first = sorted.first, first.instant <= now else { return nil }
            disarm(first.key)
            return first.key
        }
    }

    @Test("any sequence of arming, moving, cancelling and firing is that of a sorted array", arguments: 1...20)
    func model(seed: UInt64) {
        var generator = Seeded(seed: seed)
        var queue = TimerQueue<Int>()
        var model = Model()
        var now = noon
        for _ in 0..<2_000 {
            let key = Int.random(in: 0..<30, using: &generator)
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                let instant = now + .nanoseconds(Int.random(in: -2...20, using: &generator))
                queue.arm(key, at: instant)
                model.arm(key, at: instant)
            case 5..<7:
                queue.disarm(key)
                model.disarm(key)
            default:
                now = now + .nanoseconds(Int.random(in: 0...3, using: &generator))
                #expect(queue.popDue(at: now) == model.popDue(at: now))
            }
            #expect(queue.next == model.next)
            #expect(queue.isEmpty == (model.next == nil))
        }
    }

    @Test("a queue with every timer cancelled has no deadline")
    func nothingLeft() {
        var queue = TimerQueue<Int>()
        for key in 0..<100 { queue.arm(key, at: noon + .seconds(key)) }
        for key in (0..<100).reversed() { queue.disarm(key) }
        #expect(queue.next == nil)
        #expect(queue.isEmpty)
        #expect(queue.popDue(at: Instant(nanoseconds: .max)) == nil)
    }

    @Test("a timer that is due this very nanosecond fires, one that is due in the next does not")
    func boundary() {
        var queue = TimerQueue<Int>()
        queue.arm(1, at: noon)
        #expect(queue.popDue(at: noon + .nanoseconds(-1)) == nil)
        #expect(queue.popDue(at: noon) == 1)
        #expect(queue.popDue(at: noon) == nil)
    }

    @Test("a timer that is moved fires once, when it was moved to")
    func moved() {
        var queue = TimerQueue<Int>()
        queue.arm(1, at: noon)
        queue.arm(2, at: noon + .seconds(1))
        queue.arm(1, at: noon + .seconds(2))
        let late = noon + .seconds(3)
        #expect([queue.popDue(at: late), queue.popDue(at: late), queue.popDue(at: late)] == [2, 1, nil])
    }

    @Test("cancelling an unarmed timer has no effect")
    func disarmUnknown() {
        var queue = TimerQueue<Int>()
        queue.disarm(7)
        queue.arm(1, at: noon)
        queue.disarm(7)
        #expect(queue.next == noon)
    }

    @Test("the memory of many timers is freed with them")
    func roomGivenBack() {
        var queue = TimerQueue<Int>()
        for key in 0..<10_000 { queue.arm(key, at: noon) }
        for key in 0..<10_000 { queue.disarm(key) }
        #expect(queue.isEmpty && queue.room <= 64)
    }
}
