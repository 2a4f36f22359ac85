import CLinux
import Glibc

/// The few lines that run between the spawn and the backend's own program, in the backend's process.
///
/// posix_spawn(3) cannot ask for the parent-death signal, so the daemon spawns itself with `--launch`, and this is
/// replaced by the command at once (execve(2)). The signal survives that; a fork of the backend does not inherit it.
public enum LaunchHelper {
    static let word = "--launch"

    /// `--launch PARENT PATH NAME [ARGUMENT ...]`, as `arguments(of:...)` writes it; returns only when asked otherwise.
    public static func runIfAsked() {
        let arguments = unsafe CommandLine.unsafeArgv
        guard CommandLine.argc >= 5, let asked = unsafe arguments[1], unsafe strcmp(asked, word) == 0,
            let parent = unsafe arguments[2], let path = unsafe arguments[3]
        else { return }
        ondemandd_die_with_parent()
        // The daemon may have died before that call; then nobody would ever stop what comes next.
        guard unsafe getppid() == atoi(parent) else { _exit(Failure.orphaned) }
        nameInheritor()
        unsafe execv(path, arguments + 4)
        let code = Errno.current
        let sentence = Array("ondemandd: cannot execute \(unsafe String(cString: path)): \(code)\n".utf8)
        _ = unsafe write(STDERR_FILENO, sentence, sentence.count)
        _exit(code == .noSuchFile ? Failure.notFound : Failure.notExecutable)
    }

    /// Descriptors are meant for the process whose number LISTEN_PID is, and only that process knows it beforehand
    /// (sd_listen_fds(3)). A daemon's own LISTEN_FDS never gets here.
    private static func nameInheritor() {
        guard unsafe getenv("LISTEN_FDS") != nil else { return }
        unsafe setenv("LISTEN_PID", "\(getpid())", 1)
    }

    /// The words in front of a command's own.
    static func arguments(parent: Int32, executable: String) -> [String] {
        ["ondemandd", word, "\(parent)", executable]
    }

    /// Exit statuses as shells give them.
    private enum Failure {
        static let orphaned: Int32 = 125
        static let notExecutable: Int32 = 126
        static let notFound: Int32 = 127
    }
}
