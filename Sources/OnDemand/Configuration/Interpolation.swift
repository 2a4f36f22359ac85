/// Expands `${NAME}`, `${NAME:-default}` and `${NAME:+value}` from the environment, as a shell does.
struct Interpolation {
    let environment: [String: String]

    struct Expanded: Equatable {
        var text = ""
        /// Names of the used variables, for error messages.
        var origins: [String] = []
    }

    /// Whether dollars in values are doubled, because the text is parsed for `$words` afterwards.
    enum Dollars { case plain, doubled }

    /// Expands a template; `$${` stands for `${`. Errors are whole sentences, because there is no value yet.
    func expand(_ template: String, dollars: Dollars = .plain) throws(ValueProblem) -> Expanded {
        let bytes = Array(template.utf8)
        var result: [UInt8] = []
        var origins: [String] = []
        var index = 0
        while index < bytes.count {
            let rest = bytes[index...]
            if rest.starts(with: Array("$${".utf8)) {
                result.append(contentsOf: (dollars == .plain ? "${" : "$${").utf8)
                index += 3
            } else if dollars == .doubled, rest.starts(with: Array("$$".utf8)) {
                result.append(contentsOf: "$$".utf8)
                index += 2
            } else if rest.starts(with: Array("${".utf8)) {
                guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else {
                    throw ValueProblem("\"${\" has no closing brace; a literal one is written \"$${\"")
                }
                let (name, value) = try value(of: bytes[(index + 2)..<end], dollars: dollars)
                origins.append(name)
                result.append(contentsOf: value.utf8)
                index = end + 1
            } else {
                result.append(bytes[index])
                index += 1
            }
        }
        return Expanded(text: String(decoding: result, as: UTF8.self), origins: origins)
    }

    /// Returns the value and the variable's name; with a colon an empty variable counts as unset (POSIX shell, 2.6.2).
    private func value(of inside: ArraySlice<UInt8>, dollars: Dollars) throws(ValueProblem) -> (String, String) {
        let name = String(decoding: inside.prefix(while: Self.isNameByte), as: UTF8.self)
        let operation = String(decoding: inside.dropFirst(name.utf8.count), as: UTF8.self)
        let isName = name.utf8.first.map { !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } ?? false
        let hasDefault = operation.utf8.starts(with: ":-".utf8)
        let hasAlternative = operation.utf8.starts(with: ":+".utf8)
        guard isName, hasDefault || hasAlternative || operation.isEmpty else {
            let written = String(decoding: inside, as: UTF8.self)
            throw ValueProblem("\("${\(written)}".quoted) is not one of ${NAME}, ${NAME:-default}, ${NAME:+value}")
        }
        let word = String(decoding: operation.utf8.dropFirst(2), as: UTF8.self)
        guard word.pieces(between: "${").count == 1 else {
            throw ValueProblem("the \(hasDefault ? "default" : "value") of ${\(name)} holds another \"${\"")
        }
        let value = environment[name]
        let isAbsent = value?.isEmpty ?? true
        if hasAlternative { return (name, isAbsent ? "" : word) }
        if hasDefault, isAbsent { return (name, word) }
        guard let value else {
            throw ValueProblem(
                "the environment variable \(name) is not set; write ${\(name):-default} to do without it"
                    + (name == "PORT" ? ", or \(LaunchCommand.portPlaceholder) for the port of a backend" : ""))
        }
        return (name, dollars == .plain ? value : Self.doublingDollars(in: value))
    }

    private static func doublingDollars(in text: String) -> String {
        let doubled = text.utf8.flatMap { $0 == UInt8(ascii: "$") ? [$0, $0] : [$0] }
        return String(decoding: doubled, as: UTF8.self)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
