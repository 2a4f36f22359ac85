import Testing

@testable import OnDemand

/// Runs of commands in a whole daemon: their requests, programs, streams and clients.
@Suite("Simulation: commands")
struct SimulationCommandTests {
    private static let end = "\u{4}"

    // MARK: A run

    @Test("a run's output reaches its subscriber, ends with U+0004, and its result is known")
    func run() throws {
        let bench = try CommandBench([
            .printing([(.milliseconds(20), "\u{1b}[31mred\u{1b}[0m\r\n"), (.milliseconds(90), "ü\r\n")])
        ])
        let run = try #require(bench.start())
        #expect(run.stream == "out_boston_\(run.id)" && run.id.utf8.count == 22)
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(1))
        #expect(CommandBench.messages(of: client) == ["\u{1b}[31mred\u{1b}[0m\r\n", "ü\r\n", Self.end])
        let state = bench.state(of: run.id)
        #expect(state.status == 200 && state["state"] == "ended" && state["exit_status"] == "0")
        #expect(state["ending"] == "exited" && state["output_bytes"] == "18" && state["command"] == "apply")
        client.close()
        #expect(bench.rest() == [])
        #expect(bench.kernel.logged(.runStarted).count == 1 && bench.kernel.logged(.runEnded).count == 1)
        #expect(bench.kernel.logLines.allSatisfy { !String(decoding: $0, as: UTF8.self).contains("boston") })
    }

    @Test("a TurboCable client gets the same messages")
    func turbo() throws {
        let bench = try CommandBench([.printing([(.milliseconds(20), "a")])])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream, isTurbo: true)
        bench.run(for: .seconds(1))
        #expect(CommandBench.messages(of: client) == ["a", Self.end])
        client.close()
        #expect(bench.rest() == [])
    }

    @Test("through Redis the output waits until the subscription is confirmed, and comes once")
    func redis() throws {
        let bench = try CommandBench(
            [.printing([(.milliseconds(1), "a"), (.milliseconds(200), "b")], exitsAfter: .milliseconds(300))],
            hasRedis: true)
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(1))
        #expect(CommandBench.messages(of: client) == ["a", "b", Self.end])
        client.close()
    }

    @Test("a program gets its parameters and the ID as variables, and no argument")
    func variables() throws {
        let bench = try CommandBench([.printing(exitsAfter: .seconds(1))])
        let run = try #require(bench.start(database: "x-1"))
        let process = try #require(bench.kernel.children.all.first)
        let variables = process.environment.map { "\($0.name)=\($0.value)" }
        for expected in ["PARAM_DATABASE=x-1", "RUN_ID=\(run.id)", "TERM=xterm-256color"] {
            #expect(variables.contains(expected), "\(expected)")
        }
        #expect(bench.rest() == [])
    }

    @Test("the cable signs the stream's name with its secret")
    func signedName() throws {
        let bench = try CommandBench([.printing()]) { $0.cables[0].streams.secret = Array("s3Krit".utf8) }
        let response = bench.ask("POST", body: "{\"database\":\"x\"}")
        let signed = try #require(response["signed_stream_name"])
        let verifier = StreamNameVerifier(secret: Array("s3Krit".utf8), railsSecretKeyBase: nil)
        let name = Array(try #require(response["stream"]).utf8)
        #expect(verifier.verdict(on: Array(signed.utf8).span, for: .pubsub, at: 0) == .valid(name))
        #expect(verifier.verdict(on: Array(signed.utf8).span, for: .turbo, at: 0) == .valid(name))
        #expect(bench.rest() == [])
    }

    // MARK: Ends

    @Test("a program that cannot be started says so on the stream")
    func spawnFails() throws {
        let bench = try CommandBench([.printing()]) { $0.commands[0].launch.command = "nothing" }
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        #expect(CommandBench.messages(of: client) == ["\r\nCould not be started.\r\n", Self.end])
        #expect(bench.state(of: run.id)["ending"] == "spawn_failed" && bench.state(of: run.id)["exit_status"] == nil)
        #expect(bench.kernel.logged(.runFailed).first?.contains("nothing") == true)
        client.close()
        #expect(bench.rest() == [])
    }

    @Test("an exit other than 0 has a line, and so has a signal")
    func failures() throws {
        let bench = try CommandBench([.printing(exit: .status(3)), .printing(exit: .signal(11))])
        for (line, state) in [("Exited with status 3", "exited"), ("Ended by signal 11", "killed")] {
            let run = try #require(bench.start())
            let client = bench.cables.subscribed(run.stream)
            bench.run(for: .seconds(1))
            #expect(CommandBench.messages(of: client) == ["\r\n\(line).\r\n", Self.end])
            #expect(bench.state(of: run.id)["ending"] == state)
            client.close()
        }
        #expect(bench.rest() == [])
    }

    @Test("a timeout begins the stop plan, and is told on the stream")
    func timeout() throws {
        var stubborn = ChildScript.printing([(.zero, "a")], exitsAfter: nil)
        stubborn.ignoresTerminate = true
        for (script, lasts) in [(.printing([(.zero, "a")], exitsAfter: nil), 60), (stubborn, 65)] {
            let bench = try CommandBench([script])
            let run = try #require(bench.start())
            let client = bench.cables.subscribed(run.stream)
            bench.run(for: .seconds(lasts) - .milliseconds(100))
            #expect(CommandBench.messages(of: client) == ["a"])
            bench.run(for: .seconds(1))
            #expect(CommandBench.messages(of: client) == ["a", "\r\nTimed out after 1m.\r\n", Self.end])
            #expect(bench.state(of: run.id)["ending"] == "timed_out")
            #expect(bench.state(of: run.id)["signal"] == (lasts == 60 ? "15" : "9"))
            client.close()
            #expect(bench.rest() == [])
        }
    }

    @Test("processes that the first one leaves behind get the stop plan, and the run ends after them")
    func leftBehind() throws {
        var script = ChildScript.printing()
        script.grandchild = .init(ignoresTerminate: true, isDetached: true)
        let bench = try CommandBench([script])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(4))
        #expect(bench.state(of: run.id)["state"] == "stopping" && CommandBench.messages(of: client) == [])
        bench.run(for: .seconds(2))
        #expect(bench.state(of: run.id)["ending"] == "exited" && bench.state(of: run.id)["exit_status"] == "0")
        #expect(CommandBench.messages(of: client) == [Self.end])
        client.close()
        #expect(bench.rest() == [])
    }

    @Test("DELETE stops a run by its stop plan, and is answered alike when it has ended")
    func delete() throws {
        let bench = try CommandBench([.printing(exitsAfter: nil)])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        let first = bench.ask("DELETE", "/apply/\(run.id)")
        #expect(first.status == 202 && first["state"] == "stopping")
        bench.run(for: .milliseconds(200))
        #expect(CommandBench.messages(of: client) == ["\r\nStopped.\r\n", Self.end])
        let second = bench.ask("DELETE", "/apply/\(run.id)")
        #expect(second.status == 200 && second["ending"] == "stopped" && second["signal"] == "15")
        client.close()
        #expect(bench.rest() == [])
    }

    // MARK: Subscribers

    @Test("a late subscriber misses nothing within ten seconds, also of a run that has ended")
    func late() throws {
        for lasts in [Duration.milliseconds(100), .seconds(20)] {
            let bench = try CommandBench([.printing([(.zero, "a"), (.milliseconds(50), "b")], exitsAfter: lasts)])
            let run = try #require(bench.start())
            bench.run(for: .seconds(9))
            let client = bench.cables.subscribed(run.stream)
            #expect(CommandBench.messages(of: client).prefix(1) == ["ab"])
            bench.run(for: .seconds(12))
            #expect(CommandBench.messages(of: client) == ["ab", Self.end])
            client.close()
            #expect(bench.rest() == [])
        }
    }

    @Test("without a subscriber output is dropped after ten seconds, and the run ends")
    func none() throws {
        let bench = try CommandBench([.printing([(.zero, "a"), (.seconds(12), "b")], exitsAfter: .seconds(13))])
        let run = try #require(bench.start())
        bench.run(for: .seconds(11))
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(3))
        #expect(CommandBench.messages(of: client) == ["b", Self.end])
        client.close()
        #expect(bench.rest() == [])
    }

    @Test("a subscriber that was there before gets the first output at once")
    func early() throws {
        let bench = try CommandBench([.printing([(.milliseconds(5), "a")], exitsAfter: .seconds(5))]) {
            $0.commands[0].stream = try! RunStreamName("fixed", parameters: ["database"])
        }
        let client = bench.cables.subscribed("fixed")
        _ = try #require(bench.start())
        bench.run(for: .milliseconds(50))
        #expect(CommandBench.messages(of: client) == ["a"])
        client.close()
        #expect(bench.rest() == [])
    }

    @Test("more output than 64 KiB waits in the terminal for a subscriber, and nothing of it is lost")
    func held() throws {
        let text = String(repeating: "0123456789abcdef", count: 16 * 1024)
        let bench = try CommandBench([.printing([(.zero, text)], exitsAfter: .seconds(60))])
        let run = try #require(bench.start())
        bench.run(for: .seconds(5))
        #expect(bench.state(of: run.id)["output_bytes"] == "65536")
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(2))
        let messages = CommandBench.messages(of: client)
        #expect(messages.joined() == text && messages.allSatisfy { $0.utf8.count <= 16 * 1024 })
        client.close()
        bench.ask("DELETE", "/apply/\(run.id)")
        #expect(bench.rest() == [])
    }

    @Test("a subscriber that reads nothing is disconnected, and delays neither the program nor the others")
    func slow() throws {
        let text = String(repeating: "0123456789abcdef", count: 32 * 1024)
        let bench = try CommandBench([.printing([(.zero, text)], exitsAfter: .seconds(3))]) {
            $0.cables[0].limits.maximumQueuedBytes = 128 * 1024
        }
        let run = try #require(bench.start())
        let slow = bench.cables.open(capacity: 4096)
        slow.peer.isDeaf = true
        // The output begins to flow with the first subscriber.
        let quick = bench.cables.subscribed(run.stream)
        slow.subscribe(run.stream)
        bench.run(for: .seconds(4))
        let messages = CommandBench.messages(of: quick)
        #expect(messages.last == Self.end && messages.dropLast().joined() == text)
        #expect(bench.state(of: run.id)["ending"] == "exited")
        #expect(bench.kernel.logged(.connectionAborted).first?.contains("too_slow") == true)
        slow.close()
        quick.close()
        #expect(bench.rest() == [])
    }

    @Test("a program that prints without end is read at 4 MiB per second")
    func rate() throws {
        let text = String(repeating: "0123456789abcdef", count: 16 * 1024)
        let output = (0..<40).map { (Duration.milliseconds(50 * $0), text) }
        let bench = try CommandBench([.printing(output, exitsAfter: .seconds(30))])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(2))
        let read = try #require(bench.state(of: run.id)["output_bytes"].flatMap { Int($0) })
        #expect((8_000_000...9_000_000).contains(read), "\(read)")
        client.close()
        bench.ask("DELETE", "/apply/\(run.id)")
        #expect(bench.rest() == [])
    }

    @Test("many programs that print at once share the reads of an iteration, and all of them make progress")
    func manyAtOnce() throws {
        let text = String(repeating: "0123456789abcdef", count: 16 * 1024)
        let bench = try CommandBench([.printing([(.milliseconds(300), text)], exitsAfter: .seconds(20))]) {
            $0.commands[0].maximumRunning = 10
        }
        var clients: [CableBench.Client] = []
        var runs: [String] = []
        for number in 0..<10 {
            let run = try #require(bench.start(database: "\(number)"))
            runs.append(run.id)
            clients.append(bench.cables.subscribed(run.stream))
        }
        #expect(bench.ask("POST", body: "{\"database\":\"x\"}").status == 409)
        bench.run(for: .seconds(2))
        for client in clients { #expect(CommandBench.messages(of: client).joined() == text) }
        let sums = bench.daemon.snapshot().commands.flatMap(\.running).map(\.outputBytes)
        #expect(sums == Array(repeating: UInt64(text.utf8.count), count: 10))
        for run in runs { bench.ask("DELETE", "/apply/\(run)") }
        for client in clients { client.close() }
        #expect(bench.rest() == [])
    }

    @Test("small output leaves as at most 20 messages in a second")
    func joined() throws {
        let lines = (0..<1000).map { (Duration.milliseconds($0), "\($0)\r\n") }
        let bench = try CommandBench([.printing(lines, exitsAfter: .milliseconds(1001))])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(2))
        let messages = CommandBench.messages(of: client)
        #expect(messages.dropLast().joined() == lines.map(\.1).joined())
        #expect((18...23).contains(messages.count), "\(messages.count)")
        client.close()
        #expect(bench.rest() == [])
    }

    // MARK: Requests

    @Test("a request without the key learns nothing, and is counted")
    func key() throws {
        let bench = try CommandBench([.printing(exitsAfter: nil)])
        let run = try #require(bench.start())
        for key in [nil, "", "0123456789abcdeg", "0123456789abcde"] {
            for (method, path) in [
                ("POST", "/apply"), ("GET", "/apply"), ("GET", "/apply/\(run.id)"), ("DELETE", "/apply/\(run.id)"),
                ("PUT", "/apply/none"),
            ] {
                let response = bench.ask(method, path, key: key)
                #expect(response.status == 401, "\(method) \(path)")
                #expect(response.text.contains("WWW-Authenticate: Bearer") && !response.text.contains(run.id))
            }
        }
        #expect(!bench.kernel.logged(.unauthorized).isEmpty)
        let command = try #require(bench.daemon.snapshot().commands.first)
        #expect(command.counters.rejected.first { $0.name == "unauthorized" }?.count == 20)
        bench.ask("DELETE", "/apply/\(run.id)")
        #expect(bench.rest() == [])
    }

    @Test("requests that start nothing get their status")
    func rejected() throws {
        let bench = try CommandBench([.printing(exitsAfter: nil)])
        #expect(bench.ask("POST", body: "{}").status == 400)
        #expect(bench.ask("POST", body: "{\"database\":\"a;b\"}").text.contains("a;b") == false)
        #expect(bench.ask("POST", body: String(repeating: " ", count: 65 * 1024)).status == 413)
        #expect(bench.ask("GET").head.contains("Allow: POST"))
        #expect(bench.ask("GET", "/apply/unknown").status == 404)
        #expect(bench.ask("GET", "/apply/AAAAAAAAAAAAAAAAAAAAAA").status == 404)
        #expect(bench.ask("PUT", "/apply/AAAAAAAAAAAAAAAAAAAAAA").head.contains("Allow: GET, HEAD, DELETE"))
        #expect(bench.kernel.children.born == 0)
        let run = try #require(bench.start())
        let busy = bench.ask("POST", body: "{\"database\":\"x\"}")
        #expect(busy.status == 409 && busy["id"] == run.id)
        #expect(bench.state(of: run.id)["state"] == "running")
        bench.ask("DELETE", "/apply/\(run.id)")
        #expect(bench.rest() == [])
        let command = try #require(bench.daemon.snapshot().commands.first)
        #expect(command.counters.rejected.first { $0.name == "busy" }?.count == 1)
        #expect(command.counters.rejected.first { $0.name == "invalid" }?.count == 2)
        #expect(command.counters.started == 1 && command.counters.stopped == 1)
    }

    @Test("the result of a run is known for ten minutes")
    func expiry() throws {
        let bench = try CommandBench([.printing()])
        let run = try #require(bench.start())
        bench.run(for: .seconds(590))
        #expect(bench.state(of: run.id).status == 200)
        bench.run(for: .seconds(15))
        #expect(bench.state(of: run.id).status == 404)
        #expect(bench.rest() == [])
    }

    // MARK: Reload and shutdown

    @Test("a reload leaves runs alone: a removed command gets 404, and its run finishes")
    func reload() throws {
        let bench = try CommandBench([.printing([(.seconds(2), "a")], exitsAfter: .seconds(3))])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.cables.reload { $0.commands[0].timeout = .milliseconds(1) }
        #expect(bench.state(of: run.id)["state"] == "running")
        bench.cables.reload { $0.commands = [] }
        #expect(bench.ask("POST", body: "{\"database\":\"x\"}").status == 404)
        bench.run(for: .seconds(4))
        #expect(CommandBench.messages(of: client) == ["a", Self.end])
        #expect(bench.runner.commands.isEmpty)
        try bench.cables.reload { $0.commands = [try CommandBench.command()] }
        #expect(bench.start() != nil)
        client.close()
        #expect(bench.rest() == [])
    }

    @Test("a shutdown stops a run, and its clients get the end before they are closed")
    func shutdown() throws {
        let bench = try CommandBench([.printing([(.zero, "a")], exitsAfter: nil)])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.cables.shutDown()
        bench.run(for: .seconds(3))
        let news = client.news
        let last = try #require(news.lastIndex { $0.contains("\\u0004") })
        #expect(
            CommandBench.messages(of: client) == [
                "a", "\r\nStopped, because the daemon shuts down.\r\n", Self.end,
            ])
        #expect(news[(last + 1)...].first?.contains("server_restart") == true && news.last == "close 1001")
        client.close()
        bench.run(for: .seconds(1))
        #expect(bench.daemon.hasExited && bench.kernel.children.all.isEmpty && bench.kernel.complaints == [])
    }

    @Test("a shutdown just after the end of a run cuts nothing off: its last message waits to be joined")
    func shutdownBehindTheEnd() throws {
        let bench = try CommandBench([
            .printing([(.seconds(2), "x"), (.milliseconds(2010), "y")], exitsAfter: .milliseconds(2015))
        ])
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.run(for: .seconds(5)) { CommandBench.messages(of: client) == ["x"] }
        bench.run(for: .milliseconds(25))
        bench.cables.shutDown()
        bench.run(for: .seconds(3))
        #expect(CommandBench.messages(of: client) == ["x", "y", Self.end])
        client.close()
        bench.run(for: .seconds(1))
        #expect(bench.daemon.hasExited && bench.kernel.complaints == [])
    }

    @Test("a shutdown waits for a stop plan no longer than its drain time, and KILL comes before")
    func shutdownKills() throws {
        var script = ChildScript.printing([(.zero, "a")], exitsAfter: nil)
        script.ignoresTerminate = true
        let bench = try CommandBench([script]) {
            $0.commands[0].stopPlan = .politely(for: .seconds(600))
            $0.drainTimeout = .seconds(4)
        }
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        let began = bench.kernel.now()
        bench.cables.shutDown()
        bench.run(for: .seconds(20)) { CommandBench.messages(of: client).last == Self.end }
        #expect(bench.kernel.now() - began < .seconds(4), "the end is sent within the drain time")
        bench.run(for: .seconds(5)) { bench.daemon.hasExited }
        client.close()
        bench.run(for: .seconds(2))
        #expect(bench.daemon.hasExited && bench.kernel.children.all.isEmpty && bench.kernel.complaints == [])
    }

    @Test("a second signal kills runs at once")
    func forcedShutdown() throws {
        var script = ChildScript.printing(exitsAfter: nil)
        script.ignoresTerminate = true
        let bench = try CommandBench([script]) { $0.drainTimeout = .seconds(60) }
        _ = try #require(bench.start())
        bench.cables.shutDown()
        bench.run(for: .seconds(1))
        #expect(!bench.daemon.hasExited)
        bench.cables.shutDown()
        bench.run(for: .seconds(1))
        #expect(bench.daemon.hasExited && bench.kernel.children.all.isEmpty && bench.kernel.complaints == [])
    }

    // MARK: The system

    @Test("whichever call of the system fails, the run has an end and nothing is left")
    func failingCalls() throws {
        var failed: Set<String> = []
        for number in 1...12 {
            let bench = try CommandBench([.printing([(.milliseconds(20), "a")])])
            bench.kernel.failingCall = bench.kernel.fallibleCalls + number
            let response = bench.ask("POST", body: "{\"database\":\"x\"}")
            if let verb = bench.kernel.failedVerb { failed.insert(verb) }
            guard let id = response["id"], let stream = response["stream"] else { continue }
            let client = bench.cables.subscribed(stream)
            bench.run(for: .seconds(2))
            if let verb = bench.kernel.failedVerb { failed.insert(verb) }
            #expect(["ended", nil].contains(bench.state(of: id)["state"]), "call \(number)")
            let messages = CommandBench.messages(of: client)
            #expect(messages.isEmpty || messages.last == Self.end, "call \(number): \(messages)")
            client.close()
            #expect(bench.rest() == [], "call \(number)")
        }
        #expect(failed.isSuperset(of: ["spawnOnTerminal", "watch"]), "\(failed)")
    }

    @Test("faults of the system change no output", arguments: 1...30)
    func faults(seed: UInt64) throws {
        var dice = Seeded(seed: seed)
        let lines = (0..<dice.number(in: 1...300)).map { number in
            (dice.duration(.zero ... .seconds(2)), "\(number) ü€𝄞\r\n")
        }.sorted { $0.0 < $1.0 }
        let bench = try CommandBench([.printing(lines, exitsAfter: .seconds(2) + .milliseconds(1))], seed: seed)
        let run = try #require(bench.start())
        let client = bench.cables.subscribed(run.stream)
        bench.kernel.faults = Faults(
            partialReads: 40, partialWrites: 20, stalls: 20, lateEvents: 20, duplicateEvents: 20, staleEvents: 20,
            shuffledEvents: 20, lateTimers: 20, lateSignals: 30)
        bench.run(for: .seconds(5))
        bench.kernel.faults = .none
        let messages = CommandBench.messages(of: client)
        #expect(messages.joined() == lines.map(\.1).joined() + Self.end)
        client.close()
        #expect(bench.rest() == [])
    }

    @Test("an idle daemon with a command has no timer, no buffer and no slot")
    func idle() throws {
        let bench = try CommandBench([.printing()])
        for _ in 0..<3 {
            _ = try #require(bench.start())
            bench.run(for: .seconds(30))
        }
        #expect(bench.rest() == [])
        let waits = bench.kernel.waits
        bench.run(for: .seconds(600))
        #expect(bench.kernel.waits - waits <= 2)
    }
}
