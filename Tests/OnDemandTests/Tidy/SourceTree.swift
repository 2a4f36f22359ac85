import Foundation

/// The project's own source files, as text.
struct SourceFile {
    /// From the repository on: `Sources/OnDemand/HTTP/HTTPByte.swift`.
    let path: String
    let text: String

    /// The room of the file: `HTTP`; for files outside the rooms their own name.
    var folder: String {
        let parts = path.split(separator: "/")
        return String(parts.count > 3 ? parts[2] : parts.last!)
    }

    var name: String { String(path.split(separator: "/").last!) }
    var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }

    /// The text without comments and without literals; interpolated code stays.
    let code: String

    init(path: String, text: String) {
        (self.path, self.text) = (path, text)
        code = CodeScanner(text).code
    }

    var imports: [String] { text.matches(of: /(?m)^(?:@\w+ )?import (\w+)/).map { String($0.1) } }

    /// The names of the types it declares at the top, private ones too.
    var declaredTypes: [String] {
        code.matches(of: /(?m)^(?:[@\w]+ )*(?:struct|class|enum|protocol|typealias) (\w+)/).map { String($0.1) }
    }

    /// The names of nested types: these refer to themselves, whatever another room declares.
    var nestedTypes: [String] {
        code.matches(of: /(?m)^ +(?:[@\w]+ )*(?:struct|class|enum|protocol|typealias) (\w+)/).map { String($0.1) }
    }

    var names: Set<String> { Set(code.matches(of: /\b[A-Z]\w*/).map { String($0.0) }) }
}

enum SourceTree {
    static let library = files(below: "Sources/OnDemand")
    static let executable = files(below: "Sources/ondemandd")
    static let double = files(below: "Sources/cable-double")
    static let tests = files(below: "Tests/OnDemandTests")

    private static func files(below folder: String) -> [SourceFile] {
        let root = Corpus.repository.appending(path: folder)
        let paths = FileManager.default.enumerator(atPath: root.path())?.compactMap { $0 as? String } ?? []
        return paths.filter { $0.hasSuffix(".swift") }.sorted().map { path in
            let text = try? String(contentsOf: root.appending(path: path), encoding: .utf8)
            return SourceFile(path: "\(folder)/\(path)", text: text ?? "")
        }
    }
}

/// Separates code from comments and literals, as far as this project uses them.
private struct CodeScanner {
    private let bytes: [UInt8]
    private var position = 0
    private var kept: [UInt8] = []

    init(_ text: String) {
        bytes = Array(text.utf8)
        scanCode(untilParenthesis: false)
    }

    var code: String { String(decoding: kept, as: UTF8.self) }

    private func comes(_ text: StaticString) -> Bool {
        let end = position + text.utf8CodeUnitCount
        return end <= bytes.count && bytes[position..<end].elementsEqual("\(text)".utf8)
    }

    private mutating func scanCode(untilParenthesis: Bool) {
        var depth = 0
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "/") where comes("//"):
                while position < bytes.count, bytes[position] != UInt8(ascii: "\n") { position += 1 }
                continue
            case UInt8(ascii: "#") where comes("#\""): scanLiteral(hashes: 1, quotes: 1)
            case UInt8(ascii: "\"") where comes("\"\"\""): scanLiteral(hashes: 0, quotes: 3)
            case UInt8(ascii: "\""): scanLiteral(hashes: 0, quotes: 1)
            case UInt8(ascii: "(") where untilParenthesis:
                depth += 1
                fallthrough
            default:
                if bytes[position] == UInt8(ascii: ")"), untilParenthesis {
                    depth -= 1
                    if depth < 0 { return }
                }
                kept.append(bytes[position])
            }
            position += 1
        }
    }

    /// From its first quote or hash to its last, on which it ends.
    private mutating func scanLiteral(hashes: Int, quotes: Int) {
        let quote = UInt8(ascii: "\"")
        let end = Array(repeating: quote, count: quotes) + Array(repeating: UInt8(ascii: "#"), count: hashes)
        position += hashes + quotes
        kept.append(quote)
        while position < bytes.count, !bytes[position...].starts(with: end) {
            if hashes == 0, comes("\\(") {
                position += 2
                kept.append(UInt8(ascii: " "))
                scanCode(untilParenthesis: true)
                kept.append(UInt8(ascii: " "))
            } else if hashes == 0, bytes[position] == UInt8(ascii: "\\") {
                position += 1
            }
            position += 1
        }
        position += end.count - 1
        kept.append(quote)
    }
}
