/// What to run as a backend, exactly as the configuration says it.
struct LaunchCommand: Equatable, Sendable {
    /// Found on PATH when it has no slash.
    var command: String
    var arguments: [String] = []
    /// Relative to the daemon's own directory.
    var workingDirectory = "."
    /// Merged over the daemon's environment, in the order written.
    var environment: [Variable] = []

    struct Variable: Equatable, Sendable {
        let name: String
        let value: String
    }
}
