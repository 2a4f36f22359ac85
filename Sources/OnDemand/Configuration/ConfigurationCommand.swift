/// Commands on a configuration that need no running daemon: `ondemandd check`, `explain`, `init`, `config schema` and
/// `config show`.
public enum ConfigurationCommand: Equatable, Sendable {
    /// Report its errors.
    case check(file: String)
    /// Describe its effects in sentences.
    case explain(file: String)
    /// Print a template.
    case start(ConfigurationTemplate)
    /// Print the JSON Schema of all keys.
    case schema
    /// Print each effective setting and its source.
    case show(file: String, asJSON: Bool)

    /// Result of parsing a command line.
    public enum Reading: Equatable, Sendable {
        /// A complete command.
        case command(ConfigurationCommand)
        /// A request for the usage.
        case help(String)
        /// One sentence on the error, and the usage.
        case mistake(String, usage: String)
    }

    /// All commands and their purposes, one per line.
    public static var list: String { Verb.allCases.flatMap(\.lines).map { "  \($0)\n" }.joined() }

    /// Parses a command line; nil where it begins with none of these commands.
    public static func read(_ words: [String]) -> Reading? {
        guard let first = words.first, let verb = Verb(rawValue: first) else { return nil }
        if words.contains(where: { $0 == "--help" || $0 == "-h" }) { return .help(verb.usage) }
        let rest = words.dropFirst()
        switch verb {
        case .check: return file(in: rest, of: verb) { .check(file: $0) }
        case .explain: return file(in: rest, of: verb) { .explain(file: $0) }
        case .initialize: return kind(in: rest)
        case .config: return question(in: rest)
        }
    }

    private static func file(
        in words: ArraySlice<String>, of verb: Verb, _ command: (String) -> ConfigurationCommand
    ) -> Reading {
        var file = ""
        var rest = words
        while let word = rest.popFirst() {
            switch word {
            case "--config":
                guard let value = rest.popFirst() else { return mistake("--config needs a file", verb) }
                file = value
            case _ where word.hasPrefix("--config="): file = String(word.dropFirst("--config=".count))
            default: return mistake("unknown argument \(word.withoutControls)", verb)
            }
        }
        return file.isEmpty ? mistake("--config FILE is missing", verb) : .command(command(file))
    }

    private static func kind(in words: ArraySlice<String>) -> Reading {
        guard let word = words.first else { return .command(.start(.generic)) }
        guard words.count == 1, let kind = ConfigurationTemplate(rawValue: word) else {
            let unknown = (words.count == 1 ? word : words[words.startIndex + 1]).withoutControls
            return mistake("\(unknown) is neither \(ConfigurationTemplate.words)", .initialize)
        }
        return .command(.start(kind))
    }

    private static func question(in words: ArraySlice<String>) -> Reading {
        switch words.first {
        case nil: return mistake("config needs a word: schema or show", .config)
        case "schema":
            if let unknown = words.dropFirst().first {
                return mistake("unknown argument \(unknown.withoutControls)", .config)
            }
            return .command(.schema)
        case "show":
            let rest = words.dropFirst()
            let isJSON = rest.contains("--json")
            return file(in: ArraySlice(rest.filter { $0 != "--json" }), of: .config) { .show(file: $0, asJSON: isJSON) }
        case .some(let word): return mistake("unknown argument \(word.withoutControls)", .config)
        }
    }

    private static func mistake(_ sentence: String, _ verb: Verb) -> Reading {
        .mistake(sentence, usage: verb.usage)
    }
}

extension ConfigurationCommand {
    /// Names of the commands and their `--help` texts.
    enum Verb: String, CaseIterable {
        case check
        case explain
        case initialize = "init"
        case config

        /// One form of a command.
        private struct Use {
            let name: String
            let arguments: String
            let purpose: String

            var synopsis: String { arguments.isEmpty ? name : "\(name) \(arguments)" }
        }

        private var uses: [Use] {
            switch self {
            case .check:
                let purpose = "check the configuration and print every error"
                return [.init(name: rawValue, arguments: "--config FILE", purpose: purpose)]
            case .explain:
                let purpose = "describe in sentences what the configuration does"
                return [.init(name: rawValue, arguments: "--config FILE", purpose: purpose)]
            case .initialize:
                let kinds = ConfigurationTemplate.allCases.map(\.rawValue).joined(separator: "|")
                let purpose = "print a configuration to start from"
                return [.init(name: rawValue, arguments: "[\(kinds)]", purpose: purpose)]
            case .config:
                let schema = "print the JSON Schema of the configuration, for editors"
                let show = "print each effective setting and its source"
                return [
                    .init(name: "config schema", arguments: "", purpose: schema),
                    .init(name: "config show", arguments: "--config FILE [--json]", purpose: show),
                ]
            }
        }

        fileprivate var lines: [String] {
            uses.map { use in
                // A synopsis longer than the column gets a line of its own.
                let column = 28
                guard use.synopsis.count < column else { return "\(use.synopsis)\n  \(spaces(column))\(use.purpose)" }
                return "\(use.synopsis)\(spaces(column - use.synopsis.count))\(use.purpose)"
            }
        }

        private func spaces(_ count: Int) -> String { String(repeating: " ", count: count) }

        fileprivate var usage: String {
            """
            Usage: \(uses.map { "ondemandd \($0.synopsis)" }.joined(separator: "\n       "))

            \(uses.map { "\($0.name): \($0.purpose)." }.joined(separator: "\n"))

            \(more)

            """
        }

        private var more: String {
            switch self {
            case .check:
                """
                Nothing is started. ${NAME} is read from the environment and from "env_file", as the daemon would.

                Exit codes: 0 valid configuration, 64 invalid arguments, 78 invalid configuration.
                """
            case .explain:
                """
                Nothing is started. For each service and process the output covers the daemon's start, the first
                request, a failed start, an idle stop, a crash and a stop.

                Exit codes: 0 done, 64 invalid arguments, 78 invalid configuration.
                """
            case .initialize:
                """
                The configuration goes to standard output, notes on what to change go to standard error:

                  ondemandd init generic > ondemandd.json

                \(ConfigurationTemplate.allCases.map { "  \($0.rawValue): \($0.purpose)\n" }.joined())
                The default is generic.

                Exit codes: 0 done, 64 invalid arguments.
                """
            case .config:
                """
                With "$schema": "./ondemandd.schema.json" at the top of a configuration, editors complete its keys, show
                their meaning and mark errors. Errors that need more than the schema are found by check:

                  ondemandd config schema > ondemandd.schema.json

                For each value, show prints whether it is the default or its position, and the variables filled in.
                --json prints JSON. Secrets are not printed: tokens, and headers and variables of a process that come
                from the environment or from "env_file".

                Exit codes: 0 done, 64 invalid arguments, 78 invalid configuration.
                """
            }
        }
    }
}
