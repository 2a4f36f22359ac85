import Foundation
import Testing

@testable import OnDemand

struct CommandLineTests {
    @Test("--help prints the help and succeeds", arguments: ["--help", "-h", "help"])
    func help(argument: String) throws {
        let run = try Executable(argument)
        #expect(run.status == 0)
        #expect(run.output.hasPrefix("Usage: ondemandd --config FILE"))
        for option in ["--config", "--check", "--help", "--version"] { #expect(run.output.contains(option)) }
        #expect(run.errors.isEmpty)
    }

    @Test("--version prints one line")
    func version() throws {
        let run = try Executable("--version")
        #expect(run.status == 0 && run.output == "ondemandd \(Version.text)\n" && run.errors.isEmpty)
    }

    @Test(
        "an invalid argument is named, with the usage, and exits with 64",
        arguments: [
            (["--colour"], "unknown argument --colour"), (["--config"], "--config needs a file"),
            (["--config="], "--config FILE is missing"), (["--check"], "--config FILE is missing"),
            ([], "--config FILE is missing"),
            (["file.json"], "unknown command file.json; name a configuration with --config file.json"),
            (["statu"], "unknown command statu; did you mean \"status\"?"),
            (["sotp"], "unknown command sotp; did you mean \"stop\"?"),
            (["frobnicate"], "unknown command frobnicate"),
            (["--config", "a.json", "extra"], "unknown argument extra"),
        ])
    func mistakes(arguments: [String], sentence: String) throws {
        let run = try Executable(arguments)
        #expect(run.status == 64)
        #expect(run.errors.hasPrefix("ondemandd: \(sentence)\n\nUsage: "))
        #expect(run.errors.split(separator: "\n").count <= 4, "the error stays visible above it")
        #expect(run.output.isEmpty)
    }

    @Test("a valid configuration is checked without output")
    func soundConfiguration() throws {
        let file = try TemporaryFile(Sample.example)
        for arguments in [["--check", "--config", file.path], ["--config=\(file.path)", "--check"]] {
            let run = try Executable(arguments)
            #expect(run.status == 0 && run.output.isEmpty && run.errors.isEmpty, "\(run)")
        }
    }

    @Test("check prints warnings to standard error and exits with 0")
    func warnings() throws {
        let file = try TemporaryFile(CableKeyTests.file(#""streams": {"public": true}"#))
        let run = try Executable("check", "--config", file.path)
        #expect(run.status == 0 && run.output.isEmpty)
        #expect(run.errors.hasPrefix("\(file.path):2:9: warning: cables[0].name: no program can publish"))
        #expect(run.errors.split(separator: "\n").count == 1)
    }

    @Test("the configuration is expanded with the process's environment")
    func environment() throws {
        let file = try TemporaryFile(Sample.example)
        let run = try Executable("--check", "--config", file.path, environment: ["ENABLE_ACTION_CABLE": "perhaps"])
        #expect(run.status == 78)
        #expect(run.errors.contains("perhaps") && run.errors.contains("ENABLE_ACTION_CABLE"))
    }

    @Test("every error of an invalid configuration has file, line and column, and the exit status is 78")
    func wrongConfiguration() throws {
        let file = try TemporaryFile("{\n  \"listne\": \"127.0.0.1:0\",\n  \"reverse_proxies\": 7\n}\n")
        for check in [true, false] {
            let run = try Executable(["--config", file.path] + (check ? ["--check"] : []))
            #expect(run.status == 78 && run.output.isEmpty)
            #expect(run.errors.contains("\(file.path):2:3: error: "))
            #expect(run.errors.contains("\(file.path):3:22: error: "))
        }
    }

    @Test("invalid JSON is reported at its position")
    func noJSON() throws {
        let file = try TemporaryFile("{\n  \"listen\": oops\n}\n")
        let run = try Executable("--check", "--config", file.path)
        #expect(run.status == 78 && run.errors.hasPrefix("\(file.path):2:13: error: "))
    }

    @Test("an unreadable file is named, with the reason, and exits with 78", arguments: [true, false])
    func unreadable(check: Bool) throws {
        let run = try Executable(["--config", "/nowhere/at/all.json"] + (check ? ["--check"] : []))
        #expect(run.status == 78)
        #expect(run.errors == "/nowhere/at/all.json: error: no such file or directory\n")
        let directory = try Executable(["--config", "/tmp"] + (check ? ["--check"] : []))
        #expect(directory.status == 78 && directory.errors == "/tmp: error: is a directory\n")
    }

    @Test("a command without a daemon names the socket and exits with 69")
    func noDaemon() throws {
        let run = try Executable("status", "--control", "unix:/nowhere/at/all.sock")
        #expect(run.status == 69 && run.output.isEmpty)
        #expect(run.errors == "ondemandd: no daemon answers at unix:/nowhere/at/all.sock: no such file or directory\n")
        let byVariable = try Executable(["stop", "a"], environment: ["ONDEMANDD_CONTROL": "unix:/nowhere/x.sock"])
        #expect(byVariable.status == 69 && byVariable.errors.contains("unix:/nowhere/x.sock"))
    }

    @Test("a command without a socket explains how to select the daemon")
    func usualDaemon() {
        let usual = ControlClient<LinuxKernel>.Failure.nobodyThere(.noSuchFile).sentence(ControlAddress.usual)
        #expect(usual.hasPrefix("no daemon answers at unix:/run/ondemandd/control.sock: no such file or directory\n"))
        for way in ["--config FILE", "--control unix:PATH", "ONDEMANDD_CONTROL"] { #expect(usual.contains(way)) }
    }

    @Test("an incomplete command names the missing argument and its usage, and exits with 64")
    func senselessCommand() throws {
        let run = try Executable("start")
        #expect(run.status == 64)
        #expect(run.errors.hasPrefix("ondemandd: start needs the name of a service\n\nUsage: ondemandd start NAME"))
        let port = try Executable("status", "--control", "127.0.0.1:80")
        #expect(
            port.status == 64 && port.errors == "ondemandd: 127.0.0.1:80 is not a control socket: write unix:PATH\n")
        #expect(try Executable("logs", "--help").output.hasPrefix("Usage: ondemandd logs NAME [-f]"))
    }

    @Test(
        "every command for a running daemon has a help text and contacts no daemon for it",
        arguments: ControlCommand.verbs)
    func controlHelp(verb: String) throws {
        let run = try Executable([verb, "--help"], environment: ["ONDEMANDD_CONTROL": "unix:/nowhere/x.sock"])
        #expect(run.status == 0 && run.errors.isEmpty && run.output.hasPrefix("Usage: ondemandd \(verb) "))
        #expect(run.output.contains("Exit codes:"))
    }

    @Test("check is an alias of --check")
    func checkCommand() throws {
        let right = try TemporaryFile(Sample.example)
        let run = try Executable("check", "--config", right.path)
        #expect(run.status == 0 && run.output.isEmpty && run.errors.isEmpty, "\(run)")
        let wrong = try TemporaryFile("{}")
        let (command, alias) = (
            try Executable("check", "--config=\(wrong.path)"), try Executable("--check", "--config", wrong.path)
        )
        #expect(command.status == 78 && command.errors == alias.errors && command.errors.contains(wrong.path))
    }

    @Test("explain prints the effects of a configuration, or its errors")
    func explainCommand() throws {
        let file = try TemporaryFile(Sample.example)
        let run = try Executable("explain", "--config", file.path, environment: ["ENABLE_ACTION_CABLE": "1"])
        #expect(run.status == 0 && run.errors.isEmpty)
        #expect(run.output.contains("15m after the last request and WebSocket ended it is stopped."))
        let wrong = try TemporaryFile("{}")
        let refused = try Executable("explain", "--config", wrong.path)
        #expect(refused.status == 78 && refused.output.isEmpty && refused.errors.contains("\"listen\" is missing"))
    }

    @Test(
        "the output of init is a valid configuration, without its notes",
        arguments: ConfigurationTemplate.allCases)
    func initCommand(kind: ConfigurationTemplate) throws {
        let written = try Executable("init", kind.rawValue)
        #expect(written.status == 0 && written.output == kind.text && written.errors == kind.notes)
        let file = try TemporaryFile(written.output)
        let check = try Executable("check", "--config", file.path)
        #expect(check.status == 0 && check.errors.isEmpty, "\(check.errors)")
    }

    @Test("init without an argument prints the generic one")
    func initPlain() throws { #expect(try Executable("init").output == ConfigurationTemplate.generic.text) }

    @Test("config schema prints the schema")
    func schemaCommand() throws {
        let run = try Executable("config", "schema")
        #expect(run.status == 0 && run.output == ConfigurationSchema.text && run.errors.isEmpty)
    }

    @Test("config show prints the effective values, or the errors of the file")
    func showCommand() throws {
        let file = try TemporaryFile(Sample.example)
        let run = try Executable("config", "show", "--config", file.path, environment: ["ENABLE_ACTION_CABLE": "1"])
        #expect(run.status == 0 && run.errors.isEmpty)
        #expect(run.output.contains("ENABLE_ACTION_CABLE from the environment\n"))
        let machine = try Executable("config", "show", "--json", "--config=\(file.path)")
        #expect(throws: Never.self) { try JSONReader.read(Array(machine.output.utf8)) }
        let wrong = try TemporaryFile("{}")
        let refused = try Executable("config", "show", "--config", wrong.path)
        #expect(refused.status == 78 && refused.output.isEmpty && refused.errors.contains("\"listen\" is missing"))
    }

    @Test(
        "each command about a configuration has a help text, and names an invalid argument",
        arguments: [
            (["check"], "--config FILE is missing"), (["explain", "--config"], "--config needs a file"),
            (["explain", "file.json"], "unknown argument file.json"),
            (["config"], "config needs a word: schema or show"), (["config", "edit"], "unknown argument edit"),
            (["config", "schema", "now"], "unknown argument now"), (["config", "show"], "--config FILE is missing"),
            (["config", "show", "a.json"], "unknown argument a.json"),
            (["init", "django"], "django is neither rails-actioncable nor generic nor cable"),
            (["init", "generic", "twice"], "twice is neither rails-actioncable nor generic nor cable"),
        ])
    func configurationCommandMistakes(words: [String], sentence: String) throws {
        let run = try Executable(words)
        #expect(run.status == 64 && run.output.isEmpty)
        #expect(run.errors.hasPrefix("ondemandd: \(sentence)\n\nUsage: ondemandd \(words[0]) "))
        let help = try Executable(words + ["--help"])
        #expect(help.status == 0 && help.errors.isEmpty && help.output.hasPrefix("Usage: ondemandd \(words[0]) "))
        #expect(try Executable("--help").output.contains("\n  \(words[0]) "))
    }

    @Test("an address that the system rejects is named and exits with 71")
    func refusedAddress() throws {
        let kernel = try LinuxKernel()
        let listener = try kernel.listen(at: .ipv4(octets: [127, 0, 0, 1], port: 0))
        defer { kernel.close(listener.descriptor) }
        let text = "{\"listen\": \"\(listener.address)\", \"reverse_proxies\": [{\(Sample.plain)}]}"
        let file = try TemporaryFile(text)
        let run = try Executable("--config", file.path)
        #expect(run.status == 71)
        #expect(run.errors.hasSuffix("ondemandd: bind \(listener.address): address already in use\n"))
    }
}
