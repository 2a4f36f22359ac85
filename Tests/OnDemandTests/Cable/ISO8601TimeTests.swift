import Foundation
import Testing

@testable import OnDemand

struct ISO8601TimeTests {
    @Test("every second day for eight hundred years is the second that Foundation computes")
    func days() {
        let formatter = ISO8601DateFormatter()
        for day in stride(from: -100_000, through: 200_000, by: 97) {
            let seconds = day * 86_400 + (day % 86_400 + 86_400) % 86_400
            let text = formatter.string(from: Date(timeIntervalSince1970: Double(seconds)))
            #expect(ISO8601Time.seconds(of: Array(text.utf8)) == seconds, "\(text)")
        }
    }

    @Test(
        "fractions are cut off and offsets are taken off",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.999Z", 0), ("2030-01-01T00:00:00.000Z", 1_893_456_000),
            ("2000-02-29T23:59:59Z", 951_868_799), ("1970-01-01T02:00:00+02:00", 0),
            ("1969-12-31T18:30:00.5-05:30", 0),
        ])
    func times(text: String, seconds: Int) {
        #expect(ISO8601Time.seconds(of: Array(text.utf8)) == seconds)
    }

    @Test(
        "any other text is rejected",
        arguments: [
            "", "2030", "2030-01-01", "2030-01-01T00:00:00", "2030-01-01 00:00:00Z", "2030-13-01T00:00:00Z",
            "2030-00-01T00:00:00Z", "2030-01-01T24:00:00Z", "2030-01-01T00:60:00Z", "2030-01-01T00:00:00.Z",
            "2030-01-01T00:00:00+0200", "2030-01-01T00:00:00ZZ", "203a-01-01T00:00:00Z", "2030-01-01T00:00:00+2:000",
            "+030-01-01T00:00:00Z",
        ])
    func noTimes(text: String) {
        #expect(ISO8601Time.seconds(of: Array(text.utf8)) == nil)
    }
}
