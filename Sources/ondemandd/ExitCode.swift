/// Exit codes, named after sysexits.h.
enum ExitCode: Int32 {
    case success = 0
    /// A command was valid but failed.
    case failed = 1
    /// EX_USAGE: invalid arguments.
    case usage = 64
    /// EX_UNAVAILABLE: no daemon responds.
    case unavailable = 69
    /// EX_OSERR: a system call failed, such as a bind.
    case system = 71
    /// EX_CONFIG: invalid configuration.
    case configuration = 78
}
