/// The command of a backend as configured.
struct LaunchCommand: Equatable, Sendable {
    /// Looked up on PATH where it has no slash.
    var command: String
    var arguments: [String] = []
    /// Relative to the daemon's working directory.
    var workingDirectory = "."
    /// Variables that override the daemon's environment, in the configured order.
    var environment: [Variable] = []

    /// Names of variables that the program has only if the command sets them: none of the daemon's or of `env_file`.
    /// A name that ends with `*` stands for all that begin so.
    var withheldVariables: [String] = []

    /// Returns the command with these variables beneath its own.
    func over(_ variables: [Variable]) -> LaunchCommand {
        guard !variables.isEmpty else { return self }
        var command = self
        let names = environment.map(\.name)
        command.environment =
            variables.filter { !names.contains($0.name) && !isWithheld($0.name) } + environment
        return command
    }

    private func isWithheld(_ name: String) -> Bool {
        withheldVariables.contains { $0.hasSuffix("*") ? name.hasPrefix($0.dropLast()) : name == $0 }
    }

    /// The command line for logs, with quotes where a shell would split it.
    var shown: String {
        ([command] + arguments).map { word in
            word.isEmpty || word.contains(" ") ? JSONText.quoted(word) : word.withoutControls
        }.joined(separator: " ")
    }

    struct Variable: Equatable, Sendable {
        let name: String
        let value: String
    }

    /// Whether `{port}` in arguments and variables is replaced, and PORT is set.
    var isToldItsPort = false

    /// Returns the command for one start; a configured PORT is kept.
    func told(_ port: UInt16) -> LaunchCommand {
        var command = self
        command.arguments = arguments.map { Self.fill(port, into: $0) }
        command.environment = environment.map { .init(name: $0.name, value: Self.fill(port, into: $0.value)) }
        if !environment.contains(where: { $0.name == "PORT" }) {
            command.environment.append(.init(name: "PORT", value: "\(port)"))
        }
        return command
    }

    /// Placeholder of the port in arguments, variables and targets.
    static let portPlaceholder = "{port}"

    private static func fill(_ port: UInt16, into text: String) -> String {
        text.replacing(portPlaceholder, by: "\(port)")
    }
}
