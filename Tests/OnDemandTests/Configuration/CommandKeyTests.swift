import Testing

@testable import OnDemand

/// Commands as an operator writes them.
struct CommandKeyTests {
    /// The example of the issue.
    static let example = #"""
        { "listen": "127.0.0.1:3000",
          "cables": [{ "name": "cable", "path": "/cable", "streams": { "secret": "s" } }],
          "commands": [
            { "name": "apply", "path": "/commands/apply", "cable": "cable", "key": "${COMMANDS_KEY}",
              "command": "ruby", "args": ["bin/apply-changes.rb"], "working_dir": "/rails", "env": { "A": "b" },
              "stream": "command_output_{database}_{user_id}_{id}", "params": ["database", "user_id"],
              "timeout": "20m", "max_running": 2, "stop": ["INT", "1s", "KILL"] }
          ] }
        """#
    static let key = "0123456789abcdef"

    /// A file with a cable and, in the second line, a command with these members besides the required ones.
    static func file(
        _ members: String, without: String = "", cables: String = #"{"name": "c", "path": "/c"}"#, top: String = ""
    ) -> String {
        let required = [
            "name": "\"r\"", "path": "\"/r\"", "cable": "\"c\"", "key": "\"\(key)\"", "command": "\"x\"",
            "stream": "\"r-{id}\"",
        ]
        let parts =
            required.filter { $0.key != without && !members.contains("\"\($0.key)\":") }.sorted { $0 < $1 }
            .map { "\"\($0.key)\": \($0.value)" } + (members.isEmpty ? [] : [members])
        return
            "{\"listen\":\"127.0.0.1:3000\",\"cables\":[\(cables)],\"commands\":[\n{\(parts.joined(separator: ", "))}]"
            + "\(top)}"
    }

    private func review(_ file: String, _ environment: [String: String] = [:]) throws(ConfigurationErrors) -> (
        commands: [Configuration.Command], warnings: [String]
    ) {
        let (configuration, warnings) = try Configuration.review(Array(file.utf8), environment: environment)
        return (configuration.commands, warnings.map(\.sentence))
    }

    private func sentences(_ file: String, _ environment: [String: String] = [:]) -> [String] {
        do throws(ConfigurationErrors) {
            _ = try review(file, environment)
            return []
        } catch {
            return error.all.map { "\($0.path): \($0.sentence)" }
        }
    }

    @Test("the example is read completely")
    func wholeExample() throws {
        let commands = try review(Self.example, ["COMMANDS_KEY": Self.key]).commands
        let definition = CommandDefinition(
            name: "apply", cable: "cable",
            launch: LaunchCommand(
                command: "ruby", arguments: ["bin/apply-changes.rb"], workingDirectory: "/rails",
                environment: [.init(name: "A", value: "b")]),
            stream: try RunStreamName(
                "command_output_{database}_{user_id}_{id}", parameters: ["database", "user_id"]),
            parameters: ["database", "user_id"], timeout: .seconds(1200), maximumRunning: 2,
            stopPlan: StopPlan(steps: [.init(signal: .interrupt, timeout: .seconds(1))]))
        let expected = Configuration.Command(
            definition: definition, path: try PathPattern(parsing: "/commands/apply"),
            key: try #require(BearerToken(Self.key)))
        #expect(commands == [expected])
        #expect(commands.first?.streamTemplate == "command_output_{database}_{user_id}_{id}")
    }

    @Test("a command without settings has the documented defaults")
    func defaults() throws {
        let command = try #require(try review(Self.file("")).commands.first)
        #expect(command.timeout == .seconds(600) && command.maximumRunning == 1 && command.parameters == [])
        #expect(command.stopPlan == .politely(for: .seconds(5)) && command.launch == LaunchCommand(command: "x"))
    }

    @Test("each run has a path below the command's")
    func runPath() throws {
        let command = try #require(try review(Self.file("")).commands.first)
        #expect(command.runPath == (try PathPattern(parsing: "/r/{id}")))
    }

    @Test("each required key is missed", arguments: ["name", "path", "cable", "key", "command", "stream"])
    func required(key: String) {
        #expect(sentences(Self.file("", without: key)).contains { $0.contains("\"\(key)\" is missing") })
    }

    @Test(
        "an invalid value is an error with a sentence",
        arguments: [
            (#""max_runing": 1"#, "did you mean \"max_running\"?"),
            (#""name": "a b""#, "is not a valid name"),
            (#""path": "/r/{x}""#, "is not an exact path"), (#""path": "/r/*""#, "is not an exact path"),
            (#""path": "/r/""#, "is not an exact path"), (#""path": "/""#, "is not an exact path"),
            (#""path": "/*""#, "is not an exact path"), (#""path": "r""#, "does not begin with a slash"),
            (#""path": "/a/../r""#, "which is never routed"),
            (#""cable": "d""#, "is not the name of a cable; did you mean \"c\"?"),
            (#""key": "short""#, "bytes; write 16 to 1024"), (#""key": """#, "has 0 bytes"),
            (#""key": "0123456789 abcdef""#, "has a space or control character"),
            (#""command": "rm -rf""#, "cannot be run"),
            (#""params": "database""#, "expected a list of names"),
            (#""params": ["a", "a"]"#, "is a parameter already"),
            (#""params": ["id"]"#, "is the ID of the run"), (#""params": [""]"#, "is not a name of a parameter"),
            (#""params": ["Database"]"#, "is not a name of a parameter"),
            (#""params": ["1a"]"#, "is not a name of a parameter"),
            (#""params": ["_a"]"#, "is not a name of a parameter"),
            (#""params": ["a-b"]"#, "is not a name of a parameter"), (#""params": ["a=b"]"#, "is not a name"),
            (#""stream": """#, "a stream needs a name"), (#""stream": "a{id""#, "without \"}\""),
            (#""stream": "a}""#, "not part of a {parameter}"),
            (#""stream": "a{x}{id}""#, "neither one of the \"params\""),
            (#""params": ["database"], "stream": "{databse}_{id}""#, "did you mean \"database\"?"),
            (#""params": ["a"], "stream": "{a}""#, "may become a name that Action Cable"),
            (#""params": ["a"], "stream": "__any{a}""#, "may become a name that Action Cable"),
            (#""params": ["a"], "stream": "action_{a}/{id}""#, "may become a name"),
            (#""stream": "__anycable__""#, "may become a name that Action Cable"),
            (#""timeout": "0""#, "expected a duration from 1s to"),
            (#""timeout": "25h""#, "expected a duration from"),
            (#""timeout": 5"#, "expected a duration in quotes"),
            (#""max_running": 0"#, "from 1 to 100"), (#""max_running": 101"#, "from 1 to 100"),
            (#""stop": []"#, "the list is empty"), (#""stop": ["HALT"]"#, "is not one of"),
            (#""env": {"RUN_ID": "1"}"#, "set by the daemon itself, for each run"),
            (#""env": {"PARAM_X": "1"}"#, "set by the daemon itself, for each run"),
            (#""env": {"A=B": "1"}"#, "is not a variable name"),
        ])
    func mistakes(members: String, sentence: String) {
        let found = sentences(Self.file(members))
        #expect(found.contains { $0.contains(sentence) && $0.hasPrefix("commands[0]") }, "\(found)")
    }

    @Test("an ID in a stream's name is too random for a reserved one, unless it follows one")
    func reserved() {
        #expect(sentences(Self.file(#""params": ["a"], "stream": "{a}_{id}""#)) == [])
        #expect(sentences(Self.file(#""stream": "{id}/action_cable/""#)) == [])
        #expect(sentences(Self.file(#""stream": "action_cable/{id}""#)).count == 1)
    }

    @Test("lists and names are bounded")
    func bounds() {
        let names = (0...32).map { "\"p\($0)\"" }.joined(separator: ",")
        #expect(sentences(Self.file("\"params\": [\(names)]")).contains { $0.contains("more than 32 items") })
        let long = String(repeating: "p", count: 65)
        #expect(sentences(Self.file("\"params\": [\"\(long)\"]")).contains { $0.contains("1 to 64") })
        let places = String(repeating: "{p}", count: 8)
        #expect(sentences(Self.file("\"params\": [\"p\"], \"stream\": \"\(places)\"")).isEmpty == false)
        #expect(
            sentences(Self.file("\"params\": [\"p\"], \"stream\": \"x-\(places)\"")).contains { $0.contains("1024") })
        let fewer = String(repeating: "{p}", count: 7)
        #expect(sentences(Self.file("\"params\": [\"p\"], \"stream\": \"x-\(fewer)\"")) == [])
        let one =
            #"{"name": "r#", "path": "/r#", "cable": "c", "key": "0123456789abcdef", "command": "x", "stream": "s{id}"}"#
        let commands = (0...64).map { one.replacing("#", with: "\($0)") }.joined(separator: ",")
        let file = #"{"listen": 1, "cables": [{"name": "c", "path": "/c"}], "commands": [\#(commands)]}"#
        #expect(sentences(file) == ["commands: the list has more than 64 items"])
    }

    @Test("names and paths are unique, also among the paths of runs")
    func conflicts() {
        let service = #", "reverse_proxies": [{"name": "NAME", "path": "PATH", "target": "http://127.0.0.1:1"}]"#
        func top(_ name: String, _ path: String) -> String {
            service.replacing("NAME", with: name).replacing("PATH", with: path)
        }
        #expect(sentences(Self.file("", top: top("r", "/x"))).first?.contains("already the name at") == true)
        #expect(sentences(Self.file("", top: top("s", "/r"))).first?.contains("matches the same paths as") == true)
        #expect(sentences(Self.file("", top: top("s", "/r/{x}"))).first?.contains("\"/r/{id}\"") == true)
        #expect(sentences(Self.file("", top: top("s", "/r/*"))) == [])
        #expect(sentences(Self.file(#""path": "/c""#)).count == 1)
    }

    @Test(
        "no message repeats the key",
        arguments: [#""key": "hushhush""#, #""key": "${SECRET}""#, #""key": 4711"#, #""key": "hushhushhush hush""#])
    func secrets(members: String) {
        let found = sentences(Self.file(members), ["SECRET": "hush"]).joined()
        #expect(!found.isEmpty && !found.contains("hush") && !found.contains("4711"), "\(found)")
    }

    @Test("doubtful settings are warnings")
    func warnings() throws {
        #expect(try review(Self.file(#""stream": "output""#)).warnings.contains { $0.contains("write {id}") })
        #expect(try review(Self.file("")).warnings.contains { $0.contains("every subscription is rejected") })
        let arguments = #""params": ["database"], "args": ["-v", "--db={database}"]"#
        #expect(
            try review(Self.file(arguments)).warnings.contains {
                $0 == "argument 2 has {database}, which stays as it is; the program reads the parameter from the"
                    + " variable PARAM_DATABASE"
            })
        let cable = #"{"name": "c", "path": "/c", "streams": {"secret": "x"}}"#
        #expect(try review(Self.file("", cables: cable)).warnings == [], "a command publishes to its cable")
    }

    // MARK: - Reload

    @Test("a reload names changed, added and removed commands")
    func reload() throws {
        func command(_ name: String, timeout: Int = 60) throws -> Configuration.Command {
            var command = try #require(try review(Self.file("")).commands.first)
            command.name = name
            command.timeout = .seconds(timeout)
            return command
        }
        let old = Configuration(commands: [try command("a"), try command("b"), try command("c")])
        let new = Configuration(commands: [try command("d"), try command("b", timeout: 5), try command("a")])
        let plan = ReloadPlan(from: old, to: new)
        #expect(plan.commandChanges == [.added, .changed, .unchanged] && plan.removedCommands == [2])
        #expect(!plan.changesSettings)
        let summary = ReloadSummary(plan, from: old, to: new)
        #expect(summary.parts.map { "\($0)=\($1)" } == ["added=d", "changed=b", "removed=c"])
    }

    // MARK: - Output

    @Test("the example is explained from its start to a reload")
    func explained() throws {
        let configuration = try Configuration.read(
            Array(Self.example.utf8), environment: ["COMMANDS_KEY": Self.key])
        let text = Explanation(configuration: configuration).text
        #expect(
            text.contains(
                """
                apply: POST /commands/apply
                  start          A request with the key starts a run; others get 401. Its body is a JSON object with
                                 the parameters database, user_id; another one gets 400. Up to 2 runs at a time; one
                                 more gets 409.
                  program        Command: ruby bin/apply-changes.rb in /rails. It has a terminal of its own, and the
                                 variables RUN_ID, PARAM_DATABASE, PARAM_USER_ID.
                  output         It goes to the stream command_output_{database}_{user_id}_{id} of cable.
                  timeout        20m after its start a run is stopped.
                  stop           INT to all its processes; 1s later KILL.
                  changed file   A reload leaves every run alone. Without the command, new requests get 404, and its
                                 runs go on until they end.

                """), "\(text)")
        let sentences = text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
        #expect(sentences.contains("to finish, runs of commands are stopped by their stop plans, and then"))
        #expect(!text.contains(Self.key))
        let plain = try Configuration.read(Array(Self.file(#""stream": "r""#).utf8), environment: [:])
        let words = Explanation(configuration: plain).text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
        #expect(words.contains("with no parameter; another one gets 400. Up to 1 run at a time;"))
        #expect(words.contains("Runs share it, so a subscriber hears later runs too."))
    }

    @Test("the effective configuration masks the key")
    func effective() throws {
        let text = try EffectiveConfiguration(Array(Self.example.utf8), environment: ["COMMANDS_KEY": Self.key])
            .text(file: "f")
        #expect(text.contains("commands[0].key") && !text.contains(Self.key))
        #expect(text.contains("commands[0].max_running") && text.contains("commands[0].timeout"))
    }
}
