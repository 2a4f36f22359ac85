/// What can be asked over the control socket: a small HTTP interface, so that `curl --unix-socket` speaks it too.
enum ControlRequest: Equatable {
    case status(StatusForm)
    /// Unless it says otherwise, whoever asks waits for the outcome.
    case command(BackendCommand, service: String, waits: Bool)
    case logs(service: String, lines: Int, follows: Bool)
    case reload

    enum StatusForm: String {
        case json, text
        /// Text for a terminal that shows colours.
        case coloured
    }

    /// Where it is asked, which is also what its paths begin with.
    enum Place: String {
        /// On the control socket.
        case control = "v1"
        /// On the status listener, which leads here what is about one service.
        case status = "api"
    }

    /// Method and target as they came: `POST /v1/services/cable/start?wait=0`.
    init(reading line: String, at place: Place = .control) throws(ControlError) {
        let words = line.split(separator: " ", maxSplits: 1)
        let (method, target) = (words.first ?? "", words.last ?? "")
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = halves[0].split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { String($0) }
        let options = try Self.options(halves.count > 1 ? halves[1] : "")
        switch path.count {
        case 2 where path == [place.rawValue, "status"]:
            try Self.expect(method, "GET")
            self = .status(options["format"].flatMap(StatusForm.init) ?? .json)
        case 2 where path == [place.rawValue, "reload"]:
            try Self.expect(method, "POST")
            self = .reload
        case 4 where path[0] == place.rawValue && path[1] == "services" && path[3] == "logs":
            try Self.expect(method, "GET")
            let lines = try Self.lineCount(options["lines"])
            self = .logs(service: path[2], lines: lines, follows: options["follow"] == "1")
        case 4 where path[0] == place.rawValue && path[1] == "services":
            guard let command = BackendCommand(rawValue: path[3]) else { fallthrough }
            try Self.expect(method, "POST")
            self = .command(command, service: path[2], waits: options["wait"] != "0")
        default:
            let words = BackendCommand.allCases.map(\.rawValue).joined(separator: "|")
            let root = place.rawValue
            let others = place == .control ? "/v1/status, /v1/reload, " : ""
            throw ControlError(
                404,
                "Nothing is here; there are \(others)/\(root)/services/NAME/logs and /\(root)/services/NAME/(\(words))."
            )
        }
    }

    private static func expect(_ method: Substring, _ expected: String) throws(ControlError) {
        guard method != expected else { return }
        let allow = LocalReply.Field(name: "Allow", value: expected)
        throw ControlError(405, "This is asked with \(expected).", [allow])
    }

    private static func options(_ query: Substring) throws(ControlError) -> [String: String] {
        var options: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1).map { String($0) }
            guard halves.count == 2, ["format", "wait", "lines", "follow"].contains(halves[0]) else {
                throw ControlError(400, "The options are format=text, wait=0, lines=NUMBER and follow=1.")
            }
            options[halves[0]] = halves[1]
        }
        return options
    }

    private static func lineCount(_ text: String?) throws(ControlError) -> Int {
        guard let text else { return Limits.keptOutputLines }
        guard let count = Int(text), (0...Limits.keptOutputLines).contains(count) else {
            throw ControlError(400, "lines is a number up to \(Limits.keptOutputLines); no more are kept.")
        }
        return count
    }
}

/// A question that has no answer, and what is said instead.
struct ControlError: Error, Equatable {
    let response: LocalReply

    init(_ status: Int, _ sentence: String, _ fields: [LocalReply.Field] = []) {
        response = LocalReply(status: status, body: sentence, fields: fields)
    }

    static func unknown(_ name: String, known: [String]) -> ControlError {
        ControlError(404, "No service is named \"\(name)\"; there are \(known.joined(separator: ", ")).")
    }

    static func cannotBeRun(_ name: String) -> ControlError {
        ControlError(409, "\(name) has no command: ondemandd passes requests on to it and does not run it.")
    }
}

/// Who knows what the control socket is asked about.
protocol ControlSource: AnyObject {
    /// In the order of the configuration.
    var serviceNames: [String] { get }
    /// nil where there is nothing to start and stop.
    func backend(named name: String) -> BackendID?
    /// The last lines that it printed, each with its line end.
    func lastOutput(of id: BackendID) -> [String]
    /// Reads the configuration again.
    func reload() -> ReloadOutcome
}

extension LocalReply {
    /// What is said of an order.
    init(_ outcome: CommandResult) {
        switch outcome {
        case .done(let sentence): self.init(status: 200, body: sentence)
        case .failed(let sentence): self.init(status: 502, body: sentence)
        case .refused(let sentence): self.init(status: 409, body: sentence)
        }
    }

    /// What is said of a reload.
    init(_ outcome: ReloadOutcome) {
        switch outcome {
        case .done(let summary):
            let parts = summary.parts.map { "\($0.name) \($0.what)" }.joined(separator: "; ")
            self.init(status: 200, body: "reloaded: \(parts.isEmpty ? "nothing has changed" : parts)")
        case .refused(let lines): self.init(status: 409, body: lines.joined(separator: "\n"))
        case .tooLate: self.init(status: 409, body: "the daemon is shutting down")
        }
    }

    /// Of lines that come as they are printed, until the connection ends.
    static let lineStreamHead = Array(
        """
        HTTP/1.1 200 OK\r
        Content-Type: text/plain; charset=utf-8\r
        Cache-Control: no-store\r
        Connection: close\r
        \r

        """.utf8)
}
