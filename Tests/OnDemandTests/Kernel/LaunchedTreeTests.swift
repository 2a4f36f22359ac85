import Testing

@testable import OnDemand

/// Evidence that a process belongs to a launch, and when a process number stops being evidence.
struct LaunchedTreeTests {
    private static let daemon: Int32 = 10

    private func process(
        _ number: Int32, parent: Int32 = daemon, group: Int32, session: Int32, start: UInt64 = 500
    ) -> ProcessFacts {
        ProcessFacts(
            number: number, state: UInt8(ascii: "S"), parent: parent, group: group, session: session, start: start)
    }

    private var launch: LaunchedTree { LaunchedTree(number: 3, leader: 200, start: 100) }

    @Test("A3 a leader's number is evidence and a target until its group has returned ESRCH, and never again")
    func numbers() {
        var launch = launch
        let inGroup = process(205, group: 200, session: 200)
        let detached = process(206, group: 206, session: 206)
        #expect(launch.isMember(inGroup, mark: .untold) && !launch.isMember(detached, mark: .untold))
        #expect(launch.mayBeSignalledAsGroup([], by: Self.daemon), "the leader was not waited for")
        launch.groupAnsweredGone()
        #expect(launch.groupNumber == .ledByLeader, "a leader that was not waited for holds its number")
        launch.leaderReaped()
        #expect(launch.isMember(inGroup, mark: .untold))
        #expect(launch.mayBeSignalledAsGroup([inGroup], by: Self.daemon), "a child of ours holds the number")
        #expect(!launch.mayBeSignalledAsGroup([process(205, parent: 206, group: 200, session: 200)], by: Self.daemon))
        #expect(!launch.mayBeSignalledAsGroup([detached], by: Self.daemon))
        launch.groupAnsweredGone()
        #expect(launch.groupNumber == .givenBack)
        #expect(!launch.isMember(inGroup, mark: .untold), "another process has the number now")
        #expect(!launch.mayBeSignalledAsGroup([inGroup], by: Self.daemon))
        #expect(launch.isMember(detached, mark: .own(launch: 3)), "the mark shows it all the same")
    }

    @Test("A4 a mark takes precedence over numbers, and a known process stays known by number and start time")
    func evidence() {
        var launch = launch
        let inGroup = process(205, group: 200, session: 200)
        #expect(!launch.isMember(inGroup, mark: .own(launch: 4)), "a later launch with the same leader's number")
        launch.remember([process(206, group: 206, session: 206)])
        #expect(launch.isMember(process(206, group: 206, session: 206), mark: .untold))
        #expect(!launch.isMember(process(206, group: 206, session: 206, start: 501), mark: .untold))
    }

    @Test("A3 two launches whose leaders had the same number are distinct")
    func launches() {
        var launches = LaunchRegistry()
        launches.began(200, start: 100)
        let first = ProcessID(number: 200, launch: 1)
        #expect(launches.leader(200) == first)
        launches.reaped(first)
        #expect(launches.leader(200) == nil, "the number is no leader's any more")
        launches.began(200, start: 900)
        let second = ProcessID(number: 200, launch: 2)
        #expect(launches.leader(200) == second)
        #expect(launches[first]?.groupNumber == .heldByOthers && launches[second]?.groupNumber == .ledByLeader)
        launches.ended(first)
        #expect(launches[first] == nil && launches[second] != nil)
        #expect(launches[ProcessID(number: 200)] == nil, "a process that the daemon did not start leads nothing")
    }

