import Testing

@testable import OnDemand

struct PingScheduleTests {
    private let start = Instant(nanoseconds: 12_345)

    /// Returns the ping times of each client until `end`, with a loop that is late by up to `delay`.
    private func run(
        _ schedule: inout PingSchedule, clients: UInt32, until end: Instant, delay: (Int) -> Duration = { _ in .zero }
    ) -> (pings: [UInt32: [Instant]], wakeUps: Int) {
        var pings: [UInt32: [Instant]] = [:]
        var wakeUps = 0
        while let deadline = schedule.deadline, deadline < end {
            let now = deadline + delay(wakeUps)
            wakeUps += 1
            var tookAny = false
            while let due = schedule.takeDue(at: now) {
                tookAny = true
                for client in stride(from: UInt32(due.slot), to: clients, by: schedule.slotCount) {
                    pings[client, default: []].append(now)
                }
            }
            if !tookAny { return ([:], .max) }
        }
        return (pings, wakeUps)
    }

    @Test("any number of clients costs at most eight wake-ups a second", arguments: [1, 5, 24, 100, 10_000])
    func wakeUps(clients: Int) {
        var schedule = PingSchedule(interval: .seconds(3))
        for client in 0..<UInt32(clients) { schedule.join(client, at: start) }
        let (pings, wakeUps) = run(&schedule, clients: UInt32(clients), until: start + .seconds(30))
        #expect(wakeUps <= 240 && wakeUps <= 10 * clients)
        #expect(pings.count == clients)
        for times in pings.values {
            #expect(times.count >= 9 && times[0] <= start + .seconds(3))
            for (earlier, later) in zip(times, times.dropFirst()) {
                #expect(later - earlier >= .milliseconds(2999) && later - earlier <= .milliseconds(3001))
            }
        }
    }

    @Test("a busy loop delays pings, and two of a client are never more than six seconds apart")
    func late() {
        var schedule = PingSchedule(interval: .seconds(3))
        for client in UInt32(0)..<50 { schedule.join(client, at: start) }
        var random = Seeded(seed: 1)
        let (pings, _) = run(&schedule, clients: 50, until: start + .seconds(300)) { _ in
            random.duration(.zero ... .milliseconds(2900))
        }
        #expect(pings.count == 50)
        for times in pings.values {
            for (earlier, later) in zip(times, times.dropFirst()) { #expect(later - earlier < .seconds(6)) }
        }
    }

    @Test("nothing wakes up without clients, and a slot is due once after a long pause")
    func idle() {
        var schedule = PingSchedule(interval: .seconds(3))
        #expect(schedule.deadline == nil && schedule.takeDue(at: start) == nil && schedule.isEmpty)
        schedule.join(7, at: start)
        let late = start + .seconds(1000)
        #expect(schedule.takeDue(at: late)?.slot == 7)
        #expect(schedule.takeDue(at: late) == nil)
        schedule.leave(7)
        #expect(schedule.deadline == nil && schedule.takeDue(at: late + .seconds(9)) == nil)
        schedule.join(3, at: late)
        #expect(schedule.deadline.map { $0 > late && $0 <= late + .seconds(3) } == true)
    }

    @Test("after years each slot is due once an interval", arguments: [500, 5000, 50_000])
    func years(days: Int64) {
        var schedule = PingSchedule(interval: .seconds(30))
        for client in UInt32(0)..<500 { schedule.join(client, at: start) }
        let late = start + .seconds(days * 86_400)
        var due = 0
        while schedule.takeDue(at: late) != nil, due <= schedule.slotCount { due += 1 }
        #expect(due == schedule.slotCount)
        #expect(schedule.deadline.map { $0 > late && $0 <= late + .seconds(1) } == true)
    }

    @Test(
        "an interval has eight slots for each second, at least one and a bounded number",
        arguments: [(Duration.milliseconds(1), 1), (.milliseconds(500), 4), (.seconds(3), 24), (.seconds(3600), 240)])
    func slots(interval: Duration, count: Int) {
        #expect(PingSchedule(interval: interval).slotCount == count)
    }
}
