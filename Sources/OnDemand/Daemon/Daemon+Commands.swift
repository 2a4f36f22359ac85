/// Rules and routes of the configured commands, for the proxy and the command runner.
extension Daemon {
    /// Brings the command runner to the configuration. Runs in progress are left alone.
    func updateCommands() {
        supervisor.runner.environment = configuration.environment
        supervisor.runner.update(configuration.commands.map(\.definition), isUnused: proxy.isUnused)
    }

    var commandRoutes: [Route] {
        servedCommands.flatMap { command, id in
            [
                Route(pattern: command.path, destination: .local(.command(id))),
                Route(pattern: command.runPath, destination: .local(.run(id))),
            ]
        }
    }

    /// By the index of their `CommandID`.
    var commandAccess: [CommandAccess] {
        var access = Array(repeating: CommandAccess.unknown, count: supervisor.runner.commands.count)
        for (command, id) in servedCommands { access[id.index] = CommandAccess(key: command.key) }
        return access
    }

    /// In the order of the configuration.
    var commandSnapshots: [Snapshot.Command] {
        servedCommands.compactMap { supervisor.runner.describe($1, path: $0.path.text) }
    }

    private var servedCommands: [(command: Configuration.Command, id: CommandID)] {
        configuration.commands.compactMap { command in
            supervisor.runner.id(named: command.name).map { (command, $0) }
        }
    }
}
