/// Parameters and results of `Kernel`: plain values, so that a simulation can create them.

/// An open file of this process. The table that holds it closes it exactly once.
struct Descriptor: Hashable, Sendable {
    let raw: Int32
}

enum AcceptResult: Equatable {
    case accepted(Descriptor, from: SocketAddress)
    case wouldBlock
    /// The socket does not listen any more: a process that shares it has shut it down, or the system has (`ss --kill`).
    case ended
    case failed(Errno)
}

enum ConnectResult: Equatable {
    case connected(Descriptor)
    case inProgress(Descriptor)
    case failed(Errno)
}

enum ReadResult: Equatable {
    case bytes(Int)
    case wouldBlock
    case ended
    case failed(Errno)
}

enum WriteResult: Equatable {
    case bytes(Int)
    case wouldBlock
    case failed(Errno)
}

/// How a descriptor is watched.
enum Interest: Equatable {
    /// Level-triggered, for reading: listeners, pipes, signals.
    case readable
    /// Edge-triggered for both directions and the peer's end, registered once (epoll(7), EPOLLET).
    case edges
}

struct ReadinessEvent: Equatable {
    let token: Token
    let readiness: Readiness
}

/// A process in its own session and group, with its output on two pipes.
struct SpawnedProcess: Equatable {
    let process: ProcessID
    let output: Descriptor
    let errors: Descriptor
}

/// A process in its own session, with the daemon's side of its controlling terminal.
struct TerminalProcess: Equatable {
    let process: ProcessID
    let terminal: Descriptor
}

/// A socket passed to the daemon at its start.
struct InheritedListener: Equatable {
    let descriptor: Descriptor
    /// Name from the socket unit.
    let name: String
    /// nil: it does not listen for connections.
    let address: SocketAddress?
}

struct ExitedProcess: Equatable {
    let process: ProcessID
    let exit: Exit
}

struct ProcessDescription: Equatable {
    let process: ProcessID
    let name: String

    /// For display: `1234 (ruby)`.
    var shown: String { "\(process.number) (\(name))" }
}

enum DaemonSignal: Equatable {
    case terminate
    case interrupt
    case childChanged
    case hangUp
    /// The log file was moved away (SIGUSR1).
    case reopenLog
}

/// Kind of reader of standard error.
enum LogReader: Equatable {
    case journal
    case terminal(Terminal)
    case other
}

/// A file opened for log lines.
struct LogFile: Equatable {
    let descriptor: Descriptor
    /// Size in bytes. nil: never renamed, because it is a device, a pipe or a link to one.
    let byteCount: UInt64?
}

/// Seconds since 1970 and nanoseconds within the second, UTC.
struct WallClock: Equatable {
    let seconds: Int64
    let nanoseconds: Int64
}
