import Testing

@testable import OnDemand

struct RefusalTests {
    private static let all: [Refusal] = [
        .startTimedOut(after: .seconds(30)), .exitedEarly(.status(1)),
        .spawnFailed(SystemError(call: "find", code: .noSuchFile, subject: "/secret/puma on PATH /usr/bin")),
        .addressTaken, .dependencyFailed("redis", .startTimedOut(after: .seconds(30))),
        .backoff(reason: "exited before it was ready"), .queueFull(limit: 256),
        .wakeNotAllowed, .minSleep, .disabled, .stopped, .shuttingDown, .stopTimedOut, .resourcesExhausted,
        .tooManyConnections(limit: 9),
    ]

    @Test("every refusal has its own word, in the alphabet of the log")
    func words() {
        let words = Self.all.map(\.word)
        #expect(Self.all.map(\.reason) == Refusal.Reason.allCases)
        #expect(Set(words).count == words.count)
        for word in words { #expect(word.utf8.allSatisfy { (0x61...0x7a).contains($0) || $0 == 0x5f }, "\(word)") }
    }

    @Test("a refusal text is one line that follows the service's name and reveals nothing about the machine")
    func sentences() {
        for refusal in Self.all {
            let sentence = refusal.sentence
            #expect(!sentence.isEmpty && !sentence.hasSuffix(".") && !sentence.contains("\n"))
            #expect(!sentence.contains("/") && !sentence.contains("puma"), "\(sentence)")
        }
    }

    @Test("each refusal has this text")
    func texts() {
        #expect(
            Self.all.map(\.sentence) == [
                "did not become ready within 30s",
                "exited before it was ready",
                "could not be started",
                "could not be started: its address is in use",
                "requires redis, which did not become ready within 30s",
                "exited before it was ready; the next start is due shortly",
                "is starting, and its queue is full (256 requests)",
                "is asleep, and this request is not allowed to wake it",
                "is asleep and cannot be woken yet",
                "is disabled",
                "was stopped by its operator",
                "is shutting down",
                "is still stopping: its processes do not exit",
                "cannot be reached: too many connections are open",
                "has reached its limit of 9 connections",
            ])
    }

    @Test(
        "a duration has the operator's notation",
        arguments: [
            (Duration.milliseconds(250), "250ms"), (.seconds(30), "30s"), (.seconds(900), "15m"),
            (.seconds(5400), "1h30m"), (.seconds(3661), "1h1m1s"), (.milliseconds(1500), "1500ms"),
            (.zero, "0ms"), (.seconds(86_400), "24h"), (.seconds(3601), "1h1s"),
        ])
    func shortText(duration: Duration, text: String) {
        #expect(duration.shortText == text)
    }

    @Test("the short text of a duration parses to the same duration")
    func shortTextIsConfiguration() throws {
        for milliseconds in [1, 999, 1000, 1001, 59_000, 60_000, 61_000, 3_600_000, 5_400_000, 90_061_000] {
            let duration: Duration = .milliseconds(milliseconds)
            #expect(try DurationParser.parse(duration.shortText) == duration)
        }
    }
}
