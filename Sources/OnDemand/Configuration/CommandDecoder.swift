/// Decodes `commands`. No message repeats a key, because messages end in logs.
struct CommandDecoder {
    let reader: ConfigurationReader

    func commands(_ node: ConfigurationNode) -> [CommandDraft] {
        guard let items = reader.items(of: node, expected: "a list of commands") else { return [] }
        if items.count > KeyRange.commands { reader.report(node, "the list has more than \(KeyRange.commands) items") }
        return items.prefix(KeyRange.commands).map { command($0) }
    }

    private func command(_ node: ConfigurationNode) -> CommandDraft {
        var draft = CommandDraft()
        guard let fields = reader.fields(of: node, as: .command) else { return draft }
        if let name = reader.required("name", in: fields, purpose: "every log line of the command begins with it") {
            draft.name = reader.name(name)
        }
        if let path = reader.required("path", in: fields, purpose: "it says where clients start the program") {
            draft.path = exactPath(path)
        }
        if let cable = reader.required("cable", in: fields, purpose: "its clients get the output") {
            draft.cable = reader.name(cable, expected: "the name of a cable")
        }
        if let key = reader.required("key", in: fields, purpose: "without it every client could start the program") {
            draft.key = reader.accessKey(key)
        }
        draft.launch = LaunchDecoder(reader: reader).launch(fields)
        draft.parameters = fields["params"].map { parameters($0) } ?? []
        if let stream = reader.required("stream", in: fields, purpose: "it names the stream of the output") {
            draft.stream = self.stream(stream, draft.parameters)
        }
        if let environment = fields["env"] { checkVariables(environment) }
        if let arguments = fields["args"] { warnAboutPlaceholders(in: arguments, draft) }
        if let timeout = fields["timeout"] {
            draft.timeout = reader.duration(timeout, in: KeyRange.commandTimeout) ?? draft.timeout
        }
        if let count = fields["max_running"] {
            draft.maximumRunning = reader.integer(count, in: KeyRange.runs) ?? draft.maximumRunning
        }
        if let plan = fields["stop"] { draft.stopPlan = PolicyDecoder(reader: reader).stopPlan(plan) ?? draft.stopPlan }
        return draft
    }

    /// A path below which each run has one of its own.
    private func exactPath(_ node: ConfigurationNode) -> Located<PathPattern>? {
        guard let pattern = reader.pattern(node) else { return nil }
        let isExact = pattern.value.segments.allSatisfy { segment in
            if case .literal(let text) = segment { !text.isEmpty } else { false }
        }
        guard isExact, !pattern.value.isPrefix, !pattern.value.segments.isEmpty else {
            reader.report(
                node,
                "\(pattern.value.text.quoted) is not an exact path; a command has no placeholder, no star, and no"
                    + " slash at the end")
            return nil
        }
        return pattern
    }

    private func parameters(_ node: ConfigurationNode) -> [String] {
        guard let items = reader.items(of: node, expected: "a list of names such as [\"database\"]") else { return [] }
        if items.count > KeyRange.commandParameters {
            reader.report(node, "the list has more than \(KeyRange.commandParameters) items")
        }
        var names: [String] = []
        for item in items.prefix(KeyRange.commandParameters) {
            guard let name = reader.parsed(item, expected: "a name in quotes", by: Self.commandParameter)?.value else {
                continue
            }
            if names.contains(name) {
                reader.report(item, "\(name.quoted) is a parameter already")
            } else {
                names.append(name)
            }
        }
        return names
    }

