/// Decodes the configuration file: its keys, their values and their defaults.
extension Configuration {
    /// Reads a file that the configuration names.
    typealias Reading = (_ file: String) throws(SystemError) -> [UInt8]

    /// Returns the absolute path of a directory without symbolic links; nil where it does not exist.
    typealias Resolving = (_ directory: String) -> String?

    static func read(
        _ bytes: [UInt8], environment: [String: String], reading: Reading = noFile, resolving: Resolving = { _ in nil }
    ) throws(ConfigurationErrors) -> Configuration {
        try review(bytes, environment: environment, reading: reading, resolving: resolving).configuration
    }

    /// Reads a whole file and reports all independent errors in one run. `env_file` must be correct first, because all
    /// other values may use its variables. Warnings are in the order of the file.
    static func review(
        _ bytes: [UInt8], environment: [String: String], reading: Reading = noFile, resolving: Resolving = { _ in nil }
    ) throws(ConfigurationErrors) -> (configuration: Configuration, warnings: [ConfigurationWarning]) {
        let root: JSONValue
        do {
            root = try JSONReader.read(bytes, duplicateKeys: .kept)
        } catch {
            let finding = ConfigurationError(path: "", position: error.position, sentence: error.sentence)
            throw ConfigurationErrors([finding])
        }
        let node = ConfigurationNode(path: "", value: root)
        let variables = try EnvironmentFile.variables(of: node, environment, reading)
        let pairs = variables.map { ($0.name, $0.value) }
        let decoder = ConfigurationDecoder(environment: environment.merging(pairs) { _, new in new })
        let draft = decoder.configuration(node)
        let errors = decoder.errors + draft.conflicts(resolving: resolving)
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
        let warnings = (decoder.warnings + draft.warnings()).sorted { $0.position < $1.position }
        return (draft.configuration(variables), warnings)
    }

    /// Rejects every file; for callers that read only the configuration.
    static func noFile(_ file: String) throws(SystemError) -> [UInt8] {
        throw SystemError(call: "open", code: .noSuchFile, subject: file)
    }
}
