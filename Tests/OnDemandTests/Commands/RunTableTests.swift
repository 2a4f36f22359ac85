import Testing

@testable import OnDemand

struct RunTableTests {
    private func id(_ number: UInt64) -> RunID { RunID(high: number, low: 0) }

    private func run(_ number: UInt64) -> Snapshot.Run {
        var run = Snapshot.Run(id: id(number).text, startedAt: 0, duration: .seconds(1))
        run.state = .ended
        return run
    }

    @Test("an ID has 22 characters that need no escaping, and all 128 bits")
    func identifiers() {
        var seen: Set<String> = []
        for bit in 0..<128 {
            let text = RunID(high: bit < 64 ? 1 << bit : 0, low: bit < 64 ? 0 : 1 << (bit - 64)).text
            #expect(text.utf8.count == 22 && RunID(text)?.text == text)
            seen.insert(text)
        }
        #expect(seen.count == 128)
        let longest = RunID(high: .max, low: .max).text
        #expect(RunID(longest) != nil)
        for text in ["", "a", longest + "a", longest.dropLast() + "/", longest.dropLast() + "%"] {
            #expect(RunID(text) == nil, "\(text)")
        }
    }

    @Test("another run may start while fewer than the maximum are in progress")
    func maximum() {
        var table = RunTable()
        #expect(table.conflict(maximum: 1) == nil)
        table.started(id(1))
        #expect(table.conflict(maximum: 1) == id(1) && table.conflict(maximum: 2) == nil)
        table.started(id(2))
        #expect(table.conflict(maximum: 2) == id(1))
        table.ended(id(1), as: run(1), at: noon)
        #expect(table.conflict(maximum: 2) == nil && table.conflict(maximum: 1) == id(2))
    }

    @Test("an ended run is known for ten minutes")
    func expiry() {
        var table = RunTable()
        table.started(id(1))
        #expect(table.ended(id(1), at: noon) == nil)
        table.ended(id(1), as: run(1), at: noon)
        #expect(table.ended(id(1), at: noon + .seconds(599)) == run(1))
        #expect(table.ended(id(1), at: noon + .seconds(600)) == nil)
        #expect(table.last(at: noon + .seconds(600)) == [])
    }

    @Test("the latest runs are kept, at most twenty")
    func bound() {
        var table = RunTable()
        for number in 1...25 {
            table.started(id(UInt64(number)))
            table.ended(id(UInt64(number)), as: run(UInt64(number)), at: noon)
        }
        #expect(table.last(at: noon).map(\.id) == (6...25).reversed().map { id(UInt64($0)).text })
        #expect(table.ended(id(5), at: noon) == nil)
    }
}

struct RunReplyTests {
    private static let id = RunID(high: 1, low: 2)

    private func text(_ reply: LocalReply) -> String {
        String(decoding: reply.rendered(keepAlive: true, headOnly: false), as: UTF8.self)
    }

    @Test("a started run is described as JSON")
    func started() {
        let reply = RunReply.started(Self.id, stream: Array("a\"b".utf8), signedStream: "x--y")
        #expect(reply.status == 202)
        #expect(
            reply.jsonText == #"{"id":"\#(Self.id.text)","stream":"a\"b","signed_stream_name":"x--y"}"#)
        #expect(text(reply).contains("Content-Type: application/json\r\n"))
        #expect(RunReply.started(Self.id, stream: [0x61], signedStream: nil).jsonText?.contains("signed") == false)
    }

    @Test("the state of a run is described as JSON")
    func state() {
        var run = Snapshot.Run(id: "x", startedAt: 1_800_000_000, duration: .milliseconds(61_005))
        #expect(
            RunReply.state(run, of: "apply").jsonText
                == #"{"id":"x","command":"apply","state":"running","started_at":1800000000,"duration_seconds":61.005,"output_bytes":0}"#
        )
        (run.state, run.exit, run.ending, run.outputBytes) = (.ended, .status(3), .exited, 9)
        #expect(
            RunReply.state(run, of: "apply").jsonText
                == #"{"id":"x","command":"apply","state":"ended","exit_status":3,"ending":"exited","started_at":1800000000,"duration_seconds":61.005,"output_bytes":9}"#
        )
        run.exit = .signal(15)
        #expect(RunReply.state(run, of: "apply", status: 202).jsonText?.contains(#""signal":15,"#) == true)
    }

    @Test("a conflict names the run in progress, whatever format the client accepts")
    func busy() {
        let reply = RunReply.busy(Self.id)
        #expect(reply.status == 409)
        let html = reply.rendered(for: .init(form: .html), keepAlive: true, headOnly: false)
        #expect(String(decoding: html, as: UTF8.self).hasSuffix("{\"id\":\"\(Self.id.text)\"}\n"))
    }

    @Test("an end that needs an explanation has a line, and a success has none")
    func lines() {
        func line(_ ending: RunEnding, _ exit: Exit?) -> String? {
            RunEndLine.text(.init(ending: ending, exit: exit), timeout: .seconds(600))
        }
        #expect(line(.exited, .status(0)) == nil)
        #expect(line(.exited, .status(3)) == "\r\nExited with status 3.\r\n")
        #expect(line(.killed, .signal(9)) == "\r\nEnded by signal 9.\r\n")
        #expect(line(.timedOut, .signal(15)) == "\r\nTimed out after 10m.\r\n")
        #expect(line(.spawnFailed, nil) == "\r\nCould not be started.\r\n")
        #expect(line(.stopped, .status(0)) == "\r\nStopped.\r\n")
        #expect(line(.shutdown, .status(0)) == "\r\nStopped, because the daemon shuts down.\r\n")
    }
}
