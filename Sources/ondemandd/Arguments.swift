import OnDemand

/// What the command line asks for.
enum Arguments: Equatable {
    case run(configurationFile: String)
    /// About a configuration, without a daemon.
    case configuration(ConfigurationCommand)
    /// For a daemon that runs already.
    case control(ControlCommand)
    /// See it work.
    case demo(DemoCommand)
    /// What to print.
    case help(String)
    case version
    /// One sentence on the error, and the usage.
    case mistake(String, usage: String = Self.synopsis + "\nondemandd --help tells what each is for.\n")

    private static let synopsis = """
        Usage: ondemandd --config FILE [--check]
               ondemandd COMMAND ...

        """

    private static let usage = """
        \(synopsis)
        Starts a server when the first request or WebSocket upgrade for it arrives, joins the
        two, and stops the server again when nobody has needed it for a while.

          --config FILE  the configuration (JSON); see docs/CONFIGURATION.md
          --check        as "check" below
          --help         this text
          --version      the version

        Commands about a configuration; ondemandd COMMAND --help says more:

        \(ConfigurationCommand.list)
        To see it work:

        \(DemoCommand.list)
        Commands for a daemon that runs already:

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

    /// What was meant is a command of the list, or the file that belongs to a flag.
    private static func unknown(_ word: String) -> String {
        guard !word.contains("."), !word.contains("/") else {
            return "\(word) is no command; a configuration is named by --config \(word)"
        }
        let commands = usage.split(separator: "\n").filter { $0.hasPrefix("  ") }.map { line in
            String(line.dropFirst(2).prefix { $0.isLetter })
        }
        return "\(word) is no command\(Suggestion.sentence(for: word, among: commands.filter { !$0.isEmpty }))"
    }
}
