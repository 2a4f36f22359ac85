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

    struct Variable: Equatable, Sendable {
        let name: String
        let value: String
    }
}
