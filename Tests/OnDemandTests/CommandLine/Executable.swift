import Foundation

/// The built daemon beside the tests, run as an operator would.
struct Executable {
    let status: Int32
    let output: String
    let errors: String

    static let path: String = {
        let tests = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        return URL(filePath: tests).deletingLastPathComponent().appending(path: "ondemandd").path()
    }()

    /// The sanitizer options of `make sanitize` apply to the daemon, too.
    private static let sanitizerOptions = ProcessInfo.processInfo.environment.filter { name, _ in
        ["ASAN_OPTIONS", "TSAN_OPTIONS"].contains(name)
    }

    /// Runs to its exit: none of the tests here lets it listen.
    init(_ arguments: String..., environment: [String: String] = [:]) throws {
        try self.init(arguments, environment: environment)
    }

    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        let process = Process()
        process.executableURL = URL(filePath: Self.path)
        process.arguments = arguments
        process.environment = environment.merging(Self.sanitizerOptions) { own, _ in own }
        process.currentDirectoryURL = FileManager.default.temporaryDirectory
        let (output, errors) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (output, errors)
        try process.run()
        // Both outputs fit into a pipe.
        self.output = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        self.errors = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        status = process.terminationStatus
    }
}

/// A file that is removed with its owner.
final class TemporaryFile {
    let path = "/tmp/ondemandd-\(UUID().uuidString.prefix(8)).json"

    init(_ text: String) throws { try text.write(toFile: path, atomically: true, encoding: .utf8) }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
