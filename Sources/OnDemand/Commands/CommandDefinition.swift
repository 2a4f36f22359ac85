/// A command of the configuration, as its runs are started. A run keeps the definition that it was started with.
struct CommandDefinition: Equatable, Sendable {
    var name: String
    /// Name of the cable whose clients get the output.
    var cable: String
    var launch: LaunchCommand
    var stream: RunStreamName
    /// Names of the parameters, in order. A request has exactly these.
    var parameters: [String] = []
    /// Of a run, from its start to the begin of its stop plan.
    var timeout: Duration = .seconds(600)
    /// Runs at the same time; a request for one more gets 409.
    var maximumRunning = 1
    var stopPlan = StopPlan.politely(for: .seconds(5))

    /// Returns the command of one run with its environment. Its own variables come before those of the configuration,
    /// and no other ones have their names: no file and no variable of the daemon changes what a request has said.
    func launch(_ request: RunRequest, id: RunID, directory: String?) -> LaunchCommand {
        var command = launch
        var own = request.variables(parameters) + [.init(name: "RUN_ID", value: id.text)]
        let names = own.map(\.name)
        command.environment.removeAll { names.contains($0.name) }
        func add(_ name: String, _ value: String) {
            if !command.environment.contains(where: { $0.name == name }) { own.append(.init(name: name, value: value)) }
        }
        add("TERM", "xterm-256color")
        if let directory { add("PWD", directory) }
        command.environment += own
        command.withheldVariables = ["RUN_ID", "\(RunRequest.variablePrefix)*"]
        return command
    }
}
