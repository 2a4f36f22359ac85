/// What to run as a backend, exactly as the configuration says it.
struct LaunchCommand: Equatable, Sendable {
    /// Found on PATH when it has no slash.
    var command: String
    var arguments: [String] = []
    /// Relative to the daemon's own directory.
    var workingDirectory = "."
    /// Merged over the daemon's environment, in the order written.
    var environment: [Variable] = []

    /// The same with these variables under its own.
    func over(_ variables: [Variable]) -> LaunchCommand {
        guard !variables.isEmpty else { return self }
        var command = self
        let names = environment.map(\.name)
        command.environment = variables.filter { !names.contains($0.name) } + environment
        return command
    }

    /// For people: what a shell would split is in quotes.
    var shown: String {
        ([command] + arguments).map { word in
            word.isEmpty || word.contains(" ") ? JSONText.quoted(word) : word.withoutControls
        }.joined(separator: " ")
    }

    struct Variable: Equatable, Sendable {
        let name: String
        let value: String
    }

    /// `{port}` in its arguments and variables is its port, and so is PORT.
    var isToldItsPort = false

    /// The command for one start; a PORT that the operator set stands.
    func told(_ port: UInt16) -> LaunchCommand {
        var command = self
        command.arguments = arguments.map { Self.fill(port, into: $0) }
        command.environment = environment.map { .init(name: $0.name, value: Self.fill(port, into: $0.value)) }
        if !environment.contains(where: { $0.name == "PORT" }) {
            command.environment.append(.init(name: "PORT", value: "\(port)"))
        }
        return command
    }

    /// What stands for the port in arguments, variables and targets.
    static let portPlaceholder = "{port}"

    private static func fill(_ port: UInt16, into text: String) -> String {
        text.replacing(portPlaceholder, by: "\(port)")
    }
}
