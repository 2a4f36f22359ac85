/// A command for a running daemon: `ondemandd status`, `ondemandd start NAME` and others.
public struct ControlCommand: Equatable, Sendable {
    enum Action: Equatable {
        case status(ControlRequest.StatusForm)
        case operation(BackendOperation, service: String, waits: Bool)
        case logs(service: String, lines: Int, follows: Bool)
        case reload
        case broadcast(cable: String, stream: String, data: String)
        case commands(ControlRequest.StatusForm)
        case run(command: String, [Parameter])
        case stopRun(command: String, id: String)
    }

    /// A parameter of a run, of characters that a target may have as they are.
    struct Parameter: Equatable {
        let name: String
        let value: String
    }

    var action: Action
    /// `unix:PATH` as given.
    var socket: String?
    var configurationFile: String?

    /// The result of parsing a command line.
    public enum Reading: Equatable, Sendable {
        /// A complete command.
        case command(ControlCommand)
        /// A request for the usage.
        case help(String)
        /// One sentence on the error, and the usage.
        case mistake(String, usage: String)
    }

    /// All commands with their purpose, one per line.
    public static var list: String { ControlHelp.list }

    static let verbs =
        ["status", "logs", "reload", "broadcast", "commands", "run"] + BackendOperation.allCases.map(\.rawValue)

    /// Returns nil for another command.
    public static func read(_ words: [String]) -> Reading? {
        guard let verb = words.first, verbs.contains(verb) else { return nil }
        var reader = ControlCommandReader(verb: verb)
        return reader.read(words.dropFirst())
    }

    /// Method and target of the request.
    var request: (method: String, target: String) {
        switch action {
        case .status(let form): ("GET", "/v1/status?format=\(form.rawValue)")
        case .reload: ("POST", "/v1/reload")
        case .operation(let operation, let service, let waits):
            ("POST", "/v1/services/\(service)/\(operation.rawValue)\(waits ? "" : "?wait=0")")
        case .logs(let service, let lines, let follows):
            ("GET", "/v1/services/\(service)/logs?lines=\(lines)\(follows ? "&follow=1" : "")")
        case .broadcast(let cable, _, _): ("POST", "/v1/cables/\(cable)/broadcast")
        case .commands(let form): ("GET", "/v1/commands?format=\(form.rawValue)")
        case .run(let command, let parameters):
            (
                "POST",
                "/v1/commands/\(command)/run" + (parameters.isEmpty ? "" : "?")
                    + parameters.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
            )
        case .stopRun(let command, let id): ("DELETE", "/v1/commands/\(command)/runs/\(id)")
        }
    }

    /// Body of the request. nil: none.
    var body: [UInt8]? {
        guard case .broadcast(_, let stream, let data) = action else { return nil }
        return Array("{\"stream\":\(JSONText.quoted(stream)),\"data\":\(JSONText.quoted(data))}".utf8)
    }

    /// The command for a terminal with colours.
    func painted(_ paint: ANSIStyle) -> ControlCommand {
        guard paint == .colours else { return self }
        var command = self
        if action == .status(.text) { command.action = .status(.coloured) }
        if action == .commands(.text) { command.action = .commands(.coloured) }
        return command
    }

    /// Maximum time without a response. nil: unlimited, for commands that wait for a start or stop, which the daemon
    /// limits, for `logs --follow`, and for a run.
    var timeout: Duration? {
        switch action {
        case .operation(_, _, waits: true), .logs(_, _, follows: true), .run: nil
        case .status, .operation, .logs, .reload, .broadcast, .commands, .stopRun: Limits.controlTimeout
        }
    }
}

/// Parses the words after the command.
private struct ControlCommandReader {
    let verb: String
    private var name: String?
    /// Stream and data of a broadcast; parameters of a run.
    private var operands: [String] = []
    /// ID of the run to stop.
    private var run: String?
    private var socket: String?
    private var file: String?
    private var isJSON = false
    private var waits = true
    private var follows = false
    private var lines = Limits.keptOutputLines

    init(verb: String) { self.verb = verb }

    private var operation: BackendOperation? { BackendOperation(rawValue: verb) }
    private var isAboutAll: Bool { ["status", "reload", "commands"].contains(verb) }
    private var usage: String { ControlHelp.text(of: verb) }

