/// A failed system call: its name, the error and the subject.
struct SystemError: Error, Equatable, Sendable {
    /// Name as in the manual, such as `bind`.
    let call: String
    let code: Errno
    /// The address, path or command of the call.
    let subject: String
}

extension SystemError: CustomStringConvertible {
    var description: String {
        Self.processCalls.contains(call) && code == .tryAgain
            ? "\(call) \(subject): too many processes; raise the limit (ulimit -u, LimitNPROC=, TasksMax= or pids.max)"
            : "\(call) \(subject): \(code)"
    }

    /// Calls that create a process or thread: EAGAIN is a limit on their number (setrlimit(2), RLIMIT_NPROC;
    /// cgroups(7)).
    private static let processCalls = ["clone", "fork", "vfork", "posix_spawn", "execve", "pthread_create"]
}

/// An errno value, with names for the values that decisions depend on (errno(3)).
struct Errno: Hashable, Sendable {
    let number: Int32

    static let notPermitted = Errno(number: 1)
    static let noSuchFile = Errno(number: 2)
    static let noDevice = Errno(number: 6)
    static let noProgram = Errno(number: 8)
    static let tooManyFilesInSystem = Errno(number: 23)
    static let tooManyFiles = Errno(number: 24)
    static let tryAgain = Errno(number: 11)
    static let outOfMemory = Errno(number: 12)
    static let permissionDenied = Errno(number: 13)
    static let brokenPipe = Errno(number: 32)
    static let notDirectory = Errno(number: 20)
    static let invalidArgument = Errno(number: 22)
    static let addressNotAvailable = Errno(number: 99)
    static let tooLarge = Errno(number: 27)
    static let noSpace = Errno(number: 28)
    static let readOnly = Errno(number: 30)
    static let isDirectory = Errno(number: 21)
    static let addressInUse = Errno(number: 98)
    static let noBufferSpace = Errno(number: 105)
    static let connectionReset = Errno(number: 104)
    static let timedOut = Errno(number: 110)
    static let connectionRefused = Errno(number: 111)
    /// Not an errno: a device, pipe, socket or link where only a regular file is allowed.
    static let notRegular = Errno(number: -1)

    /// Whether a failed connect means that there is no listener at the moment.
    var meansNotListening: Bool { [.connectionRefused, .connectionReset, .noSuchFile].contains(self) }

    /// Whether a resource is exhausted that becomes free again: pause and retry.
    var isExhaustion: Bool {
        [
            .tooManyFiles, .tooManyFilesInSystem, .outOfMemory, .noBufferSpace,
            // connect(2): no ephemeral port is left. epoll_ctl(2): as many watches as the user may have.
            .addressNotAvailable, .noSpace,
        ].contains(self)
    }
}

extension Errno: CustomStringConvertible {
    var description: String {
        switch self {
        case .notPermitted: "operation not permitted"
        case .noDevice: "no such device, or no reader"
        case .tryAgain: "temporarily unavailable"
        case .invalidArgument: "invalid argument"
        case .addressNotAvailable: "no free port, or an address that this machine does not have"
        case .noSuchFile: "no such file or directory"
        case .noProgram: "neither a program nor a script with an interpreter"
        case .tooManyFilesInSystem: "too many open files in the system"
        case .tooManyFiles: "too many open files in the process"
        case .outOfMemory: "out of memory"
        case .permissionDenied: "permission denied"
        case .brokenPipe: "the other side is closed"
        case .notDirectory: "not a directory"
        case .isDirectory: "is a directory"
        case .notRegular: "not a regular file"
        case .tooLarge: "too large"
        case .noSpace: "no space left"
        case .readOnly: "read-only file system"
        case .addressInUse: "address already in use"
        case .noBufferSpace: "no buffer space"
        case .connectionReset: "connection reset"
        case .timedOut: "timed out"
        case .connectionRefused: "connection refused"
        default: "errno \(number)"
        }
    }
}
