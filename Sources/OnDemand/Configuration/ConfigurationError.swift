/// One thing wrong with a configuration: where it stands, what it belongs to, and a sentence for the operator.
struct ConfigurationError: Error, Equatable, Sendable {
    /// Like `reverse_proxies[0].on_demand.idle_timeout`; empty for the file as a whole.
    let path: String
    let position: TextPosition
    let sentence: String
    /// Where that is not the configuration file itself but one it names.
    var file: String?

    var line: Int { position.line }
    var column: Int { position.column }

    /// The way compilers write it, so that editors can jump there.
    func rendered(file configurationFile: String, paint: ANSIStyle = .plain) -> String {
        let file = file ?? configurationFile
        let subject = path.isEmpty ? "" : "\(path): "
        return "\(file):\(line):\(column): \(paint(.red, "error:")) \(subject)\(sentence)"
    }
}

/// All that is wrong with a configuration, in the order of the file; never empty.
struct ConfigurationErrors: Error, Equatable, Sendable {
    /// A file with more errors than this is another kind of file, or has one mistake that causes all others.
    static let shownAtMost = 100

    let all: [ConfigurationError]

    /// The sort is stable, so two findings at one place keep the order in which they were made.
    init(_ errors: [ConfigurationError]) {
        precondition(!errors.isEmpty, "a configuration without errors is no error")
        all = errors.sorted { $0.position < $1.position }
    }

    /// The first of them, one line each, and how many more there are.
    func lines(file: String) -> [String] { shown { $0.rendered(file: file) } }

    func rendered(file: String) -> String { lines(file: file).joined(separator: "\n") }

    private func shown(_ render: (ConfigurationError) -> String) -> [String] {
        let first = all.prefix(Self.shownAtMost).map(render)
        let rest = all.count - first.count
        return rest == 0 ? first : first + ["and \(rest) more error\(rest == 1 ? "" : "s")"]
    }

    /// The same with the lines themselves, for people who look at them on a terminal.
    func rendered(file: String, text: [UInt8], paint: ANSIStyle = .plain) -> String {
        let excerpt = SourceExcerpt(text, paint: paint)
        return shown { error in
            let shown = excerpt.at(error.position)
            return error.rendered(file: file, paint: paint) + (shown.isEmpty ? "" : "\n" + shown)
        }.joined(separator: "\n")
    }
}

/// What is wrong with a single value, as the part of a sentence that follows the value itself.
struct ValueProblem: Error, Equatable {
    let predicate: String

    init(_ predicate: String) { self.predicate = predicate }
}

/// Why a configuration could not be read.
struct UnreadableConfiguration: Error, Equatable {
    /// One for each thing that is wrong.
    let lines: [String]
    /// The same for people who look at it on a terminal.
    let text: String

    init(lines: [String], text: String? = nil) {
        self.lines = lines
        self.text = text ?? lines.joined(separator: "\n")
    }
}
