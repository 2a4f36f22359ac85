import Testing

@testable import OnDemand

@Suite struct ControlCommandTests {
    private func command(_ words: String...) throws -> ControlCommand {
        guard case .command(let command)? = ControlCommand.read(words) else {
            throw ValueProblem("\(words) is no command: \(String(describing: ControlCommand.read(words)))")
        }
        return command
    }

    private func mistake(_ words: String...) -> String? {
        if case .mistake(let sentence, _)? = ControlCommand.read(words) { sentence } else { nil }
    }

    @Test("each command sends its request")
    func requests() throws {
        let status = try command("status")
        #expect(status.request == ("GET", "/v1/status?format=text"))
        #expect(try command("status", "--json").request == ("GET", "/v1/status?format=json"))
        #expect(status.painted(.colours).request.target == "/v1/status?format=coloured")
        #expect(status.painted(.plain) == status)
        #expect(try command("status", "--json").painted(.colours) == command("status", "--json"))
        #expect(try command("reload").request == ("POST", "/v1/reload"))
        for operation in BackendOperation.allCases {
            let verb = operation.rawValue
            #expect(try command(verb, "cable").request == ("POST", "/v1/services/cable/\(verb)"))
        }
        #expect(try command("start", "--no-wait", "a.b").request == ("POST", "/v1/services/a.b/start?wait=0"))
        #expect(
            try command("logs", "cable", "-f", "-n", "7").request.target == "/v1/services/cable/logs?lines=7&follow=1")
        #expect(try command("logs", "cable").request.target == "/v1/services/cable/logs?lines=200")
        let broadcast = try command("broadcast", "cable", "scores", "{\"a\":1}")
        #expect(broadcast.request == ("POST", "/v1/cables/cable/broadcast"))
        #expect(broadcast.body == Array(#"{"stream":"scores","data":"{\"a\":1}"}"#.utf8))
    }

    @Test("every command sends a request that the daemon accepts")
    func understood() throws {
        // A broadcast is a request for the cable's own endpoint.
        for verb in ControlCommand.verbs where verb != "broadcast" {
            let words = ["status", "reload", "commands"].contains(verb) ? [verb] : [verb, "cable"]
            guard case .command(let command)? = ControlCommand.read(words) else {
                Issue.record("\(verb) is no command")
                continue
            }
            #expect(throws: Never.self) {
                try ControlRequest(reading: "\(command.request.method) \(command.request.target)")
            }
        }
    }

    @Test("a run sends its parameters in the target")
    func runs() throws {
        #expect(try command("commands").request == ("GET", "/v1/commands?format=text"))
        #expect(try command("commands", "--json").request.target == "/v1/commands?format=json")
        #expect(try command("commands").painted(.colours).request.target == "/v1/commands?format=coloured")
        #expect(try command("run", "apply").request == ("POST", "/v1/commands/apply/run"))
        let run = try command("run", "apply", "database=boston", "--control", "unix:/x", "user_id=7")
        #expect(run.request.target == "/v1/commands/apply/run?database=boston&user_id=7" && run.socket == "unix:/x")
        #expect(run.body == nil && run.timeout == nil)
        let stop = try command("run", "apply", "--stop", "a_-B9")
        #expect(stop.request == ("DELETE", "/v1/commands/apply/runs/a_-B9") && stop.timeout != nil)
    }

    @Test("an invalid run is an error before it is sent")
    func invalidRuns() {
        #expect(mistake("run") == "run needs the name of a command")
        #expect(mistake("run", "../x") == "invalid command name \"../x\"")
        #expect(mistake("run", "apply", "boston") == "a parameter is written NAME=VALUE: boston")
        #expect(mistake("run", "apply", "=boston") == "a parameter is written NAME=VALUE: =boston")
        let long = String(repeating: "x", count: 129)
        for value in ["", "a b", "a&b=c", "a/b", "ü", "a%20", long] {
            #expect(
                mistake("run", "apply", "db=\(value)")
                    == "invalid value of db: use 1 to 128 letters, digits, dots, dashes and underscores")
        }
        #expect(mistake("run", "apply", "--json") == "unknown argument --json")
        #expect(mistake("run", "apply", "--stop") == "--stop needs the ID of a run")
        #expect(mistake("run", "apply", "--stop", "a/b") == "invalid ID of a run")
        #expect(mistake("run", "apply", "a=b", "--stop", "x") == "--stop takes no parameters")
        #expect(mistake("commands", "apply") == "unknown argument apply")
    }

    @Test("the socket option is accepted before and after the name")
    func places() throws {
        #expect(try command("stop", "--control", "unix:/x", "cable").socket == "unix:/x")
        #expect(try command("stop", "cable", "--control=unix:/x").socket == "unix:/x")
        #expect(try command("status", "--config", "a.json").configurationFile == "a.json")
    }

    @Test("an invalid command has its own error")
    func mistakes() {
        #expect(mistake("start") == "start needs the name of a service")
        #expect(mistake("start", "a", "b") == "unknown argument b")
        #expect(mistake("status", "cable") == "unknown argument cable")
        #expect(mistake("start", "a", "--json") == "unknown argument --json")
        #expect(mistake("start", "a", "-f") == "unknown argument -f")
        #expect(mistake("unpin", "a", "--no-wait") == "unknown argument --no-wait")
        #expect(mistake("logs", "a", "-n", "many") == "-n needs a number of lines, up to 200")
        #expect(mistake("logs", "a", "-n") == "-n needs a number of lines, up to 200")
        #expect(mistake("stop", "a", "--control") == "--control needs unix:PATH")
        #expect(mistake("stop", "a", "--config") == "--config needs a file")
        #expect(mistake("stop", "../status") == "invalid service name \"../status\"")
        #expect(mistake("stop", "a?wait=0") == "invalid service name \"a?wait=0\"")
    }

    @Test("every command has its own help, and is in the list of all")
    func help() {
        for verb in ControlCommand.verbs {
            guard case .help(let text)? = ControlCommand.read([verb, "--help"]) else {
                Issue.record("\(verb) has no help")
                continue
            }
            #expect(text.hasPrefix("Usage: ondemandd \(verb) "))
            #expect(ControlCommand.list.contains("  \(verb) "))
        }
    }

    @Test("other arguments belong to the daemon itself")
    func others() {
        for words in [[], ["--config", "x"], ["explode", "cable"], ["--help"]] as [[String]] {
            #expect(ControlCommand.read(words) == nil)
        }
    }

    @Test("only commands that wait for a result or for lines have no timeout")
    func timeout() throws {
        #expect(try command("status").timeout == Limits.controlTimeout)
        #expect(try command("start", "a", "--no-wait").timeout == Limits.controlTimeout)
        #expect(try command("start", "a").timeout == nil)
        #expect(try command("logs", "a", "-f").timeout == nil)
    }
}
