import Foundation
import Testing

/// Traps of other projects, by the numbers of this project's list: each has a test with its number in its name.
struct TrapsTests {
    private static let traps =
        (1...12).map { "S\($0)" } + (1...11).map { "R\($0)" } + (1...11).map { "P\($0)" } + (1...8).map { "D\($0)" }

    /// Traps that cannot occur here, and why.
    private static let elsewhere = [
        // A broadcast during sleep is lost in Action Cable itself, which delivers at most once. The daemon forwards
        // connections and stores no messages: a publisher over HTTP wakes the backend, one over Redis does not, as
        // without the daemon. A hub that serves the cable itself would have this trap.
        "D8"
    ]

    /// The names of all tests, in Swift and in Python.
    private static let names: [String] = {
        let swift = SourceTree.tests.filter { $0.name != "TrapsTests.swift" }.flatMap { file in
            file.text.matches(of: /@(?:Test|Suite)\(\s*"((?:[^"\\]|\\.)+)"/).map { String($0.1) }
        }
        let folder = Corpus.repository.appending(path: "Tests/EndToEnd")
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? []
        let python = files.filter { $0.hasSuffix(".py") }.flatMap { file in
            let text = (try? String(contentsOf: folder.appending(path: file), encoding: .utf8)) ?? ""
            return text.matches(of: /(?m)^(?:def (test_\w+)| +"""(.+)$)/).map { String($0.1 ?? $0.2 ?? "") }
        }
        return swift + python
    }()

    /// `d4` of `test_d4_a_killed_daemon`, `s10` of `S10 a child`.
    private static let words: Set<String> = Set(
        names.flatMap { $0.lowercased().split { !$0.isLetter && !$0.isNumber } }.map { String($0) })

    @Test("every trap of the list is named by a test")
    func named() {
        #expect(Self.names.count > 500)
        for trap in Self.traps where !Self.elsewhere.contains(trap) {
            let isNamed = Self.words.contains(trap.lowercased())
            #expect(isNamed, "no test names the trap \(trap)")
        }
    }
}
