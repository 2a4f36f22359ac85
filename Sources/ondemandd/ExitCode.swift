/// How the daemon ends, in the words of sysexits.h.
enum ExitCode: Int32 {
    case success = 0
    /// A command was understood and could not be carried out.
    case failed = 1
    /// EX_USAGE: the arguments make no sense.
    case usage = 64
    /// EX_UNAVAILABLE: no daemon answers.
    case unavailable = 69
    /// EX_OSERR: the system refused something, such as a listening address.
    case system = 71
    /// EX_CONFIG: the configuration is wrong.
    case configuration = 78
}
