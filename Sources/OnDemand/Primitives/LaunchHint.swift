/// Explains why a command cannot run.
enum LaunchHint {
    /// Returns a hint for a command; no shell splits or expands it.
    static func ofCommand(_ command: String) -> String? {
        if command.hasPrefix("~") { return "no shell expands \"~\"; write the whole path, or \"${HOME}/...\"" }
        if let variable = variable(in: command) {
            return "no shell expands \"\(variable)\"; write \"${\(variable.dropFirst())}\""
        }
        let words = command.split(separator: " ", omittingEmptySubsequences: true)
        guard words.count > 1, let first = words.first, !first.contains("/") else { return nil }
        let rest = words.dropFirst().map { JSONText.quoted(String($0)) }.joined(separator: ", ")
        return "a whole command line; write \"command\": \(JSONText.quoted(String(first))), \"args\": [\(rest)]"
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
        let interpreter = line.drop { $0 == 0x20 || $0 == 0x09 }.prefix { $0 != 0x20 && $0 != 0x09 && $0 != 0x0d }
        let name = JSONText.quoted(String(decoding: interpreter, as: UTF8.self))
        guard line.last != 0x0d else {
            return "the line of its interpreter \(name) ends with CRLF; save the file with LF line ends"
        }
        return "its interpreter \(name) is not on this system"
    }
}
