import Testing

@testable import OnDemand

/// A log reader that can be slow.
private final class Reader {
    /// Number of bytes until it is full; nil is unlimited.
    var room: Int?
    private(set) var heard: [UInt8] = []

    var lines: [String] { String(decoding: heard, as: UTF8.self).split(separator: "\n").map { String($0) } }

    func take(_ bytes: [UInt8]) -> Int {
        let taken = min(bytes.count, room ?? bytes.count)
        if room != nil { room! -= taken }
        heard += bytes[..<taken]
        return taken
    }
}

struct LogTests {
    private let reader = Reader()

    private func log(level: LogLevel = .debug) -> Log {
        Log(level: level, format: .text, time: { "now" }, write: { [reader] in reader.take($0) })
    }

    @Test(
        "a level allows its own lines and the more important ones",
        arguments: [(LogLevel.error, 1), (.warning, 2), (.info, 3), (.debug, 4)])
    func levels(level: LogLevel, count: Int) {
        let log = log(level: level)
        for event: LogEvent in [.crashed, .addressConflict, .ready, .queued] { log(event) }
        #expect(reader.lines.count == count)
    }

    @Test("a line below the level is not formatted")
    func lazy() {
        let log = Log(
            level: .error, format: .text,
            time: {
                Issue.record("asked for the time")
                return ""
            }, write: { $0.count })
        log(.queued)
    }

    @Test("a slow reader gets every line whole and in order, a few bytes at a time")
    func slowReader() {
        let log = log()
        reader.room = 0
        for number in 0..<20 { log(.output, LogField("number", number)) }
        #expect(log.isWorthRetrying)
        #expect(reader.heard.isEmpty)
        var flushes = 0
        while log.isWorthRetrying {
            reader.room = 7
            log.flush()
            flushes += 1
            #expect(flushes < 1_000)
            if flushes >= 1_000 { return }
        }
        #expect(reader.lines == (0..<20).map { "now info    output number=\($0)" })
    }

    @Test("a partly written line is completed before the next one")
    func halfLine() {
        let log = log()
        reader.room = 5
        log(.ready)
        reader.room = nil
        log(.exited)
        #expect(log.isWorthRetrying)
        log.flush()
        #expect(!log.isWorthRetrying)
        #expect(reader.lines == ["now info    ready", "now info    exited"])
    }

    @Test(
        "lines beyond the limit of the backlog are dropped, and counted in a later line", arguments: LogLevel.allCases)
    func dropped(level: LogLevel) {
        let log = log(level: level)
        reader.room = 0
        let long = String(repeating: "x", count: 64 * 1024)
        for _ in 0..<40 { log(.crashed, LogField("line", long)) }
        reader.room = nil
        log.flush()
        #expect(!log.isWorthRetrying)
        let told = reader.lines.count { $0.contains("crashed") }
        #expect(told * long.utf8.count <= Limits.logBacklogBytes)
        #expect(told >= 14)
        let report = reader.lines.last { $0.contains("log_lines_dropped") }
        #expect(report?.hasSuffix("count=\(40 - told)") == true)
        #expect(reader.lines.count == told + 1)
    }

    @Test("lines that were dropped are reported once")
    func reportedOnce() {
        let log = log()
        reader.room = 0
        let long = String(repeating: "x", count: Limits.logBacklogBytes - 100)
        for _ in 0..<3 { log(.crashed, LogField("line", long)) }
        reader.room = nil
        log.flush()
        log.flush()
        log(.exited)
        #expect(reader.lines.count { $0.contains("log_lines_dropped") } == 1)
        #expect(reader.lines.last == "now info    exited")
    }

    @Test("without a backlog there is nothing to flush")
    func nothingToFlush() {
        let log = log()
        log(.ready)
        log.flush()
        #expect(reader.lines.count == 1)
    }
}
