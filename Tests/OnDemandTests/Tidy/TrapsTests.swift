import Foundation
import Testing

/// What others fell into, by the numbers of the list that this project keeps: each has a test that says so in its name.
struct TrapsTests {
    private static let traps =
        (1...12).map { "S\($0)" } + (1...11).map { "R\($0)" } + (1...11).map { "P\($0)" } + (1...8).map { "D\($0)" }

    /// Traps that nothing here can fall into, and why.
    private static let elsewhere = [
        // A broadcast while the backend sleeps is lost in Action Cable itself, which delivers at most once. The daemon
        // forwards connections and holds no messages: who publishes by HTTP wakes the backend, who publishes through
        // Redis reaches nobody, as without the daemon. A hub that serves the cable itself would have this trap.
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

    @Test("every trap of the field is named by a test that would have caught it")
    func named() {
        #expect(Self.names.count > 500)
        for trap in Self.traps where !Self.elsewhere.contains(trap) {
            let isNamed = Self.words.contains(trap.lowercased())
            #expect(isNamed, "no test names the trap \(trap)")
        }
    }
}
