import Foundation
import Testing

@testable import OnDemand

struct TimeTextTests {
    private let style = Date.ISO8601FormatStyle(includingFractionalSeconds: true)

    private func agrees(_ seconds: Int64) -> Bool {
        let ours = TimeText.utc(seconds: seconds, nanoseconds: 0)
        return ours == style.format(Date(timeIntervalSince1970: TimeInterval(seconds)))
    }

    @Test("every fifth day from 1900 to 2100 agrees with Foundation")
    func everyDay() {
        for day in stride(from: Int64(-25_567), through: 47_482, by: 5) {
            #expect(agrees(day * 86_400) && agrees(day * 86_400 + 86_399), "day \(day)")
        }
    }

    @Test("any second of eight centuries agrees with Foundation")
    func anySecond() {
        var generator = Seeded(seed: 1970)
        for _ in 0..<4_000 {
            let seconds = Int64.random(in: -11_676_096_000...13_569_465_600, using: &generator)
            #expect(agrees(seconds), "second \(seconds)")
        }
    }

    @Test(
        "the seconds around leap days and the epoch are right",
        arguments: [
            (-1, "1969-12-31T23:59:59.000Z"), (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"), (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"), (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"), (1_709_164_800, "2024-02-29T00:00:00.000Z"),
        ])
    func edges(seconds: Int64, text: String) {
        #expect(TimeText.utc(seconds: seconds, nanoseconds: 0) == text)
    }

    @Test("a millisecond is truncated, not rounded")
    func milliseconds() {
        #expect(TimeText.utc(seconds: 0, nanoseconds: 999_999_999) == "1970-01-01T00:00:00.999Z")
        #expect(TimeText.utc(seconds: 0, nanoseconds: 1_000_000) == "1970-01-01T00:00:00.001Z")
        #expect(TimeText.utc(seconds: 0, nanoseconds: 999_999) == "1970-01-01T00:00:00.000Z")
    }
}
