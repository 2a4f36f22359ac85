/// What goes into and comes out of the kernel's verbs: plain values, so that a simulation can make them too.

/// An open file of this process. Whoever holds it in a table closes it, exactly once.
struct Descriptor: Hashable, Sendable {
    let raw: Int32
}

enum AcceptResult: Equatable {
    case accepted(Descriptor, from: SocketAddress)
    case wouldBlock
    /// The socket does not listen any more: another process that shares it has shut it down, or the system has closed
    /// it (`ss --kill`).
    case ended
    case failed(Errno)
}

enum ConnectResult: Equatable {
    case connected(Descriptor)
    case inProgress(Descriptor)
    case failed(Errno)
}

/// The owner of the listener at an address, as sock_diag and /proc show it.
enum SocketLookup: Equatable {
    case noListener
    /// The listener's accept queue has a free entry.
    case ownProcess, foreignProcess
    /// The owning process cannot be read, so the listener does not count as the backend's.
    case unknownOwner
    /// Only a connection can tell: an address of another machine, a full accept queue, or a kernel without sock_diag.
    case unsupported
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
    /// Told again while there is something to read: listeners, pipes, signals.
    case readable
    /// Both directions and the peer's end, told once per change and never re-registered (epoll(7), EPOLLET).
    case edges
}

struct ReadinessEvent: Equatable {
    let token: Token
    let readiness: Readiness
}

/// A process in a session and group of its own, its output on two pipes of ours.
struct SpawnedProcess: Equatable {
    let process: ProcessID
    let output: Descriptor
    let errors: Descriptor
}

/// A socket that was open when the daemon began, meant for it.
struct InheritedListener: Equatable {
    let descriptor: Descriptor
    /// What its socket unit calls it.
    let name: String
    /// nil when it does not listen for connections.
    let address: SocketAddress?
}

struct ExitedProcess: Equatable {
    let process: ProcessID
    let exit: Exit
}

struct ProcessDescription: Equatable {
    let process: ProcessID
    let name: String

    /// For people: `1234 (ruby)`.
    var shown: String { "\(process.number) (\(name))" }
}

enum DaemonSignal: Equatable {
    case terminate
    case interrupt
    case childChanged
    case hangUp
    /// Somebody has moved the log's file away (SIGUSR1).
    case reopenLog
}

/// Who reads standard error.
enum LogReader: Equatable {
    case journal
    case terminal(Terminal)
    case anybody
}

/// A file that log lines are added to.
struct LogFile: Equatable {
    let descriptor: Descriptor
    /// nil for what is never renamed: a device, a pipe, or a link to one of them.
    let byteCount: UInt64?
}

/// Seconds since 1970 and the nanoseconds within, UTC.
struct WallClock: Equatable {
    let seconds: Int64
    let nanoseconds: Int64
}
