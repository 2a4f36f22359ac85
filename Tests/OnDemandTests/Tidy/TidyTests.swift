import Foundation
import Testing

@testable import OnDemand

struct TidyTests {
    private let sources = SourceTree.library + SourceTree.executable
    private var all: [SourceFile] { sources + SourceTree.tests }

    @Test("the corpus of source files is not empty")
    func found() {
        #expect(SourceTree.library.count > 80)
        #expect(SourceTree.executable.count >= 3)
        #expect(all.allSatisfy { !$0.text.isEmpty })
    }

    @Test("no line is longer than 120 characters except for literals")
    func lineLength() {
        for file in all {
            let isTest = file.path.hasPrefix("Tests/")
            for (number, line) in file.lines.enumerated() where line.count > 120 {
                if isTest, line.contains("\"") { continue }
                Issue.record("\(file.path):\(number + 1) has \(line.count) characters")
            }
            #expect(file.text.hasSuffix("\n") && !file.text.hasSuffix("\n\n"), "\(file.path)")
        }
    }

    @Test("no file of the daemon has more than 400 lines")
    func fileLength() {
        for file in sources { #expect(file.lines.count <= 400, "\(file.path) has \(file.lines.count) lines") }
    }

    @Test("only a machine's own folder changes its state: drivers bring events")
    func machineState() throws {
        let members = "state|phase|journal|generation|failures|standing|attempt"
        let write = try Regex(#"machine\.(\#(members))[a-zA-Z.]* [-+]?= "#)
        #expect("        backend.machine.state = .asleep".contains(write))
        #expect(!"        if backend.machine.state == .asleep {".contains(write))
        for file in sources {
            for (number, line) in file.lines.enumerated() where line.contains(write) {
                Issue.record("\(file.path):\(number + 1) changes the state of a machine")
            }
        }
    }

    @Test("every file of the daemon begins with a sentence on its purpose")
    func openingSentence() {
        for file in sources {
            let first = file.lines.first { line in
                !line.isEmpty && !line.hasPrefix("import ") && !line.hasPrefix("@testable ")
            }
            #expect(first?.hasPrefix("/// ") == true || first?.hasPrefix("// ") == true, "\(file.path)")
        }
    }

    @Test("every public declaration and its cases have a comment")
    func publicFace() {
        for file in SourceTree.library {
            var publicEnum: Int?
            for (number, line) in file.lines.enumerated() {
                let indent = line.prefix { $0 == " " }.count
                if let begun = publicEnum, indent <= begun, line.dropFirst(indent).hasPrefix("}") { publicEnum = nil }
                let code = line.dropFirst(indent)
                guard code.hasPrefix("public ") || (code.hasPrefix("case ") && publicEnum == indent - 4) else {
                    continue
                }
                if code.hasPrefix("public enum ") { publicEnum = indent }
                let before = number > 0 ? file.lines[number - 1] : ""
                #expect(before.drop { $0 == " " }.hasPrefix("///"), "\(file.path):\(number + 1) has no comment")
            }
        }
    }

    @Test("every note of unfinished work names its issue")
    func leftovers() {
        let words = ["TO" + "DO", "FIX" + "ME", "X" + "XX"]
        for file in all {
            for word in words { #expect(!file.text.contains(word), "\(file.path) says \(word)") }
        }
    }

    @Test("every limit is used")
    func limits() throws {
        let limits = try #require(SourceTree.library.first { $0.name == "Limits.swift" })
        let names = limits.code.matches(of: /static let (\w+)/).map { String($0.1) }
        #expect(names.count > 20)
        let others = sources.filter { $0.name != "Limits.swift" }.map(\.code).joined()
        for name in names { #expect(others.contains("Limits.\(name)"), "Limits.\(name) is unused") }
    }

    @Test("every event of the log is used")
    func logEvents() throws {
        let declared = try #require(SourceTree.library.first { $0.name == "LogEvent.swift" })
        let others = sources.filter { $0.name != declared.name }.map(\.code).joined()
        for event in LogEvent.allCases {
            let isTold = others.contains(
                try Regex("(?:log|record|tell|write)\\(\\s*(?:[^()]*\\? )?\\.\(event)\\b|: \\.\(event),"))
            #expect(isTold, "\(event) is unused")
        }
    }

    @Test("a function fits on a screen: at most sixty lines")
    func functionLength() {
        for file in sources {
            var start: (line: Int, indent: Int, name: Substring)?
            for (number, line) in file.lines.enumerated() {
                let indent = line.prefix { $0 == " " }.count
                if let match = line.firstMatch(of: /\b(?:func (\w+)|init\??)\s*[<(]/), !line.contains("//") {
                    start = (number, indent, match.1 ?? "init")
                } else if let begun = start, indent == begun.indent, line.dropFirst(indent) == "}" {
                    let length = number - begun.line + 1
                    #expect(length <= 60, "\(file.path): \(begun.name) has \(length) lines")
                    start = nil
                }
            }
        }
    }

    @Test("a switch over a state, an event, an effect or a step names its cases: a new one is decided everywhere")
    func defaults() {
        let subject = /\bswitch [^{]*\b(?:phase|state|stage|event|effect|step)\b[^{]*\{$/
        var count = 0
        for file in sources {
            var open: [Int] = []
            for (number, line) in file.lines.enumerated() {
                let indent = line.prefix { $0 == " " }.count
                let code = line.dropFirst(indent)
                if code == "}" { open.removeAll { $0 >= indent } }
                if line.contains(subject) {
                    open.append(indent)
                    count += 1
                }
                let isDefault = code.hasPrefix("default:") && open.contains(indent)
                #expect(!isDefault, "\(file.path):\(number + 1)")
            }
        }
        #expect(count > 50)
    }

    @Test("a test's display name is a sentence or a subject, and no two tests of a file share one")
    func testNames() {
        for file in SourceTree.tests {
            let names = file.text.matches(of: /@Test\(\s*"((?:[^"\\]|\\.)+)"/).map { String($0.1) }
            #expect(Set(names).count == names.count, "\(file.path)")
            #expect(
                !file.text.contains(/(?m)^ +@Test(?:\(\)|\(\.|\(arguments| +func|$)/),
                "\(file.path): a test without a name")
        }
    }
}
