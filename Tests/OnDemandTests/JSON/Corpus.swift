import Foundation

@testable import OnDemand

/// Files that were written or found as inputs, by folder, and the documents whose examples are inputs too.
enum Corpus {
    private static let root = URL(filePath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "Corpus")

    static let repository = root.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Sorted, so that a run is the same everywhere. An empty folder is a mistake of the test.
    static func files(in folder: String, _ prefix: String = "") -> [String] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path())) ?? []
        precondition(!names.isEmpty, "there is no corpus in \(folder)")
        return names.filter { $0.hasPrefix(prefix) && $0.hasSuffix(".json") }.sorted()
    }

    static func bytes(of path: String) throws -> [UInt8] { Array(try Data(contentsOf: root.appending(path: path))) }

    /// Whether an editor could go there; the place behind the last character counts.
    static func contains(_ position: TextPosition, _ bytes: [UInt8]) -> Bool {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        guard lines.indices.contains(position.line - 1), position.column >= 1 else { return false }
        let scalars = lines[position.line - 1].count { $0 & 0b1100_0000 != 0b1000_0000 }
        return position.column <= scalars + 1
    }
}
