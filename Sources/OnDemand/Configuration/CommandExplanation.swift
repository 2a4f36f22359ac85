/// What a command does, in words.
enum CommandExplanation {
    static func lines(of command: Configuration.Command) -> String {
        "\(command.name): POST \(command.path.text)\n"
            + Explanation.lines([
                ("start", start(command)), ("program", program(command)), ("output", output(command)),
                ("timeout", "\(command.timeout.shortText) after its start a run is stopped."),
                ("stop", Explanation.stop(command.stopPlan)),
                (
                    "changed file",
                    "A reload leaves every run alone. Without the command, new requests get 404, and its runs go on"
                        + " until they end."
                ),
            ])
    }

    private static func start(_ command: Configuration.Command) -> String {
        let count = command.parameters.count
        let names = command.parameters.joined(separator: ", ")
        let parameters = count == 0 ? "no parameter" : "the parameter\(count == 1 ? "" : "s") \(names)"
        let most = command.maximumRunning
        return "A request with the key starts a run; others get 401. Its body is a JSON object with \(parameters);"
            + " another one gets 400. Up to \(most) run\(most == 1 ? "" : "s") at a time; one more gets 409."
    }

    private static func program(_ command: Configuration.Command) -> String {
        let launch = command.launch
        let directory = launch.workingDirectory == "." ? "" : " in \(launch.workingDirectory.withoutControls)"
        let variables = ["RUN_ID"] + command.parameters.map { "\(RunRequest.variablePrefix)\($0.uppercased())" }
        return "Command: \(launch.shown)\(directory). It has a terminal of its own, and the variables"
            + " \(variables.joined(separator: ", "))."
    }

    private static func output(_ command: Configuration.Command) -> String {
        let stream = "It goes to the stream \(command.streamTemplate.withoutControls) of \(command.cable)."
        guard !command.stream.hasID else { return stream }
        return stream + " Runs share it, so a subscriber hears later runs too."
    }
}
