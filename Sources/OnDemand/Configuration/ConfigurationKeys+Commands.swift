/// The keys of `commands`, and the numbers that they take.
extension KeyRange {
    /// As many as an administrator's page has buttons.
    static let commands = 64
    /// Each becomes a variable of the program and may be a part of the stream's name.
    static let commandParameters = 32
    static let commandTimeout: ClosedRange<Duration> = .seconds(1)...(.seconds(24 * 60 * 60))
    /// Each holds a terminal, a process tree and the output that waits.
    static let runs = 1...100
}

extension ConfigurationObject {
    static let commandKeys: [ConfigurationKey] = [
        .required("name", .name, "its name in log lines and commands"),
        .required("path", .path, "where clients start it: an exact path, such as /commands/apply"),
        .required("cable", .name, "the cable whose clients get the output"),
        ConfigurationKey.required(
            "key", .string, "what Authorization: Bearer names; 16 bytes or more", secrecy: .whole),
        .required("stream", .string, "the stream of the output, such as \"command_output_{database}_{id}\""),
        ConfigurationKey(
            "params", .list(.pattern("^[a-z][a-z0-9_]{0,63}$"), most: KeyRange.commandParameters), "[]",
            "the parameters of a request; each becomes a variable PARAM_NAME of the program"),
    ]

    static let runKeys: [ConfigurationKey] = [
        ConfigurationKey("timeout", .span, "\"10m\"", "the longest time of a run: 1s to 24h; then it is stopped"),
        ConfigurationKey("max_running", .integer(KeyRange.runs), "1", "the most runs at a time; 409"),
        ConfigurationKey(
            "stop", .stopPlan, "[\"TERM\", \"5s\", \"KILL\"]", "signals, each followed by its timeout"),
    ]
}
