/// Requests on the control socket: a small HTTP interface, usable with `curl --unix-socket`.
enum ControlRequest: Equatable {
    case status(StatusForm)
    /// Waits for the result by default.
    case operation(BackendOperation, service: String, waits: Bool)
    case logs(service: String, lines: Int, follows: Bool)
    case reload
    case commands(StatusForm)
    /// Starts a run and follows its output.
    case run(command: String, parameters: [RunParameter])
    case runState(command: String, run: String)
    case stopRun(command: String, run: String)

    struct RunParameter: Equatable {
        let name: String
        let value: String
    }

    enum StatusForm: String {
        case json, text
        /// Text for a terminal with colours.
        case coloured
    }

    /// The listener of the request and the first segment of its paths.
    enum Place: String {
        /// The control socket.
        case control = "v1"
        /// The status listener, for requests about one service.
        case status = "api"
    }

    /// Method and target, such as `POST /v1/services/cable/start?wait=0`.
    init(reading line: String, at place: Place = .control) throws(ControlError) {
        let words = line.split(separator: " ", maxSplits: 1)
        let (method, target) = (words.first ?? "", words.last ?? "")
        let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = halves[0].split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { String($0) }
        let query = halves.count > 1 ? halves[1] : ""
        if place == .control, path.count >= 2, path[0] == place.rawValue, path[1] == "commands",
            let request = try Self.aboutCommands(method, Array(path.dropFirst(2)), query)
        {
            self = request
            return
        }
        let options = try Self.options(query)
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
            guard let operation = BackendOperation(rawValue: path[3]) else { fallthrough }
            try Self.expect(method, "POST")
            self = .operation(operation, service: path[2], waits: options["wait"] != "0")
        default:
            let words = BackendOperation.allCases.map(\.rawValue).joined(separator: "|")
            let root = place.rawValue
            let ofControl = "/v1/status, /v1/reload, /v1/commands, /v1/commands/NAME/run, /v1/commands/NAME/runs/ID, "
            let others = "\(place == .control ? ofControl : "")/\(root)/cables/NAME/broadcast, "
            throw ControlError(
                404,
                "Not found. Available: \(others)/\(root)/services/NAME/logs and /\(root)/services/NAME/(\(words))."
            )
        }
    }

    /// The query of a run has its parameters, whose names and values need no escapes. nil: another path.
    private static func aboutCommands(
        _ method: Substring, _ path: [String], _ query: Substring
    ) throws(ControlError) -> ControlRequest? {
        switch path.count {
        case 0:
            try expect(method, "GET")
            return .commands(try options(query)["format"].flatMap(StatusForm.init) ?? .json)
        case 2 where path[1] == "run":
            try expect(method, "POST")
            guard !query.isEmpty else { return .run(command: path[0], parameters: []) }
            let parameters = try query.split(separator: "&", omittingEmptySubsequences: false).map {
                pair throws(ControlError) in
                let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard halves.count == 2 else {
                    throw ControlError(400, "Invalid query. Parameters are written NAME=VALUE.")
                }
                return RunParameter(name: String(halves[0]), value: String(halves[1]))
            }
            return .run(command: path[0], parameters: parameters)
        case 3 where path[1] == "runs":
            guard method != "DELETE" else { return .stopRun(command: path[0], run: path[2]) }
            try expect(method, "GET", allowed: "GET, DELETE")
            return .runState(command: path[0], run: path[2])
        default: return nil
        }
    }

    private static func expect(
        _ method: Substring, _ expected: String, allowed: String? = nil
    ) throws(ControlError) {
        guard method != expected else { return }
        let allow = LocalReply.Field(name: "Allow", value: allowed ?? expected)
        throw ControlError(405, "Method not allowed; use \(allowed ?? expected).", [allow])
    }

    private static func options(_ query: Substring) throws(ControlError) -> [String: String] {
        var options: [String: String] = [:]
        for pair in query.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1).map { String($0) }
            guard halves.count == 2, ["format", "wait", "lines", "follow"].contains(halves[0]) else {
                throw ControlError(400, "Invalid query. Allowed: format=text, wait=0, lines=NUMBER and follow=1.")
            }
            options[halves[0]] = halves[1]
        }
        return options
    }

    private static func lineCount(_ text: String?) throws(ControlError) -> Int {
        guard let text else { return Limits.keptOutputLines }
        guard let count = Int(text), (0...Limits.keptOutputLines).contains(count) else {
            throw ControlError(400, "Invalid lines; use a number from 0 to \(Limits.keptOutputLines).")
        }
        return count
    }
}

/// A rejected request, with its response.
struct ControlError: Error, Equatable {
    let response: LocalReply

    init(_ status: Int, _ sentence: String, _ fields: [LocalReply.Field] = []) {
        response = LocalReply(status: status, body: sentence, fields: fields)
    }

    static func unknown(_ name: String, known: [String]) -> ControlError {
        ControlError(404, "No service is named \"\(name)\"; there are \(known.joined(separator: ", ")).")
    }

    static func unknownCommand(_ name: String, known: [String]) -> ControlError {
        guard !known.isEmpty else { return ControlError(404, "No commands are configured.") }
        return ControlError(404, "No command is named \"\(name)\"; there are \(known.joined(separator: ", ")).")
    }

    static func cannotBeRun(_ name: String) -> ControlError {
        ControlError(409, "\(name) has no command: the service is unmanaged.")
    }
}

extension LocalReply {
    /// The response to an operation.
    init(_ outcome: OperationResult) {
        switch outcome {
        case .done(let sentence): self.init(status: 200, body: sentence)
        case .failed(let sentence): self.init(status: 502, body: sentence)
        case .refused(let sentence): self.init(status: 409, body: sentence)
        }
    }

    /// The response to a reload.
    init(_ outcome: ReloadOutcome) {
        switch outcome {
        case .done(let summary):
            let parts = summary.parts.map { "\($0.name) \($0.what)" }.joined(separator: "; ")
            self.init(status: 200, body: "reloaded: \(parts.isEmpty ? "nothing has changed" : parts)")
        case .refused(let lines): self.init(status: 409, body: lines.joined(separator: "\n"))
        case .tooLate: self.init(status: 409, body: "the daemon is shutting down")
        }
    }

    /// Head of a response with a stream of lines until the connection closes.
    static let lineStreamHead = Array(
        """
        HTTP/1.1 200 OK\r
        Content-Type: text/plain; charset=utf-8\r
        Cache-Control: no-store\r
        Connection: close\r
        \r

        """.utf8)
}
