import Testing

@testable import OnDemand

@Suite struct StatusTableTests {
    @Test("the table is aligned, names every service, and fits a terminal")
    func table() {
        let text = StatusTable.text(of: .sample([.awake, .untouched]))
        #expect(
            text == """
                ondemandd 0.1.0, up for 1m1s, 5.0 MB, listening on 127.0.0.1:3000, [::1]:3000

                NAME          STATE          FOR  PID   MEMORY  OPEN  QUEUED  STARTS  STARTUP  RUNNING  SAVED
                action-cable  awake, pinned  4s   4711  71 MB   2     1       4       1512 ms  50.0 %   1.5 MBh
                other         asleep         1h   -     -       0     0       0       -        -        -

                action-cable: woken by upgrade 3, operator 1; last exit: status 0
                action-cable: last failure: said "no"\\u000aand left
                  command    puma "-e a"
                  directory  /srv/app
                  exit       status 1
                  output     12:00 stderr no
                             12:01 stdout \\u001b[2Jbye

                """)
        for line in text.split(separator: "\n") { #expect(line.count <= 100, "\(line)") }
    }

    @Test("each command has a line below the table")
    func commands() {
        var snapshot = Snapshot.sample([.untouched])
        snapshot.commands = [.sample, Snapshot.Command(name: "fresh", path: "/f", cable: "cable")]
        let text = StatusTable.text(of: snapshot)
        #expect(
            text.hasSuffix(
                """

                command apply: 1 of 2 running, 7 started, 2 succeeded, last: status 3 after 1s
                command fresh: 0 of 1 running, 0 started, 0 succeeded

                """), "\(text)")
    }

    @Test("an overdue stop lists the remaining processes, without their control characters")
    func overdueStop() {
        var service = Snapshot.Service.untouched
        service.state = .stopping
        service.remaining = ["4711 (ruby)", "4712 (\u{1b}[2J)"]
        let text = StatusTable.text(of: .sample([.awake, service]))
        #expect(text.hasSuffix("\nother: stop overdue: 4711 (ruby), 4712 (\\u001b[2J)\n"), "\(text)")
        #expect(!StatusTable.text(of: .sample([.awake])).contains("overdue"))
    }

    @Test("the coloured table has the same text in the same columns")
    func colours() {
        let snapshot = Snapshot.sample([.awake, .untouched])
        let coloured = StatusTable.text(of: snapshot, paint: .colours)
        #expect(coloured.contains("\u{1b}[32mawake, pinned\u{1b}[0m") && coloured.contains("\u{1b}[31mlast failure:"))
        let plain = coloured.replacing(/\u{1b}\[[0-9]+m/, with: "")
        #expect(plain == StatusTable.text(of: snapshot))
    }

    @Test(
        "an age has its two largest units",
        arguments: [
            (Duration.milliseconds(900), "0s"), (.seconds(42), "42s"), (.seconds(250), "4m10s"),
            (.seconds(3600), "1h"), (.seconds(11_520), "3h12m"), (.seconds(440_000), "5d2h"), (.seconds(-5), "0s"),
        ])
    func ages(duration: Duration, text: String) {
        #expect(StatusTable.age(duration) == text)
    }

    @Test(
        "a decimal has the requested number of places",
        arguments: [
            (0.0, 2, "0.00"), (1.005, 1, "1.0"), (12.345, 2, "12.35"), (0.05, 4, "0.0500"), (99.99, 1, "100.0"),
            (-3, 1, "0.0"), (7.6, 0, "8"),
        ])
    func decimals(value: Double, places: Int, text: String) {
        #expect(DecimalText.of(value, places: places) == text)
    }
}
