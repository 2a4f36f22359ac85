/// One error in a configuration: its position, the key and a sentence for the operator.
struct ConfigurationError: Error, Equatable, Sendable {
    /// Path such as `reverse_proxies[0].on_demand.idle_timeout`; empty for the whole file.
    let path: String
    let position: TextPosition
    let sentence: String
    /// The file, where it is not the configuration file itself; else nil.
    var file: String?

    var line: Int { position.line }
    var column: Int { position.column }

    /// Returns the error in the format of compilers, so that editors can jump to it.
    func rendered(file configurationFile: String, paint: ANSIStyle = .plain) -> String {
        let file = file ?? configurationFile
        let subject = path.isEmpty ? "" : "\(path): "
        return "\(file):\(line):\(column): \(paint(.red, "error:")) \(subject)\(sentence)"
    }
}

/// All errors of a configuration in the order of the file; never empty.
struct ConfigurationErrors: Error, Equatable, Sendable {
    /// A file with more errors is another kind of file, or has one error that causes the others.
    static let shownAtMost = 100

    let all: [ConfigurationError]

    /// Sorts by position; the sort is stable.
    init(_ errors: [ConfigurationError]) {
        precondition(!errors.isEmpty, "a configuration without errors is no error")
        all = errors.sorted { $0.position < $1.position }
    }

    /// Returns the first errors, one per line, and the number of the others.
    func lines(file: String) -> [String] { shown { $0.rendered(file: file) } }

    func rendered(file: String) -> String { lines(file: file).joined(separator: "\n") }

    private func shown(_ render: (ConfigurationError) -> String) -> [String] {
        let first = all.prefix(Self.shownAtMost).map(render)
        let rest = all.count - first.count
        return rest == 0 ? first : first + ["and \(rest) more error\(rest == 1 ? "" : "s")"]
    }

    /// Returns the same with excerpts of the file, for terminals.
    func rendered(file: String, text: [UInt8], paint: ANSIStyle = .plain) -> String {
        let excerpt = SourceExcerpt(text, paint: paint)
        return shown { error in
            let shown = excerpt.at(error.position)
            return error.rendered(file: file, paint: paint) + (shown.isEmpty ? "" : "\n" + shown)
        }.joined(separator: "\n")
    }
}

/// An error in a single value: the part of a sentence that follows the value.
struct ValueProblem: Error, Equatable {
    let predicate: String

    init(_ predicate: String) { self.predicate = predicate }
}

/// An unreadable configuration.
struct UnreadableConfiguration: Error, Equatable {
    /// One line per error.
    let lines: [String]
    /// The errors with excerpts, for terminals.
    let text: String

    init(lines: [String], text: String? = nil) {
        self.lines = lines
        self.text = text ?? lines.joined(separator: "\n")
    }
}
