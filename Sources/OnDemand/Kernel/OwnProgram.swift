import CLinux
import Glibc

/// The executable of this process and its command line.
enum OwnProgram {
    /// The executable of this process (proc(5), /proc/PID/exe). nil: unknown.
    static var executable: String? {
        let path = ProcFile.linkTarget(of: "/proc/self/exe", atMost: Int(PATH_MAX))
        return path.isEmpty ? nil : path
    }

    /// A path that starts this program again: the link, which survives a replaced or removed file, or, without /proc,
    /// the path of this start.
    static func path() -> String {
        let connection = "/proc/self/exe"
        guard executable == nil, let started = unsafe ondemandd_started_path() else { return connection }
        return unsafe FileAccess.realPath(of: String(cString: started)) ?? connection
    }

    /// Words of the command line after the program's name. Call before any variable is set.
    static func commandLine() -> [String] {
        let (arguments, count) = unsafe initialArguments()
        return (1..<max(1, Int(count))).compactMap { unsafe arguments[$0].map { unsafe String(cString: $0) } }
    }

    /// The arguments from the toolchain, which reads /proc/self/cmdline, or from the initial stack.
    static func initialArguments() -> (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>, count: Int32) {
        var count = CommandLine.argc
        guard count == 0 else { return (unsafe CommandLine.unsafeArgv, count) }
        let arguments = unsafe ondemandd_initial_arguments(environ, &count)
        return unsafe (arguments!, count)
    }
}
