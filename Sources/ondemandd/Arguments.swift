/// What the command line asks for.
enum Arguments: Equatable {
    case run(configurationFile: String)
    case check(configurationFile: String)
    case help
    case version
    /// One sentence on what is wrong.
    case mistake(String)

    static let usage = """
        Usage: ondemandd --config FILE [--check]

        Starts a server when the first request or WebSocket upgrade for it arrives, joins the
        two, and stops the server again when nobody has needed it for a while.

          --config FILE  the configuration (JSON); see docs/CONFIGURATION.md
          --check        only read and check the configuration: exits 0, or 78 with every error
          --help         this text
          --version      the version

        """

    init(_ words: [String]) {
        var file: String?
        var check = false
        var rest = words[...]
        while let word = rest.popFirst() {
            switch word {
            case "--help", "-h": self = .help
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
            default: self = .mistake("unknown argument \(word)")
            }
            return
        }
        guard let file, !file.isEmpty else {
            self = .mistake("--config FILE is missing")
            return
        }
        self = check ? .check(configurationFile: file) : .run(configurationFile: file)
    }
}