    @Test("A4 an adopted child is a member by what was known, by its mark, or by a number that still proves it")
    func launchOfChild() {
        var launches = LaunchRegistry()
        launches.began(200, start: 100)
        launches.began(300, start: 100)
        let (first, second) = (ProcessID(number: 200, launch: 1), ProcessID(number: 300, launch: 2))
        let inSession = process(205, group: 205, session: 200)
        #expect(launches.launch(of: inSession, mark: .untold) == 1)
        #expect(launches.launch(of: inSession, mark: .own(launch: 2)) == 2, "a mark precedes numbers")
        #expect(launches.launch(of: inSession, mark: .own(launch: 9)) == nil, "a launch that has ended")
        let detached = process(206, group: 206, session: 206)
        #expect(launches.launch(of: detached, mark: .untold) == nil)
        launches.remember([detached], of: second)
        #expect(launches.launch(of: detached, mark: .untold) == 2)
        launches.remember([], of: second)
        #expect(launches.launch(of: detached, mark: .untold) == nil)
        launches.reaped(first)
        #expect(launches.launch(of: inSession, mark: .untold) == 1)
        launches.groupAnsweredGone(first)
        #expect(launches.launch(of: inSession, mark: .untold) == nil)
        launches.began(200, start: 900)
        #expect(launches.launch(of: inSession, mark: .untold) == 3)
        launches.ended(first)
        #expect(launches.leader(200) == ProcessID(number: 200, launch: 3))
    }

    @Test("an adopted child is a member or proven to be none, and one without a mark is neither")
    func membership() {
        var launches = LaunchRegistry()
        launches.began(200, start: 100)
        let detached = process(206, group: 206, session: 206)
        #expect(launches.membership(of: detached, mark: .own(launch: 1)) == .member(launch: 1))
        #expect(launches.membership(of: detached, mark: .own(launch: 9)) == .noMember, "a launch that has ended")
        #expect(launches.membership(of: detached, mark: .untold) == .untold)
    }

    @Test("no two launches have the same bits in their marks, also after more launches than the bits can count")
    func wrappedNumbers() {
        var launches = LaunchRegistry()
        launches.began(200, start: 100)
        launches.nextNumber = LaunchMark.lowBits + 1
        launches.began(300, start: 100)
        launches.began(400, start: 100)
        let detached = process(206, group: 206, session: 206)
        #expect(launches.launch(of: detached, mark: .own(launch: 1)) == 1, "the first launch has not ended")
        #expect(launches.launch(of: detached, mark: .own(launch: 0)) == LaunchMark.lowBits + 1)
        let third = ProcessID(number: 400, launch: LaunchMark.lowBits + 3)
        #expect(launches.leader(400) == third)
        #expect(launches.launch(of: detached, mark: .own(launch: 2)) == third.launch)
    }

    @Test("a process whose start time is hidden is forgotten when its pid is reaped")
    func hiddenMember() {
        var launches = LaunchRegistry()
        launches.began(200, start: 100)
        let leader = ProcessID(number: 200, launch: 1)
        let hidden = process(205, group: 205, session: 205, start: 0)
        launches.remember([hidden], of: leader)
        #expect(launches.launch(of: hidden, mark: .untold) == 1)
        launches.reaped(ProcessID(number: 205))
        #expect(launches.launch(of: hidden, mark: .untold) == nil && launches[leader]?.known == [])
    }

