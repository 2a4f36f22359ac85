import Foundation
import Testing

@testable import OnDemand

/// Inputs that fuzzers found, as ordinary tests; `make fuzz` looks for more.
struct FuzzReplayTests {
    private static func inputs(of target: String, _ folder: String) -> [(name: String, bytes: [UInt8])] {
        let root = Corpus.repository.appending(path: "Fuzz/\(target)/\(folder)")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path())) ?? []
        return names.filter { !$0.hasPrefix(".") }.sorted().compactMap { name in
            (try? Data(contentsOf: root.appending(path: name))).map { (name, Array($0)) }
        }
    }

    @Test("every target has a corpus and a dictionary, and every folder its target")
    func folders() throws {
        let root = Corpus.repository.appending(path: "Fuzz")
        let folders = try FileManager.default.contentsOfDirectory(
            at: root, includingPropertiesForKeys: [.isDirectoryKey]
        )
        .filter { try $0.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true }
        #expect(Set(folders.map(\.lastPathComponent)) == Set(FuzzTarget.all.map(\.name) + ["Driver"]))
        for target in FuzzTarget.all {
            #expect(Self.inputs(of: target.name, "corpus").count >= 8, "\(target.name)")
            // The fuzzer refuses to run with an empty one.
            let dictionary = try Data(contentsOf: root.appending(path: "\(target.name)/dictionary"))
            #expect(!dictionary.isEmpty, "\(target.name)")
        }
    }

    @Test("no input of a corpus breaks its property", arguments: FuzzTarget.all.map(\.name))
    func corpus(name: String) throws {
        try replay(name, Self.inputs(of: name, "corpus") + Self.inputs(of: name, "regression"))
    }

    @Test("no input with a few changed bytes breaks its property", arguments: FuzzTarget.all.map(\.name))
    func bentCorpus(name: String) throws {
        var random = Seeded(seed: 20)
        let seeds = Self.inputs(of: name, "corpus")
        let bent = (0..<2_000).map { round in
            var bytes = seeds[round % seeds.count].bytes
            for _ in 0...round % 3 { bend(&bytes, &random) }
            return (name: "round \(round) of \(seeds[round % seeds.count].name)", bytes: bytes)
        }
        try replay(name, bent)
    }

    @Test("a broken property is reported")
    func localReply() throws {
        #expect(throws: Violation.self) { try promise(false, "broken") }
        #expect(throws: Never.self) { try promise(true, "kept") }
        #expect(FuzzTarget.named("missing") == nil)
    }

    private func replay(_ name: String, _ inputs: [(name: String, bytes: [UInt8])]) throws {
        let target = try #require(FuzzTarget.named(name))
        for input in inputs {
            do throws(Violation) {
                try target.check(input.bytes)
            } catch {
                Issue.record("\(name), \(input.name): \(error) for \(input.bytes)")
            }
        }
    }

    private func bend(_ bytes: inout [UInt8], _ random: inout Seeded) {
        guard let index = bytes.indices.randomElement(using: &random) else { return }
        switch Int.random(in: 0..<5, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes.remove(at: index)
        case 3: bytes.insert(bytes.randomElement(using: &random) ?? 0, at: index)
        default: bytes += bytes[index...].prefix(64)
        }
    }
}
