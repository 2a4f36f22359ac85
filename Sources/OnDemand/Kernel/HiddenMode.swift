import CLinux
import Glibc

/// What the executable is besides a daemon and a command: words that only the daemon itself says.
enum HiddenMode: String {
    /// Become another program, which is told its own number (sd_listen_fds(3)).
    case inheriting = "--become-inheriting"
    /// End the families of a daemon that has died.
    case guardian = "--guard-families"
}

extension LinuxKernel {
    /// Runs a hidden mode if this process was started for one, and does not return from it.
    static func runHiddenMode() {
        let (arguments, count) = unsafe initialArguments()
        guard count > 1, let word = unsafe arguments[1] else { return }
        if unsafe strcmp(word, HiddenMode.inheriting.rawValue) == 0, count > 3 {
            unsafe becomeInheriting(arguments)
        } else if unsafe strcmp(word, HiddenMode.guardian.rawValue) == 0 {
            FamilyGuard.run()
        }
    }

    /// The words of the command line behind the program's name. Call before any variable is set.
    static func commandLine() -> [String] {
        let (arguments, count) = unsafe initialArguments()
        return (1..<max(1, Int(count))).compactMap { unsafe arguments[$0].map { unsafe String(cString: $0) } }
    }

    /// As the toolchain tells them, which reads /proc/self/cmdline, or else as the kernel laid them out.
    private static func initialArguments() -> (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, count: Int32) {
        var count = CommandLine.argc
        guard count == 0 else { return (unsafe CommandLine.unsafeArgv, count) }
        let arguments = unsafe ondemandd_initial_arguments(environ, &count)
        return unsafe (arguments!, count)
    }

    /// `ondemandd WORD PATH NAME ARGUMENT...`: the program at PATH, called NAME.
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