    @Test("A2 a mark is written and read, as text with its namespace and in the bits of a limit")
    func marks() throws {
        let mark = LaunchMark(namespace: 4_026_531_836, daemon: 4_194_303, start: 123_456_789, launch: 70_000)
        #expect(LaunchMark(text: Substring(mark.text)) == mark)
        #expect(LaunchMark(text: "12:34:5") == nil, "a mark without a namespace says nothing")
        #expect(LaunchMark(text: "x:1:2:3") == nil)
        let short = try #require(ShortMark(limit: mark.limit))
        #expect(short.daemon == mark.daemon && short.launch == 70_000)
        #expect(short.start == 123_456_789 & LaunchMark.lowBits)
        #expect(mark.limit < UInt64(Int64.max), "not the value that means no limit")
        for limit: UInt64 in [.max, 0, 1024, 1 << 63] { #expect(ShortMark(limit: limit) == nil) }
    }

    @Test("the short mark is found in the row of file locks, and in no other row")
    func shortMarkOfLimits() {
        let mark = LaunchMark(namespace: nil, daemon: 4711, start: 99, launch: 7)
        func limits(_ rows: String...) -> [UInt8] {
            Array((["Limit Soft Limit Hard Limit Units"] + rows).map { $0 + "\n" }.joined().utf8)
        }
        let row = "Max file locks            \(mark.limit)  unlimited            locks     "
        #expect(ShortMark(limits: limits("Max open files 1024 4096 files", row)) == ShortMark(limit: mark.limit))
        #expect(ShortMark(limits: Array("Max file locks \(mark.limit)".utf8)) == ShortMark(limit: mark.limit))
        #expect(ShortMark(limits: limits("Max file locks  unlimited  \(mark.limit)  locks")) == nil)
        #expect(ShortMark(limits: limits("Max file locks  \(mark.limit)x  unlimited  locks")) == nil)
        #expect(ShortMark(limits: limits("Max open files  \(mark.limit)  \(mark.limit)  files")) == nil)
        #expect(ShortMark(limits: limits("Min Max file locks  \(mark.limit)  unlimited  locks")) == nil)
        #expect(ShortMark(limits: Array("Max file locks ".utf8)) == nil)
        #expect(ShortMark(limits: []) == nil)
    }

    @Test("a line of stat is parsed whatever the name of the process")
    func stat() throws {
        let line = "42 (a) b (c)) S 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9876 100 200\n"
        let facts = try #require(ProcessFacts(42, stat: Array(line.utf8)))
        #expect(facts == process(42, parent: 7, group: 40, session: 39, start: 9876))
        #expect(ProcessFacts(42, stat: Array("42 (cut) S 7 40".utf8)) == nil)
    }
}

/// The messages to the guard, and its decisions about the processes of a machine.
struct GuardTests {
    private let tree = GuardedTree(
        launch: 3, leader: ProcessIdentity(number: 200, start: 100),
        steps: [.init(signal: 2, milliseconds: 300), .init(signal: 15, milliseconds: 700)],
        members: [ProcessIdentity(number: 210, start: 150)])

    private func process(_ number: Int32, parent: Int32, session: Int32, start: UInt64) -> ProcessFacts {
        ProcessFacts(
            number: number, state: UInt8(ascii: "S"), parent: parent, group: session, session: session, start: start)
    }

    @Test("every message is parsed as it was written, and other bytes are rejected")
    func messages() {
        let mark = LaunchMark(namespace: 5, daemon: 10, start: 20, launch: 0)
        for message: GuardMessage in [.daemon(mark, marksByLimit: true), .tree(tree), .ended(launch: 9)] {
            #expect(GuardMessage(text: message.text) == message)
        }
        for text in ["", "tree", "tree 1 2 3 9 15 1000", "tree 1 2 3 0 4", "ended x", "daemon 1 2 3", "hello 1"] {
            #expect(GuardMessage(text: text) == nil, "\(text)")
        }
        var large = tree
        large.members = (0..<5000).map { ProcessIdentity(number: $0 + 1000, start: 1_000_000) }
        let text = GuardMessage.tree(large).text
        #expect(text.utf8.count <= GuardMessage.byteLimit)
        #expect(GuardMessage(text: text) != nil, "cut between two members")
    }

    @Test("the steps of a stop plan follow each other by time, and KILL follows the last")
    func steps() {
        #expect([0, 299, 300, 999].map { tree.position(after: $0) } == [0, 0, 1, 1])
        #expect(tree.position(after: 1000) == nil)
        var abrupt = tree
        abrupt.steps = []
        #expect(abrupt.position(after: 0) == nil)
    }

    @Test("members are the leader, known and marked processes, their children and their sessions, and no others")
    func members() {
        let census = [
            process(200, parent: 10, session: 200, start: 100),
            process(201, parent: 1, session: 200, start: 160),
            process(210, parent: 1, session: 210, start: 150),
            process(211, parent: 210, session: 211, start: 170),
            process(212, parent: 211, session: 212, start: 180),
            process(220, parent: 1, session: 220, start: 190),
            process(300, parent: 1, session: 300, start: 50),
            process(301, parent: 300, session: 300, start: 60),
        ]
        let found = tree.members(in: census, known: Set(tree.members)) { $0.number == 220 }
        #expect(Set(found.map(\.number)) == [200, 201, 210, 211, 212, 220])
        // Reused numbers: none of them is a member, and neither are their sessions.
        let reused = census.prefix(3).map {
            process($0.number, parent: 1, session: $0.session, start: $0.start + 1000)
        }
        #expect(tree.members(in: Array(reused), known: Set(tree.members)) { _ in false } == [])
    }
}
