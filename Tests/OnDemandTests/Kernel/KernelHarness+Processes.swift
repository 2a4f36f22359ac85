import Foundation
import Testing

@testable import OnDemand

extension KernelHarness {
    struct Finished {
        let output: String
        let errors: String
        let exit: Exit?

        var lines: [String] { output.split(separator: "\n").map { String($0) } }
    }

    /// Starts a shell script as a backend; only for tests in a process of their own, because reaping takes any child.
    func shell(
        _ script: String, in directory: String = "/", _ environment: [LaunchCommand.Variable] = []
    ) throws -> Finished {
        try run(
            LaunchCommand(
                command: "/bin/sh", arguments: ["-c", script], workingDirectory: directory, environment: environment))
    }

    func run(_ command: LaunchCommand) throws -> Finished {
        let spawned = try kernel.spawn(command)
        let output = readToEnd(spawned.output, asPipe: true)
        let errors = readToEnd(spawned.errors, asPipe: true)
        kernel.close(spawned.output)
        kernel.close(spawned.errors)
        let ended = reaped()
        return Finished(
            output: String(decoding: output.bytes, as: UTF8.self),
            errors: String(decoding: errors.bytes, as: UTF8.self),
            exit: ended?.process == spawned.process ? ended?.exit : nil)
    }

    /// Returns the next exited child, or nil after two seconds.
    func reaped() -> ExitedProcess? {
        let deadline = kernel.now() + .seconds(2)
        while kernel.now() < deadline {
            if let ended = kernel.nextExited() {
                kernel.reap(ended.process)
                return ended
            }
            _ = kernel.wait(until: kernel.now() + .milliseconds(2))
        }
        return nil
    }

    /// Creates a directory; the caller removes it.
    static func directory() throws -> String {
        let path = "/tmp/ondemandd-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    static func executable(_ script: String, at path: String) throws {
        try "#!/bin/sh\n\(script)\n".write(toFile: path, atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }
}
