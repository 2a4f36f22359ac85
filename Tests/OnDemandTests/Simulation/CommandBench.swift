@testable import OnDemand

/// A daemon with one command on a simulated kernel, whose programs follow scripts.
final class CommandBench {
    static let key = "0123456789abcdef"

    let cables: CableBench

    /// `programs`: the scripts of the runs, one after the other; the last one repeats.
    init(
        _ programs: [ChildScript], seed: UInt64 = 1, hasRedis: Bool = false,
        _ adjust: (inout Configuration) -> Void = { _ in }
    ) throws {
        let command = try Self.command()
        cables = try CableBench(seed: seed, hasRedis: hasRedis) { configuration in
            configuration.commands = [command]
            adjust(&configuration)
        }
        kernel.children.add(programs, BackendPolicy(), at: Scenario.address(of: 0))
        kernel.children.requirements.append([])
        kernel.children.tellsReadiness.append(false)
    }

    static func command() throws -> Configuration.Command {
        let definition = CommandDefinition(
            name: "apply", cable: "cable", launch: LaunchCommand(command: "0"),
            stream: try RunStreamName("out_{database}_{id}", parameters: ["database"]), parameters: ["database"],
            timeout: .seconds(60))
        return Configuration.Command(
            definition: definition, path: try PathPattern(parsing: "/apply"), key: BearerToken.accessKey(key)!)
    }

    var kernel: SimulatedKernel { cables.kernel }
    var daemon: Daemon<SimulatedKernel> { cables.daemon }
    var runner: CommandRunner<SimulatedKernel> { daemon.supervisor.runner }

    func run(for duration: Duration, until isEnough: () -> Bool = { false }) {
        cables.run(for: duration, until: isEnough)
    }

    struct Response {
        let status: Int?
        let text: String

        var head: String { text.components(between: "", and: "\r\n\r\n") }
        var body: JSONValue? { try? JSONReader.read(Array(text.components(between: "\r\n\r\n", and: nil).utf8)) }

        subscript(name: String) -> String? {
            switch body?.member(name)?.content {
            case .string(let text): text
            case .number(let number): number.text
            case .null, .boolean, .array, .object, nil: nil
            }
        }
    }

    @discardableResult
    func ask(
        _ method: String, _ path: String = "/apply", body: String = "", key: String? = CommandBench.key
    ) -> Response {
        var lines = ["\(method) \(path) HTTP/1.1", "Host: example.test", "Content-Length: \(body.utf8.count)"]
        if let key { lines.append("Authorization: Bearer \(key)") }
        let peer = cables.connect(capacity: 1_000_000)
        peer.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n\(body)").utf8))
        run(for: .seconds(1)) { !peer.heard.isEmpty }
        peer.socket.close()
        run(for: .milliseconds(1))
        let text = String(decoding: peer.heard, as: UTF8.self)
        return Response(status: Int(text.dropFirst(9).prefix(3)), text: text)
    }

    func start(database: String = "boston") -> (id: String, stream: String)? {
        let response = ask("POST", body: "{\"database\":\"\(database)\"}")
        guard response.status == 202, let id = response["id"], let stream = response["stream"] else { return nil }
        return (id, stream)
    }

    func state(of id: String) -> Response { ask("GET", "/apply/\(id)") }

    /// The messages that a client has, in order.
    static func messages(of client: CableBench.Client) -> [String] {
        client.news.compactMap { text in
            guard let value = try? JSONReader.read(Array(text.utf8)),
                case .string(let message)? = (value.member("message") ?? value.member("data"))?.content
            else { return nil }
            return message
        }
    }

    /// Nothing of a run is left, and nothing waits.
    func rest() -> [String] {
        run(for: .seconds(40))
        kernel.judgeGuard()
        var left = kernel.complaints
        if !runner.isIdle || !runner.runs.isEmpty { left.append("a run is left") }
        if !kernel.children.all.isEmpty { left.append("\(kernel.children.all.count) processes are left") }
        if cables.connectionCount != 0 { left.append("\(cables.connectionCount) descriptors are left") }
        if !daemon.hasExited, daemon.reactor.hasTimers { left.append("a timer is armed") }
        if daemon.cableServer.awaitsSubscriber { left.append("a stream is awaited") }
        return left
    }
}

extension String {
    /// The text behind the first occurrence of one text and in front of the next of another. nil: to the end.
    fileprivate func components(between start: String, and end: String?) -> String {
        let begin = start.isEmpty ? startIndex : firstRange(of: start)?.upperBound ?? endIndex
        let rest = self[begin...]
        guard let end, let range = rest.firstRange(of: end) else { return String(rest) }
        return String(rest[..<range.lowerBound])
    }
}

extension ChildScript {
    /// A program that prints, and exits unless it has to be stopped.
    static func printing(
        _ output: [(Duration, String)] = [], exitsAfter: Duration? = .milliseconds(100), exit: Exit = .status(0)
    ) -> ChildScript {
        var script = ChildScript(listensAfter: nil, exitsAfter: exitsAfter, exit: exit)
        script.output = output.map { Output(after: $0, bytes: Array($1.utf8)) }
        return script
    }
}
