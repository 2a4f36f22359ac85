/// What a command line asks about a configuration while no daemon is needed: `ondemandd check`, `explain`,
/// `init`, `config schema` and `config show`.
public enum ConfigurationCommand: Equatable, Sendable {
    /// What is wrong with it.
    case check(file: String)
    /// What will happen with it, in words.
    case explain(file: String)
    /// One to begin with.
    case start(ConfigurationTemplate)
    /// The JSON Schema of all keys.
    case schema
    /// What counts, and where it came from.
    case show(file: String, asJSON: Bool)

    /// What words on a command line mean.
    public enum Reading: Equatable, Sendable {
        /// They ask for this.
        case command(ConfigurationCommand)
        /// They ask how it is used.
        case help(String)
        /// One sentence on what is wrong, and how it is used.
        case mistake(String, usage: String)
    }

    /// All commands and what they are for, a line each.
    public static var list: String { Verb.allCases.flatMap(\.lines).map { "  \($0)\n" }.joined() }

    /// nil where the words begin with no command.
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
    /// How each is called, and what `--help` says behind it.
    enum Verb: String, CaseIterable {
        case check
        case explain
        case initialize = "init"
        case config

        /// One way to call it.
        private struct Use {
            let name: String
            let arguments: String
            let purpose: String

            var synopsis: String { arguments.isEmpty ? name : "\(name) \(arguments)" }
        }

        private var uses: [Use] {
            switch self {
            case .check:
                let purpose = "only reads and checks the configuration, and tells every error"
                return [.init(name: rawValue, arguments: "--config FILE", purpose: purpose)]
            case .explain:
                let purpose = "says in words what will happen, with the numbers of the configuration"
                return [.init(name: rawValue, arguments: "--config FILE", purpose: purpose)]
            case .initialize:
                let kinds = ConfigurationTemplate.allCases.map(\.rawValue).joined(separator: "|")
                let purpose = "writes a configuration to start from"
                return [.init(name: rawValue, arguments: "[\(kinds)]", purpose: purpose)]
            case .config:
                let schema = "writes the JSON Schema of the configuration, for editors"
                let show = "tells every value that counts, and where it came from"
                return [
                    .init(name: "config schema", arguments: "", purpose: schema),
                    .init(name: "config show", arguments: "--config FILE [--json]", purpose: show),
                ]
            }
        }

        fileprivate var lines: [String] {
            uses.map { use in
                // What is longer than the column stands on a line of its own.
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

                Exit codes: 0 the configuration is right, 64 these arguments make no sense, 78 it is wrong.
                """
            case .explain:
                """
                Nothing is started. For each service and process: what happens at the daemon's start, at the first
                request, when a start fails, when nobody needs it any more, when it crashes and when it is stopped.

                Exit codes: 0 done, 64 these arguments make no sense, 78 the configuration is wrong.
                """
            case .initialize:
                """
                The configuration goes to standard output, and what to change in it to standard error:

                  ondemandd init generic > ondemandd.json

                \(ConfigurationTemplate.allCases.map { "  \($0.rawValue): \($0.purpose)\n" }.joined())
                Without a word it is the generic one.

                Exit codes: 0 done, 64 these arguments make no sense.
                """
            case .config:
                """
                With "$schema": "./ondemandd.schema.json" at the top of a configuration, editors complete its keys, show
                what they mean, and mark what is wrong. What only the daemon can see, check tells:

                  ondemandd config schema > ondemandd.schema.json

                Of each value show tells whether it is the default or where it is written, and which variables were
                filled in. --json is for machines. Secrets are not repeated: no token, and no header or variable of a
                process that comes from the environment or from "env_file".

                Exit codes: 0 done, 64 these arguments make no sense, 78 the configuration is wrong.
                """
            }
        }
    }
}
