import CLinux
import Glibc

/// The file that a command runs.
enum ProgramSearch {
    /// Follows the shell: a name with a slash is a path from the child's directory, any other is searched in the
    /// child's PATH.
    static func find(_ launch: LaunchCommand) throws(SystemError) -> String {
        let (command, directory) = (launch.command, launch.workingDirectory)
        guard !command.contains("/") else { return command }
        let path =
            launch.environment.first { $0.name == "PATH" }?.value ?? ProcessEnvironment.value(of: "PATH")
            ?? "/usr/local/bin:/usr/bin:/bin"
        for place in path.split(separator: ":", omittingEmptySubsequences: false) {
            let candidate = place.isEmpty ? "./\(command)" : "\(place)/\(command)"
            let seenFromHere = candidate.hasPrefix("/") ? candidate : "\(directory)/\(candidate)"
            var information = stat()
            guard unsafe stat(seenFromHere, &information) == 0, information.st_mode & S_IFMT == S_IFREG,
                unsafe access(seenFromHere, X_OK) == 0
            else { continue }
            return candidate
        }
        throw SystemError(call: "find", code: .noSuchFile, subject: "\(command) on PATH \(path)")
    }
}
