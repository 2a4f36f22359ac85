@testable import OnDemand

/// Whatever an operator's file contains, it is read or refused with a sentence and a place an editor can go to.
enum TextProperty {
    static func checkJSON(_ input: [UInt8]) throws(Violation) {
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONReader.read(input)
        } catch {
            try promise(!error.sentence.isEmpty, "an error without a sentence: \(error)")
            try promise(contains(error.position, input), "\(error.position) is not in the text: \(text(input))")
            return
        }
        // Written again by other means, it reads as the same value.
        let written = rendered(value)
        guard let again = try? JSONReader.read(Array(written.utf8)) else {
            throw Violation("written again it is refused: \(written)")
        }
        try promise(rendered(again) == written, "\(written) reads as \(rendered(again))")
    }

    static func checkConfiguration(_ input: [UInt8]) throws(Violation) {
        do throws(ConfigurationErrors) {
            _ = try Configuration.read(input, environment: ["NAME": "value", "PORT": "3000", "EMPTY": ""])
        } catch {
            try checkFindings(of: error, in: input)
        }
    }

    /// Each finding is one line with a sentence and a place.
    static func checkFindings(of errors: ConfigurationErrors, in input: [UInt8]) throws(Violation) {
        for finding in errors.all {
            try promise(!finding.sentence.isEmpty, "an error without a sentence: \(finding)")
            try promise(contains(finding.position, input), "\(finding.position) is not in the text: \(text(input))")
        }
        let lines = errors.rendered(file: "file").utf8.count { $0 == UInt8(ascii: "\n") } + 1
        try promise(lines == errors.all.count, "\(errors.all.count) findings take \(lines) lines")
    }

    static func rendered(_ value: JSONValue) -> String {
        switch value.content {
        case .null: "null"
        case .boolean(let value): value ? "true" : "false"
        case .number(let number): number.text
        case .string(let text): JSONText.quoted(text)
        case .array(let items): "[" + items.map(rendered).joined(separator: ",") + "]"
        case .object(let members):
            "{" + members.map { JSONText.quoted($0.key) + ":" + rendered($0.value) }.joined(separator: ",") + "}"
        }
    }

    /// Whether an editor could go there; the place behind the last character counts.
    private static func contains(_ position: TextPosition, _ bytes: [UInt8]) -> Bool {
        var line = 1
        var columns = 0
        for byte in bytes {
            if byte == UInt8(ascii: "\n") {
                if line == position.line { break }
                line += 1
                columns = 0
            } else if byte & 0b1100_0000 != 0b1000_0000 {
                columns += 1
            }
        }
        return position.line == line && (1...columns + 1).contains(position.column)
    }
}
