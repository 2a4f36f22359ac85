/// A command of the configuration, as its runs are started. A run keeps the definition that it was started with.
struct CommandDefinition: Equatable, Sendable {
    let name: String
    /// For the status.
    let path: String
    /// Name of the cable whose clients get the output.
    let cable: String
    let launch: LaunchCommand
    let stream: RunStreamName
    /// Names of the parameters, in order.
    let parameters: [String]
    let timeout: Duration
    let maximumRunning: Int
    let stopPlan: StopPlan

    /// Returns the command of one run with its environment. Its own variables come before those of the configuration:
    /// no file changes what a request has said.
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
        return command
    }
}