    /// In lower case, so that no two become the same variable.
    private static func commandParameter(_ text: String) throws(ValueProblem) -> String {
        guard text != RunStreamName.idName else {
            throw ValueProblem("is the ID of the run, which the daemon chooses; use another name")
        }
        let isName = text.utf8.enumerated().allSatisfy { position, byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"): true
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"): position > 0
            default: false
            }
        }
        let lengths = Limits.commandParameterNameBytes
        guard isName, lengths.contains(text.utf8.count) else {
            throw ValueProblem(
                "is not a name of a parameter; names have \(lengths.lowerBound) to \(lengths.upperBound) lower-case"
                    + " letters, digits and underscores, and begin with a letter")
        }
        return text
    }

    private func stream(_ node: ConfigurationNode, _ parameters: [String]) -> Located<RunStreamName>? {
        reader.parsed(node, expected: "a stream such as \"command_output_{id}\"") { text throws(ValueProblem) in
            let stream: RunStreamName
            do throws(RunStreamNameError) {
                stream = try RunStreamName(text, parameters: parameters)
            } catch {
                var hint = ""
                if case .unknownParameter(let name) = error {
                    hint = Suggestion.sentence(for: name, among: parameters + [RunStreamName.idName])
                }
                throw ValueProblem(error.sentence + hint)
            }
            guard stream.longest <= Limits.streamNameBytes else {
                throw ValueProblem(
                    "may become longer than the \(Limits.streamNameBytes) bytes that a stream's name may have")
            }
            // No reserved name has a tilde, and none can be guessed to be an ID.
            guard !StreamName.mayBeReserved(stream.text { $0 == .id ? "~" : "*" }) else {
                throw ValueProblem(
                    "may become a name that Action Cable or AnyCable use themselves; begin with another text")
            }
            return stream
        }
    }

    /// Variables that the daemon sets for each run.
    private func checkVariables(_ node: ConfigurationNode) {
        guard case .object(let members) = node.value.content else { return }
        for member in members where member.key == "RUN_ID" || member.key.hasPrefix(RunRequest.variablePrefix) {
            let sentence = "\(member.key.quoted) is set by the daemon itself, for each run"
            reader.report(path: node.path, member.keyPosition, sentence)
        }
    }

    /// A parameter never becomes a part of an argument.
    private func warnAboutPlaceholders(in node: ConfigurationNode, _ draft: CommandDraft) {
        for (index, argument) in draft.launch.arguments.enumerated() {
            guard let name = draft.parameters.first(where: { !argument.pieces(between: "{\($0)}").dropFirst().isEmpty })
            else { continue }
            reader.warn(
                node,
                "argument \(index + 1) has {\(name)}, which stays as it is; the program reads the parameter from the"
                    + " variable \(RunRequest.variablePrefix)\(name.uppercased())")
        }
    }
}

/// One entry of `commands`; nil is what was missing or wrong and has been reported.
struct CommandDraft {
    var name: Located<String>?
    var path: Located<PathPattern>?
    var cable: Located<String>?
    var key: BearerToken?
    var launch = LaunchCommand(command: "")
    var stream: Located<RunStreamName>?
    var parameters: [String] = []
    var timeout: Duration = .seconds(600)
    var maximumRunning = 1
    var stopPlan = StopPlan.politely(for: .seconds(5))

    func finished() -> Configuration.Command {
        guard let name, let path, let cable, let key, let stream else {
            preconditionFailure("a missing value has been reported")
        }
        let definition = CommandDefinition(
            name: name.value, cable: cable.value, launch: launch, stream: stream.value, parameters: parameters,
            timeout: timeout, maximumRunning: maximumRunning, stopPlan: stopPlan)
        return Configuration.Command(definition: definition, path: path.value, key: key)
    }
}

// MARK: - Rules between a command and its cable

extension ConfigurationDraft {
    func impossibleCommands() -> [ConfigurationError] {
        let names = cables.compactMap(\.name?.value)
        return commands.compactMap(\.cable).compactMap { cable in
            guard !names.contains(cable.value) else { return nil }
            let hint = Suggestion.sentence(for: cable.value, among: names)
            return cable.error("\(cable.value.quoted) is not the name of a cable\(hint)")
        }
    }

    func warnings(about command: CommandDraft) -> [ConfigurationWarning] {
        guard let stream = command.stream, !stream.value.hasID else { return [] }
        return [
            stream.warning(
                "runs share this stream, and a client that was allowed to watch one hears the next ones too; write {id}"
                    + " into its name")
        ]
    }
}
