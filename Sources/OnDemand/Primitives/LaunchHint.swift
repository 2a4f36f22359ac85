/// Explains why a command cannot run.
enum LaunchHint {
    /// Returns a hint for a command; no shell splits or expands it.
    static func ofCommand(_ command: String) -> String? {
        let words = command.split(separator: " ", omittingEmptySubsequences: true)
        let assignments = words.prefix { isAssignment($0) }
        if words.count > 1, !assignments.isEmpty { return commandLine(words.dropFirst(assignments.count), assignments) }
        if let hint = ofPath(command) { return hint }
        guard words.count > 1, let first = words.first, !first.contains("/") else { return nil }
        return commandLine(words[...], [])
    }

    /// Of a path, such as a working directory.
    static func ofPath(_ path: String) -> String? {
        if path.hasPrefix("~") {
            return "no shell expands \"~\"; write the whole path, or \"${HOME}/...\""
        }
        return variable(in: path).map { "no shell expands \"\($0)\"; write \"${\($0.dropFirst())}\"" }
    }

    /// Of the first argument that looks like a path for a shell. The program may expand it by itself, so that this
    /// explains a failed start, and refuses nothing.
    static func ofArguments(_ arguments: [String]) -> String? {
        let suspect = arguments.first { argument in
            argument.hasPrefix("~/") || argument.hasPrefix("$") && argument.contains("/") && ofPath(argument) != nil
        }
        return suspect.flatMap { argument in ofPath(argument).map { "argument \(JSONText.quoted(argument)): \($0)" } }
    }

    private static func commandLine(_ words: ArraySlice<Substring>, _ assignments: ArraySlice<Substring>) -> String {
        let quoted = words.map { JSONText.quoted(String($0)) }
        var parts = quoted.prefix(1).map { "\"command\": \($0)" }
        if quoted.count > 1 { parts.append("\"args\": [\(quoted.dropFirst().joined(separator: ", "))]") }
        let variables = assignments.map { assignment in
            let halves = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return halves.map { JSONText.quoted(String($0)) }.joined(separator: ": ")
        }
        if !variables.isEmpty { parts.append("\"env\": {\(variables.joined(separator: ", "))}") }
        return "a whole command line; write \(parts.joined(separator: ", "))"
    }

    /// `NAME=value`, which a shell takes for a variable of the command that follows.
    private static func isAssignment(_ word: Substring) -> Bool {
        let name = word.utf8.prefix { $0 != UInt8(ascii: "=") }
        guard name.count < word.utf8.count, let first = name.first, !(0x30...0x39).contains(first) else { return false }
        return name.allSatisfy { byte in
            (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x5f
        }
    }

    /// Returns a dollar and a name without braces, if any.
    private static func variable(in command: String) -> String? {
        guard let dollar = command.utf8.firstIndex(of: UInt8(ascii: "$")) else { return nil }
        let name = command.utf8[dollar...].dropFirst().prefix { byte in
            (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) || byte == UInt8(ascii: "_")
        }
        return name.isEmpty ? nil : "$" + String(decoding: name, as: UTF8.self)
    }

    /// Returns a hint for an existing file that execve(2) reports as missing (ENOENT): its interpreter or loader is
    /// missing.
    static func ofFile(beginningWith bytes: [UInt8]) -> String? {
        if bytes.starts(with: [0x7f] + Array("ELF".utf8)) {
            return "its dynamic loader is not on this system: it was built for another C library or machine"
        }
        guard bytes.starts(with: "#!".utf8) else { return nil }
        let line = bytes.dropFirst(2).prefix { $0 != 0x0a }
        if let hint = ofScript(beginningWith: bytes) { return hint }
        let interpreter = line.drop { $0 == 0x20 || $0 == 0x09 }.prefix { $0 != 0x20 && $0 != 0x09 && $0 != 0x0d }
        let name = JSONText.quoted(String(decoding: interpreter, as: UTF8.self))
        return "its interpreter \(name) is not on this system"
    }

    /// Of a script that the system or its interpreter, such as `env`, cannot run: with CRLF line ends the CR belongs to
    /// the last word of the line.
    static func ofScript(beginningWith bytes: [UInt8]) -> String? {
        guard bytes.starts(with: "#!".utf8) else { return nil }
        let line = bytes.dropFirst(2).prefix { $0 != 0x0a }
        guard line.last == 0x0d else { return nil }
        let text = String(decoding: line.dropLast().drop { $0 == 0x20 || $0 == 0x09 }, as: UTF8.self)
        return "the line of its interpreter \(JSONText.quoted(text)) ends with CRLF; save the file with LF line ends"
    }
}
