/// Parses a file of variables with one `NAME=value` per line, in the common subset of shells and systemd.
///
/// Such files hold secrets, so no message repeats their contents.
enum EnvironmentFile {
    /// Returns the variables in the order of the file; the last of several lines for one name counts.
    static func read(_ bytes: [UInt8], file: String) throws(ConfigurationErrors) -> [LaunchCommand.Variable] {
        var variables: [LaunchCommand.Variable] = []
        var last: [String: Int] = [:]
        var errors: [ConfigurationError] = []
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
            do throws(EnvironmentLine.Problem) {
                guard let variable = try EnvironmentLine.variable(in: line) else { continue }
                last[variable.name] = variables.count
                variables.append(variable)
            } catch {
                let position = TextPosition(line: index + 1, column: error.offset + 1)
                errors.append(ConfigurationError(path: "", position: position, sentence: error.sentence, file: file))
            }
        }
        guard errors.isEmpty else { throw ConfigurationErrors(errors) }
        return variables.enumerated().filter { last[$1.name] == $0 }.map(\.element)
    }
}

extension EnvironmentFile {
    /// Reads the variables of the file that `env_file` names, if any. Its name may use only the process's own
    /// variables.
    static func variables(
        of top: ConfigurationNode, _ environment: [String: String], _ reading: Configuration.Reading
    ) throws(ConfigurationErrors) -> [LaunchCommand.Variable] {
        guard case .object(let members) = top.value.content,
            let member = members.first(where: { $0.key == "env_file" })
        else { return [] }
        let node = ConfigurationNode(path: "env_file", value: member.value)
        let reader = ConfigurationReader(environment: environment)
        guard let name = name(node, reader) else { throw ConfigurationErrors(reader.errors) }
        let bytes: [UInt8]
        do throws(SystemError) {
            bytes = try reading(name.file)
        } catch {
            if name.mayBeMissing, error.code == .noSuchFile { return [] }
            let hint = error.code == .noSuchFile ? "; \("-\(name.file)".quoted) would do without it" : ""
            reader.report(node, "\(name.file.quoted) cannot be read: \(error.code)\(hint)")
            throw ConfigurationErrors(reader.errors)
        }
        return try read(bytes, file: name.file)
    }

    /// Decodes the file name; a leading dash, as in systemd, allows it to be missing.
    private static func name(
        _ node: ConfigurationNode, _ reader: ConfigurationReader
    ) -> (file: String, mayBeMissing: Bool)? {
        reader.parsed(node, expected: "the name of a file in quotes") { text throws(ValueProblem) in
            let file = text.hasPrefix("-") ? String(text.dropFirst()) : text
            guard !file.isEmpty, !file.utf8.contains(0) else { throw ValueProblem("is not a file name") }
            return (file, text.hasPrefix("-"))
        }?.value
    }
}

/// Parser of one line, from left to right.
private struct EnvironmentLine {
    struct Problem: Error {
        let offset: Int
        let sentence: String
    }

    private let scalars: [Unicode.Scalar]
    private var offset = 0

    /// Returns the variable; nil for a comment or an empty line.
    static func variable(in bytes: ArraySlice<UInt8>) throws(Problem) -> LaunchCommand.Variable? {
        let bytes = bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes
        guard !bytes.contains(0) else {
            throw Problem(offset: 0, sentence: "this line has a zero byte, which no process can be given")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Problem(offset: 0, sentence: "this line is not UTF-8")
        }
        var line = EnvironmentLine(scalars: Array(text.unicodeScalars))
        return try line.variable()
    }

    private init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

    private mutating func variable() throws(Problem) -> LaunchCommand.Variable? {
        skipBlanks()
        guard let first = peek, first != "#" else { return nil }
        skipExport()
        let name = try name()
        return LaunchCommand.Variable(name: name, value: try value())
    }

    private var peek: Unicode.Scalar? { offset < scalars.count ? scalars[offset] : nil }

    private mutating func skipBlanks() {
        while let scalar = peek, Self.isBlank(scalar) { offset += 1 }
    }

    /// Skips `export`, for files that a shell reads too.
    private mutating func skipExport() {
        let rest = scalars[offset...]
        let word = Array("export".unicodeScalars)
        guard rest.starts(with: word), rest.dropFirst(word.count).first.map(Self.isBlank) ?? false else { return }
        offset += word.count
        skipBlanks()
    }

    private func problem(_ sentence: String, at place: Int? = nil) -> Problem {
        Problem(offset: place ?? offset, sentence: sentence)
    }

    // MARK: The name

    private mutating func name() throws(Problem) -> String {
        let start = offset
        guard let equals = scalars[start...].firstIndex(of: "=") else {
            throw problem("there is no equals sign; a line is NAME=value, a comment begins with #")
        }
        let name = scalars[start..<equals]
        guard !(name.last.map(Self.isBlank) ?? false) else {
            throw problem("there is a space next to the equals sign; write NAME=value", at: equals - 1)
        }
        guard let first = name.first, !("0"..."9").contains(first), name.allSatisfy(Self.isName) else {
            throw problem("this is not a variable name; names are letters, digits, underscores, the first no digit")
        }
        offset = equals + 1
        return Self.text(name)
    }

    // MARK: The value

    private mutating func value() throws(Problem) -> String {
        switch peek {
        case "\"", "'": return try quotedValue()
        case .some(let scalar) where Self.isBlank(scalar):
            let equals = offset
            skipBlanks()
            guard peek == nil else {
                throw problem("there is a space next to the equals sign; write NAME=value", at: equals)
            }
            return ""
        default: return try plainValue()
        }
    }

    /// Parses an unquoted value; rejects characters that shells, systemd and container engines read differently.
    private mutating func plainValue() throws(Problem) -> String {
        let start = offset
        while let scalar = peek {
            let beginsComment = scalar == "#" && offset > start && Self.isBlank(scalars[offset - 1])
            guard !beginsComment, scalar != "\"", scalar != "'", scalar != "\\" else {
                throw problem("only a value in quotes can have a quote, a backslash, or a # after a space")
            }
            offset += 1
        }
        let end = scalars[start...].lastIndex { !Self.isBlank($0) } ?? start - 1
        return Self.text(scalars[start..<(end + 1)])
    }

    /// Parses a quoted value. Between single quotes every character is literal; between double quotes the shell's four
    /// escapes apply (POSIX shell, 2.2.3).
    private mutating func quotedValue() throws(Problem) -> String {
        let (start, quote) = (offset, scalars[offset])
        var value: [Unicode.Scalar] = []
        offset += 1
        while let scalar = peek, scalar != quote {
            offset += 1
            if quote == "\"", scalar == "\\", let next = peek, "\"\\$`".unicodeScalars.contains(next) {
                value.append(next)
                offset += 1
            } else {
                value.append(scalar)
            }
        }
        guard peek != nil else { throw problem("the quote that opens here does not close on its line", at: start) }
        offset += 1
        let end = offset
        skipBlanks()
        guard peek == nil || (peek == "#" && offset > end) else {
            throw problem("nothing but a comment may follow the closing quote")
        }
        return Self.text(value[...])
    }

    // MARK: Scalars

    private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        String(String.UnicodeScalarView(scalars))
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool { scalar == " " || scalar == "\t" }

    private static func isName(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "a"..."z", "A"..."Z", "0"..."9", "_": true
        default: false
        }
    }
}
