/// Decodes the program of a service, process or command: `command`, `args`, `working_dir` and `env`.
struct LaunchDecoder {
    let reader: ConfigurationReader

    func launch(_ fields: ConfigurationFields) -> LaunchCommand {
        let command = reader.required("command", in: fields, purpose: "it names the program to start")
        var launch = LaunchCommand(command: command.flatMap { reader.systemText($0, isEmptyAllowed: false) } ?? "")
        if let command, let hint = LaunchHint.ofCommand(launch.command) {
            reader.report(command, "\(launch.command.quoted) cannot be run: \(hint)")
        }
        if let arguments = fields["args"] {
            let items = reader.items(of: arguments, expected: "a list of strings") ?? []
            launch.arguments = items.compactMap { reader.systemText($0) }
        }
        if let directory = fields["working_dir"] {
            launch.workingDirectory = reader.systemText(directory, isEmptyAllowed: false) ?? launch.workingDirectory
            if let hint = LaunchHint.ofPath(launch.workingDirectory) {
                reader.report(directory, "\(launch.workingDirectory.quoted) is no directory: \(hint)")
            }
        }
        if let environment = fields["env"] { launch.environment = self.environment(environment) }
        return launch
    }

    private func environment(_ node: ConfigurationNode) -> [LaunchCommand.Variable] {
        guard let members = reader.members(of: node) else { return [] }
        return members.compactMap { member in
            guard !member.key.isEmpty, !member.key.utf8.contains(where: { $0 == 0 || $0 == UInt8(ascii: "=") }) else {
                let sentence = "\(member.key.quoted) is not a variable name; it is empty or has \"=\" or a zero byte"
                reader.report(path: node.path, member.keyPosition, sentence)
                return nil
            }
            let value = reader.systemText(ConfigurationNode(path: node.path(of: member.key), value: member.value))
            return value.map { LaunchCommand.Variable(name: member.key, value: $0) }
        }
    }

    /// Reports variables that the daemon sets itself.
    func checkVariables(_ environment: ConfigurationNode, for readiness: ReadinessCheck) {
        let own: [String] =
            switch readiness {
            case .notify: ["NOTIFY_SOCKET"]
            case .socket: ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"]
            case .tcp, .http, .webSocket: []
            }
        guard !own.isEmpty, case .object(let members) = environment.value.content else { return }
        for member in members where own.contains(member.key) {
            reader.report(
                path: environment.path, member.keyPosition,
                "\(member.key.quoted) is set by the daemon itself, because of \"readiness\"")
        }
    }
}
