import CLinux
import Glibc

/// Modes of the executable that only the daemon itself starts.
enum HiddenMode: String {
    /// Executes another program with its own pid in LISTEN_PID (sd_listen_fds(3)).
    case inheriting = "--become-inheriting"
    /// Runs the guard.
    case guardian = "--guard-families"
}

extension LinuxKernel {
    /// Runs a hidden mode if this process was started in one. Then it does not return.
    static func runHiddenMode() {
        let (arguments, count) = unsafe initialArguments()
        guard count > 1, let word = unsafe arguments[1] else { return }
        if unsafe strcmp(word, HiddenMode.inheriting.rawValue) == 0, count > 3 {
            unsafe becomeInheriting(arguments)
        } else if unsafe strcmp(word, HiddenMode.guardian.rawValue) == 0 {
            ProcessGuard.run()
        }
    }

    /// Words of the command line after the program's name. Call before any variable is set.
    static func commandLine() -> [String] {
        let (arguments, count) = unsafe initialArguments()
        return (1..<max(1, Int(count))).compactMap { unsafe arguments[$0].map { unsafe String(cString: $0) } }
    }

    /// The arguments from the toolchain, which reads /proc/self/cmdline, or from the initial stack.
    private static func initialArguments() -> (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, count: Int32) {
        var count = CommandLine.argc
        guard count == 0 else { return (unsafe CommandLine.unsafeArgv, count) }
        let arguments = unsafe ondemandd_initial_arguments(environ, &count)
        return unsafe (arguments!, count)
    }

    /// Executes `ondemandd WORD PATH NAME ARGUMENT...`: the program at PATH, named NAME.
    private static func becomeInheriting(
        _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>
    ) -> Never {
        guard let path = unsafe arguments[2] else { exit(127) }
        let environment = unsafe environ
        var count = 0
        while unsafe environment[count] != nil { count += 1 }
        let code = unsafe ondemandd_become(path, arguments + 3, environment, Int32(count))
        let sentence = "ondemandd: execve \(unsafe String(cString: path)): \(Errno(number: code))\n"
        let bytes = Array(sentence.utf8)
        _ = unsafe Glibc.write(STDERR_FILENO, bytes, bytes.count)
        exit(127)
    }
}
