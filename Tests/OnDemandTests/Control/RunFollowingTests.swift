import Testing

@testable import OnDemand

struct RunFollowingTests {
    private static func run(_ ending: RunEnding, _ exit: Exit?) -> Snapshot.Run {
        Snapshot.Run(
            id: "x", startedAt: 0, duration: .milliseconds(61_500), state: .ended, exit: exit, ending: ending)
    }

    @Test("a follower reads the lines of a run, in pieces of any size", arguments: [1, 2, 7, 1000])
    func pieces(size: Int) {
        let text = "\u{1b}[31m\"rot\"\r\n\u{4}ü€\0"
        let bytes =
            RunEvents.began("a-B_9") + RunEvents.output(Array(text.utf8)) + RunEvents.output(Array("2\n".utf8))
            + RunEvents.ended(Self.run(.exited, .status(0)))
        var follower = RunFollower()
        var events: [RunFollower.Event] = []
        for start in stride(from: 0, to: bytes.count, by: size) {
            events += follower.take(bytes[start..<min(start + size, bytes.count)])
        }
        #expect(
            events == [
                .began(id: "a-B_9"), .output(Array(text.utf8)), .output(Array("2\n".utf8)),
                .ended(.init(hasSucceeded: true, sentence: "status 0 after 1m1s")),
            ])
    }

    @Test("only an exit with status 0 is a success")
    func results() {
        func result(_ ending: RunEnding, _ exit: Exit?) -> RunFollower.Result? {
            var follower = RunFollower()
            guard case .ended(let result)? = follower.take(RunEvents.ended(Self.run(ending, exit))[...]).first else {
                return nil
            }
            return result
        }
        #expect(result(.exited, .status(3)) == .init(hasSucceeded: false, sentence: "status 3 after 1m1s"))
        #expect(result(.killed, .signal(9)) == .init(hasSucceeded: false, sentence: "signal 9 after 1m1s"))
        #expect(result(.timedOut, .status(0)) == .init(hasSucceeded: false, sentence: "timed out after 1m1s"))
        #expect(result(.stopped, .signal(15)) == .init(hasSucceeded: false, sentence: "stopped after 1m1s"))
        #expect(result(.spawnFailed, nil) == .init(hasSucceeded: false, sentence: "not started after 1m1s"))
    }

    @Test("a line that is no event is skipped")
    func others() {
        var follower = RunFollower()
        #expect(follower.take(Array("hello\n{}\n{\"end\":3}\n[]\n\n".utf8)[...]) == [])
        #expect(follower.take(RunEvents.began("x")[...]) == [.began(id: "x")])
    }
}
