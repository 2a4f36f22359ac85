import OnDemand

/// The parsed command line.
enum Arguments: Equatable {
    case run(configurationFile: String)
    /// A configuration command, without a daemon.
    case configuration(ConfigurationCommand)
    /// A command for a running daemon.
    case control(ControlCommand)
    /// The demo.
    case demo(DemoCommand)
    /// A text to print.
    case help(String)
    case version
    /// One sentence on the error, and the usage.
    case mistake(String, usage: String = Self.synopsis + "\nondemandd --help lists all commands.\n")

    private static let synopsis = """
        Usage: ondemandd --config FILE [--check]
               ondemandd COMMAND ...

        """

    private static let usage = """
        \(synopsis)
        Starts a server for the first request or WebSocket upgrade, relays bytes in both directions,
        and stops the server after a period of inactivity.

          --config FILE  the configuration (JSON); see docs/CONFIGURATION.md
          --check        as "check" below
          --help         this text
          --version      the version

        Configuration commands; see ondemandd COMMAND --help:

        \(ConfigurationCommand.list)
        Demo:

        \(DemoCommand.list)
        Commands for a running daemon:

        \(ControlCommand.list)
        """

    init(_ words: [String]) {
        switch ControlCommand.read(words) {
        case .command(let command)?: self = .control(command)
        case .help(let text)?: self = .help(text)
        case .mistake(let sentence, let usage)?: self = .mistake(sentence, usage: usage)
        case nil: self.init(configurationWords: words)
        }
    }

    private init(configurationWords words: [String]) {
        switch ConfigurationCommand.read(words) {
        case .command(let command)?: self = .configuration(command)
        case .help(let text)?: self = .help(text)
        case .mistake(let sentence, let usage)?: self = .mistake(sentence, usage: usage)
        case nil: self.init(demoWords: words)
        }
    }

    private init(demoWords words: [String]) {
        switch DemoCommand.read(words) {
        case .command(let command)?: self = .demo(command)
        case .help(let text)?: self = .help(text)
        case .mistake(let sentence, let usage)?: self = .mistake(sentence, usage: usage)
        case nil: self.init(daemonWords: words)
        }
    }

    private init(daemonWords words: [String]) {
        var file: String?
        var check = false
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h", "help": self = .help(Self.usage)
            case "--version": self = .version
            case "--check":
                check = true
                continue
            case "--config":
                guard let value = rest.popFirst() else {
                    self = .mistake("--config needs a file")
                    return
                }
                file = value
                continue
            case _ where word.hasPrefix("--config="):
                file = String(word.dropFirst("--config=".count))
                continue
            case words.first where !word.hasPrefix("-"): self = .mistake(Self.unknown(word))
            default: self = .mistake("unknown argument \(word)")
            }
            return
        }
        guard let file, !file.isEmpty else {
            self = .mistake("--config FILE is missing")
            return
        }
        self = check ? .configuration(.check(file: file)) : .run(configurationFile: file)
    }

    /// Suggests a similar command, or `--config` for a file.
    private static func unknown(_ word: String) -> String {
        guard !word.contains("."), !word.contains("/") else {
            return "unknown command \(word); name a configuration with --config \(word)"
        }
        let commands = usage.split(separator: "\n").filter { $0.hasPrefix("  ") }.map { line in
            String(line.dropFirst(2).prefix { $0.isLetter })
        }
        return "unknown command \(word)\(Suggestion.sentence(for: word, among: commands.filter { !$0.isEmpty }))"
    }
}
