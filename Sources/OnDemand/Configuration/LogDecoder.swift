/// Decodes `log`: level, format and file.
struct LogDecoder {
    let reader: ConfigurationReader

    func log(_ node: ConfigurationNode) -> Configuration.Log {
        var log = Configuration.Log()
        guard let fields = reader.fields(of: node, as: .log) else { return log }
        if let level = fields["level"] { log.level = reader.choice(level, of: LogLevel.self) ?? log.level }
        if let format = fields["format"] { log.format = reader.choice(format, of: LogFormat.self) ?? log.format }
        log.file = fields["file"].flatMap { logFile($0) }
        if let size = fields["max_size"] {
            log.maximumBytes = reader.size(size, in: KeyRange.logBytes) ?? log.maximumBytes
            if fields["file"] == nil {
                reader.report(size, "this is the size of a \"file\", and there is none next to it")
            }
        }
        if let format = fields["format"], log.format == .journal, fields["file"] != nil {
            reader.report(
                format, "\"journal\" is how journald reads standard error; a \"file\" is \"text\" or \"json\"")
        }
        return log
    }

    private func logFile(_ node: ConfigurationNode) -> String? {
        reader.parsed(node, expected: "the name of a file in quotes") { text throws(ValueProblem) in
            guard !text.isEmpty, !text.hasSuffix("/"), text.withoutControls == text, !text.contains("\t") else {
                throw ValueProblem("is not a file name")
            }
            return text
        }?.value
    }
}
