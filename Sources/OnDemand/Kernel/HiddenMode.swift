import CLinux
import Glibc

/// Modes of the executable that only the daemon itself starts.
enum HiddenMode: String {
    /// Executes another program with its own pid in LISTEN_PID (sd_listen_fds(3)).
    case inheriting = "--become-inheriting"
    /// Runs the guard.
    case guardian = "--guard-families"

    /// Runs a hidden mode if this process was started in one. Then it does not return.
    static func runIfChosen() {
        let (arguments, count) = unsafe OwnProgram.initialArguments()
        guard count > 1, let word = unsafe arguments[1] else { return }
        if unsafe strcmp(word, inheriting.rawValue) == 0, count > 3 {
            unsafe becomeInheriting(arguments)
        } else if unsafe strcmp(word, guardian.rawValue) == 0 {
            ProcessGuard.run()
        }
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
