import Testing

@testable import OnDemand

struct ProgressLineTests {
    private func line(
        _ operation: BackendOperation, waits: Bool = true, lastStartup: Duration? = nil
    ) -> ProgressLine? {
        ProgressLine(of: .operation(operation, service: "cable", waits: waits), lastStartup: lastStartup)
    }

    @Test("the line contains the awaited state, the elapsed time, and the last startup time")
    func words() {
        let begin = ProgressLine.wipe
        #expect(
            line(.start, lastStartup: .milliseconds(1512))?.text(after: .milliseconds(340))
                == begin + "cable is starting: 0.3 s, last start 1.5 s")
        #expect(line(.restart)?.text(after: .seconds(12)) == begin + "cable is restarting: 12.0 s")
        #expect(line(.stop, lastStartup: .seconds(1))?.text(after: .seconds(1)) == begin + "cable is stopping: 1.0 s")
    }

    @Test("no line is printed without waiting")
    func nothing() {
        #expect(line(.start, waits: false) == nil)
        #expect(ProgressLine(of: .status(.text), lastStartup: nil) == nil)
        #expect(ProgressLine(of: .logs(service: "cable", lines: 1, follows: true), lastStartup: nil) == nil)
    }
}
