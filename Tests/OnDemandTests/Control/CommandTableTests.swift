import Testing

@testable import OnDemand

struct CommandTableTests {
    @Test("the table is aligned, and has a line for each run in progress")
    func table() {
        let commands = [Snapshot.Command.sample, Snapshot.Command(name: "fresh", path: "/f", cable: "cable")]
        let text = CommandTable.text(of: commands)
        #expect(
            text == """
                NAME   PARAMETERS        RUNNING  STARTED  SUCCEEDED  FAILED  STOPPED  LAST
                apply  database,user_id  1 of 2   7        2          3       1        status 3 after 1s
                fresh  -                 0 of 1   0        0          0       0        -

                apply: run-2 is stopping for 1m1s, 4096 bytes of output; stop overdue: 4711 (sudo)

                """)
        let coloured = CommandTable.text(of: commands, paint: .colours)
        #expect(coloured.contains("\u{1b}[31mstatus 3 after 1s\u{1b}[0m"))
        #expect(coloured.replacing(/\u{1b}\[[0-9]+m/, with: "") == text)
    }

    @Test("a configuration without commands says so")
    func empty() {
        #expect(CommandTable.text(of: []) == "no commands are configured\n")
    }

    @Test("each result has its words")
    func results() {
        func result(_ ending: RunEnding?, _ exit: Exit? = nil, _ state: Snapshot.Run.State = .ended) -> String {
            Snapshot.Run(id: "x", startedAt: 0, duration: .zero, state: state, exit: exit, ending: ending).result
        }
        #expect(result(.exited, .status(0)) == "status 0" && result(.killed, .signal(9)) == "signal 9")
        #expect(result(.timedOut, .signal(15)) == "timed out" && result(.stopped) == "stopped")
        #expect(result(.shutdown) == "stopped by the shutdown" && result(.spawnFailed) == "not started")
        #expect(result(nil, nil, .running) == "running")
    }
}
