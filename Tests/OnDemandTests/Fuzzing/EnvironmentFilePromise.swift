@testable import OnDemand

/// A file of variables means the same line by line, and the same once it is written again with every value in quotes.
enum EnvironmentFileProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        let variables: [LaunchCommand.Variable]
        do throws(ConfigurationErrors) {
            variables = try EnvironmentFile.read(input, file: "env")
        } catch {
            return try TextProperty.checkFindings(of: error, in: input)
        }
        try promise(Set(variables.map(\.name)).count == variables.count, "a name stands twice: \(variables)")
        for variable in variables {
            let name = variable.name.utf8
            let isName = name.allSatisfy { HTTPByte.isLetter($0) || HTTPByte.isDigit($0) || $0 == UInt8(ascii: "_") }
            try promise(
                isName && name.first.map(HTTPByte.isDigit) == false, "\(variable.name.debugDescription) is no name")
            try promise(
                !variable.value.utf8.contains { $0 == 0 || $0 == UInt8(ascii: "\n") },
                "no process can be given \(variable.value.debugDescription)")
        }
        try promise(meaning(ofEachLineOf: input) == variables, "its lines mean something else alone: \(text(input))")
        let written = variables.map { "\($0.name)=\(quoted($0.value)) # again" }.joined(separator: "\n")
        let again = try? EnvironmentFile.read(Array(written.utf8), file: "env")
        try promise(again == variables, "\(written.debugDescription) reads as \(String(describing: again))")
    }

    private static func meaning(ofEachLineOf input: [UInt8]) -> [LaunchCommand.Variable]? {
        var variables: [LaunchCommand.Variable] = []
        for line in input.split(separator: UInt8(ascii: "\n")) {
            guard let found = try? EnvironmentFile.read(Array(line), file: "env") else { return nil }
            for variable in found {
                variables.removeAll { $0.name == variable.name }
                variables.append(variable)
            }
        }
        return variables
    }

    private static func quoted(_ value: String) -> String {
        var quoted = "\""
        for scalar in value.unicodeScalars {
            if "\"\\$`".unicodeScalars.contains(scalar) { quoted += "\\" }
            quoted.unicodeScalars.append(scalar)
        }
        return quoted + "\""
    }
}
