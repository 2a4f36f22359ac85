/// State that this process inherited, as lines for tests.
enum Inheritance {
    /// The highest descriptor that is checked. A leak has small numbers.
    private static let descriptorLimit = 1024

    static func write(to path: String) {
        guard !Files.write(Array(lines.joined(separator: "\n").utf8) + [UInt8(ascii: "\n")], to: path) else { return }
        Console.complain("cable-double: cannot write \(path)")
        Process.exit(1)
    }

    /// One `name value` per line. A newline inside a value is written as `\n`.
    private static var lines: [String] {
        let process = [
            "process \(Process.number)", "parent \(Process.parent)", "group \(Process.group)",
            "session \(Process.session)", "directory \(Files.target(ofLink: "/proc/self/cwd") ?? "")",
        ]
        let arguments = CommandLine.arguments.map { "argument \(escaped($0))" }
        return process + signals + arguments + descriptors + environment
    }

    /// The masks of proc(5) in hexadecimal: signals blocked and ignored at startup.
    private static var signals: [String] {
        let status = String(decoding: Files.read("/proc/self/status") ?? [], as: UTF8.self)
        return status.split(separator: "\n").compactMap { line in
            let words = line.split(separator: "\t")
            switch words.first {
            case "SigBlk:": return "signals-blocked \(words[1])"
            case "SigIgn:": return "signals-ignored \(words[1])"
            default: return nil
            }
        }
    }

    private static var descriptors: [String] {
        (0..<descriptorLimit).compactMap { number in
            Files.target(ofLink: "/proc/self/fd/\(number)").map { "descriptor \(number) \($0)" }
        }
    }

    private static var environment: [String] {
        (Files.read("/proc/self/environ") ?? []).split(separator: 0).map { entry in
            "environment \(escaped(String(decoding: entry, as: UTF8.self)))"
        }
    }

    private static func escaped(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).joined(separator: "\\n")
    }
}