    mutating func read(_ words: ArraySlice<String>) -> ControlCommand.Reading {
        var rest = words
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h": return .help(usage)
            case "--json" where verb == "status" || verb == "commands": isJSON = true
            case "--stop" where verb == "run":
                guard let id = rest.popFirst() else { return mistake("--stop needs the ID of a run") }
                run = id
            case "--no-wait" where operation.map { $0 != .unpin && $0 != .enable } ?? false: waits = false
            case "-f", "--follow":
                guard verb == "logs" else { return mistake("unknown argument \(word)") }
                follows = true
            case "-n" where verb == "logs":
                guard let count = rest.popFirst().flatMap({ Int($0) }), (0...Limits.keptOutputLines).contains(count)
                else { return mistake("-n needs a number of lines, up to \(Limits.keptOutputLines)") }
                lines = count
            case "--control", "--config":
                guard let value = rest.popFirst() else {
                    return mistake("\(word) needs \(word == "--config" ? "a file" : "unix:PATH")")
                }
                take(word, value)
            case _ where word.hasPrefix("--control=") || word.hasPrefix("--config="):
                let halves = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                take(String(halves[0]), String(halves[1]))
            case _ where verb == "broadcast" && name != nil && operands.count < 2: operands.append(word)
            case _ where verb == "run" && name != nil && !word.hasPrefix("-"): operands.append(word)
            case _ where word.hasPrefix("-") || isAboutAll || name != nil:
                return mistake("unknown argument \(word)")
            default: name = word
            }
        }
        return command()
    }

    private mutating func take(_ option: String, _ value: String) {
        if option == "--config" { file = value } else { socket = value }
    }

    private func command() -> ControlCommand.Reading {
        guard verb != "reload" else { return .command(command(.reload)) }
        guard verb != "status" else { return .command(command(.status(isJSON ? .json : .text))) }
        guard verb != "commands" else { return .command(command(.commands(isJSON ? .json : .text))) }
        let kind = verb == "broadcast" ? "cable" : verb == "run" ? "command" : "service"
        guard let name else { return mistake("\(verb) needs the name of a \(kind)") }
        // Other characters would change the request target.
        guard name.utf8.allSatisfy(HTTPByte.isNameByte), !name.isEmpty else {
            return mistake("invalid \(kind) name \"\(name.withoutControls)\"")
        }
        if verb == "broadcast" {
            guard operands.count == 2 else { return mistake("broadcast needs a cable, a stream and data") }
            return .command(command(.broadcast(cable: name, stream: operands[0], data: operands[1])))
        }
        if verb == "run" { return run(name) }
        guard let operation else { return .command(command(.logs(service: name, lines: lines, follows: follows))) }
        return .command(command(.operation(operation, service: name, waits: waits)))
    }

    /// Values are checked here too: other characters would change the request target.
    private func run(_ name: String) -> ControlCommand.Reading {
        if let run {
            guard operands.isEmpty else { return mistake("--stop takes no parameters") }
            guard !run.isEmpty, run.utf8.allSatisfy(HTTPByte.isNameByte) else { return mistake("invalid ID of a run") }
            return .command(command(.stopRun(command: name, id: run)))
        }
        var parameters: [ControlCommand.Parameter] = []
        for word in operands {
            let halves = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map { String($0) }
            guard halves.count == 2, !halves[0].isEmpty, halves[0].utf8.allSatisfy(HTTPByte.isNameByte) else {
                return mistake("a parameter is written NAME=VALUE: \(word.withoutControls)")
            }
            guard Limits.commandParameterBytes.contains(halves[1].utf8.count),
                halves[1].utf8.allSatisfy(HTTPByte.isNameByte)
            else {
                let most = Limits.commandParameterBytes.upperBound
                return mistake(
                    "invalid value of \(halves[0]): use 1 to \(most) letters, digits, dots, dashes and underscores")
            }
            parameters.append(.init(name: halves[0], value: halves[1]))
        }
        return .command(command(.run(command: name, parameters)))
    }

    private func command(_ action: ControlCommand.Action) -> ControlCommand {
        ControlCommand(action: action, socket: socket, configurationFile: file)
    }

    private func mistake(_ sentence: String) -> ControlCommand.Reading { .mistake(sentence, usage: usage) }
}

extension HTTPByte {
    /// Characters of names, of parameters and of the IDs of runs.
    fileprivate static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }
}

/// Help texts of the commands.
enum ControlHelp {
    private static let purposes: [(verb: String, synopsis: String, purpose: String)] = [
        ("status", "[--json]", "show the state of each service; --json for programs"),
        ("start", "NAME [--no-wait]", "start a service; wait until it is awake or has failed"),
        ("stop", "NAME [--no-wait]", "stop a service and close its connections; the next request wakes it"),
        ("restart", "NAME [--no-wait]", "restart a service; new requests are queued"),
        ("pin", "NAME [--no-wait]", "start a service and keep it awake"),
        ("unpin", "NAME", "let a service become idle again"),
        ("disable", "NAME [--no-wait]", "stop a service and reject its requests with 503"),
        ("enable", "NAME", "let requests wake a service again"),
        ("reload", "", "load the configuration again; an invalid file changes nothing"),
        ("logs", "NAME [-f] [-n LINES]", "print the last output lines; -f follows the output"),
        ("broadcast", "CABLE STREAM DATA", "send a message to the subscribers of a stream"),
        ("commands", "[--json]", "show the configured commands, their runs and the last results"),
        ("run", "NAME [PARAMETER=VALUE ...]", "start a run of a command and follow its output to its end"),
    ]

    /// All commands, one per line.
    static var list: String {
        purposes.map { "  \(padded("\($0.verb) \($0.synopsis)", 28))\($0.purpose)\n" }.joined()
    }

    static func text(of verb: String) -> String {
        guard let entry = purposes.first(where: { $0.verb == verb }) else { return "" }
        return """
            Usage: ondemandd \(entry.verb) \(entry.synopsis) [--control unix:PATH | --config FILE]

            \(entry.verb): \(entry.purpose).
            \(verb == "run" ? runHelp : "")
            The control socket is --control unix:PATH, else the variable ONDEMANDD_CONTROL, else "control" in the
            configuration FILE, else \(ControlAddress.usual).

            Exit codes: 0 success, 1 the command failed, 64 invalid arguments, 69 no daemon responds,
            78 invalid configuration.

            """
    }

    private static let runHelp = """

        The exit code is 0 if the program exited with status 0, else 1. Ctrl-C ends the command and leaves the
        run running. "ondemandd run NAME --stop ID" stops a run.

        """

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(1, width - text.count))
    }
}
