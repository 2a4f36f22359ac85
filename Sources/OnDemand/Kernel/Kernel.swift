/// System calls without decisions: the only interface between the daemon and the system.
///
/// Implementations: `LinuxKernel`, and the simulated kernel of the tests. EINTR is never returned. EBADF and EFAULT are
/// programming errors and trap.
protocol Kernel: AnyObject {
    // MARK: Time and random numbers

    /// CLOCK_MONOTONIC: never runs backwards and stops during suspend (clock_gettime(2)).
    func now() -> Instant
    /// For log lines and the status only. No decision may depend on it.
    func wallClock() -> WallClock
    func random() -> UInt64

    // MARK: Sockets

    /// Binds and listens. Returns the address with the chosen port for port 0. A Unix socket is open to all users that
    /// can enter its directory, or, with `privately`, only to the daemon's user from the start.
    func listen(at address: SocketAddress, privately: Bool) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    )
    /// The same for a socket that a backend inherits, without the options for client connections.
    func listenForChild(at address: SocketAddress) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    )
    /// Closes at most `limit` connections in the accept queue. Only while no child holds the socket.
    func drainAcceptQueue(of listener: Descriptor, limit: Int)
    /// Returns the address with a port that is free at the moment.
    func freeAddress(at address: SocketAddress) throws(SystemError) -> SocketAddress
    /// Closes the socket and removes its file, unless the file belongs to a successor.
    func stopListening(_ listener: Descriptor, at address: SocketAddress)
    /// Removes a socket file that refuses connections, and no other file.
    func removeStaleSocket(at address: SocketAddress)
    func accept(from listener: Descriptor) -> AcceptResult
    /// Whether this address leads to a Unix socket of this daemon, by device and inode: also through a link, another
    /// directory or another name. Makes no system call if there are no such sockets.
    func isOwnListener(_ address: SocketAddress) -> Bool
    func connect(to address: SocketAddress) -> ConnectResult
    /// Connects for a probe, without the options of long connections.
    func connectProbe(at address: SocketAddress) -> ConnectResult
    /// Looks up the listener and its owner without connecting.
    func lookUpSocket(at address: SocketAddress, forTreeOf leader: ProcessID) -> SocketLookup
    /// Result of a connect in progress. nil: success (connect(2), SO_ERROR).
    func connectFailure(of descriptor: Descriptor) -> Errno?
    func receive(from descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult
    func send(_ bytes: Span<UInt8>, to descriptor: Descriptor) -> WriteResult
    /// Free space of the send buffer in bytes, approximately. 0 if unknown (SO_MEMINFO, Linux 4.12).
    func roomToSend(on descriptor: Descriptor) -> Int
    /// Bytes sent that the peer's kernel has not acknowledged (tcp(7), SIOCOUTQ).
    func undeliveredBytes(to descriptor: Descriptor) -> Int
    /// Ends our direction; the other stays open (shutdown(2), SHUT_WR).
    func endSending(on descriptor: Descriptor)
    func close(_ descriptor: Descriptor)
    /// Closes with a reset instead of an end (socket(7), SO_LINGER).
    func reset(_ descriptor: Descriptor)

    // MARK: Readiness

    func watch(_ descriptor: Descriptor, for interest: Interest, as token: Token) throws(SystemError)
    func unwatch(_ descriptor: Descriptor)
    /// Waits until an event or the deadline. nil: no timeout. Returns the number of events.
    func wait(until deadline: Instant?) -> Int
    /// An event of the last wait.
    func event(at position: Int) -> ReadinessEvent

    // MARK: Threads

    /// The same kernel for another thread, with an epoll instance of its own. All else is shared.
    func forWorkerThread() throws(SystemError) -> Self
    /// Opens a wakeup that one thread watches and any thread signals (eventfd(2)). Watched edge-triggered, it is never
    /// read: each signal is an event. It is never closed.
    func openWakeup() throws(SystemError) -> Descriptor
    func signalWakeup(_ wakeup: Descriptor)

    // MARK: Processes

    /// Starts the command in a new session and process group, with default signals, an empty mask and descriptors 0 to
    /// 2. An inherited listening socket is descriptor 3 (sd_listen_fds(3)).
    func spawn(_ command: LaunchCommand, inheriting listener: Descriptor?) throws(SystemError) -> SpawnedProcess
    /// Starts the command in a new session whose controlling terminal is a new pseudo-terminal of 80 columns and 24
    /// rows, which is its descriptors 0 to 2. All else is as with `spawn`.
    func spawnOnTerminal(_ command: LaunchCommand) throws(SystemError) -> TerminalProcess
    /// Opens a notify socket for one child, with credentials of senders. Returns its value for NOTIFY_SOCKET.
    func openNotifySocket() throws(SystemError) -> (descriptor: Descriptor, name: String)
    /// Returns the next message and its sender, or nil. Attached descriptors are dropped.
    func nextNotification(
        from descriptor: Descriptor, into buffer: inout [UInt8]
    ) -> (count: Int, sender: ProcessID?)?
    func process(_ process: ProcessID, belongsToTreeOf leader: ProcessID) -> Bool
    func description(of process: ProcessID) -> ProcessDescription
    func read(fromPipe descriptor: Descriptor, into buffer: inout [UInt8]) -> ReadResult
    /// `ended`: no process has the other side open. One may open it again. All bytes that ended processes have written
    /// come before `wouldBlock`.
    func read(fromTerminal descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult
    /// Signals the process group of `leader` and the descendants that left it (kill(2)). Returns the errno of a process
    /// that may not be signalled. nil: all were signalled or have exited.
    @discardableResult
    func signal(treeOf leader: ProcessID, _ signal: StopSignal) -> Errno?
    /// Living processes of the tree, at most `limit`, for display.
    func members(ofTreeOf leader: ProcessID, atMost limit: Int) -> [ProcessDescription]
    /// Returns the trees of which no process is left, by one census of processes for all of them. Call after all exits
    /// of a turn. An ended tree must not be asked for again.
    func endedTrees(among leaders: [ProcessID]) -> [ProcessID]
    /// Starts the guard, which kills the reported process trees when this process dies. The end of `channel` tells it
    /// so.
    func startGuard() throws(SystemError) -> (process: ProcessID, channel: Descriptor)
    /// Reports a process tree with its stop plan to the guard. nil steps: the tree has ended. Returns false if the
    /// guard does not accept the message.
    func tellGuard(
        _ channel: Descriptor, of leader: ProcessID, steps: [(signal: StopSignal, timeout: Duration)]?
    ) -> Bool
    /// Limits of this system for tracking processes, as sentences for the log.
    var processTreeLimits: [String] { get }
    /// Kills the processes of a killed predecessor and waits for them. Only before the event loop runs.
    func killOrphans(within timeout: Duration) -> [ProcessDescription]
    /// Returns an exited child or adopted orphan. It keeps its pid, and is returned again, until it is reaped.
    func nextExited() -> ExitedProcess?
    /// Releases the pid of an exited child.
    func reap(_ process: ProcessID)
    /// Owner of the listener at this address, if /proc shows it.
    func listenerOwner(at address: SocketAddress) -> ProcessDescription?
    /// Owner of the listener that accepted this connection or has this address. `unknownOwner`: not provable.
    /// `noListener`: no socket of this machine listens there.
    func listener(
        at address: SocketAddress, accepting connection: Descriptor?, belongsToTreeOf leader: ProcessID
    ) -> SocketLookup
    /// Addresses at which the tree listens, at most `limit`, for display.
    func listeningAddresses(ofTreeOf leader: ProcessID, atMost limit: Int) -> [SocketAddress]
    /// Whether connections in TIME_WAIT keep a server from binding this address (tcp(7)).
    func hasTimeWait(at address: SocketAddress) -> Bool
    func residentBytes(of process: ProcessID?) -> Int?

    // MARK: Files

    /// Absolute path of the daemon's working directory (getcwd(3)). nil: removed.
    var workingDirectory: String? { get }
    /// The first bytes of the file that a command runs, at most `limit`; nil when they cannot be read.
    func beginning(ofProgramOf command: LaunchCommand, atMost limit: Int) -> [UInt8]?
    /// Whether two paths lead to one file, links followed (stat(2)); false where either does not exist.
    func isSameFile(_ path: String, _ other: String) -> Bool
    /// A regular file, whole.
    func contents(ofFile path: String, atMost limit: Int) throws(SystemError) -> [UInt8]
    /// Replaces a file atomically (rename(2)). Only the daemon's user can read it.
    func replaceFile(_ path: String, with bytes: [UInt8]) throws(SystemError)

    // MARK: The daemon itself

    /// Delivers the daemon's signals through this descriptor from now on.
    func openSignals() throws(SystemError) -> Descriptor
    func nextSignal(from descriptor: Descriptor) -> DaemonSignal?
    /// Notifies the service manager, if there is one (sd_notify(3)).
    func notifyServiceManager(_ message: String)
    /// Watchdog interval of the service manager. nil: none (sd_watchdog_enabled(3)).
    var watchdogInterval: Duration? { get }
    /// Sockets passed by the service manager, returned once (sd_listen_fds(3)).
    func inheritedListeners() -> [InheritedListener]
    /// Returns free memory to the system before a long sleep.
    func trimMemory()
    /// The same after much work that needed data which a quiet daemon does not: a configuration was read, many
    /// connections were opened.
    func trimMemoryWithData()

    // MARK: The log

    /// Writes to standard error without blocking. Returns the number of bytes written.
    func log(_ line: Span<UInt8>) -> Int
    var logReader: LogReader { get }
    /// Opens a log file for appending, with mode 0640 if it is new.
    func openLogFile(_ path: String) throws(SystemError) -> LogFile
    /// Appends to a log file. Returns the number of bytes written, which are fewer on a full disk.
    func append(_ line: Span<UInt8>, to file: Descriptor) -> Int
    /// Appends `suffix` to the file's name and replaces a file of that name (rename(2)). No effect if the path names
    /// another file by now.
    func moveLogFile(_ file: Descriptor, named path: String, suffix: String) throws(SystemError)
}

extension Kernel {
    /// Whether the peer's kernel has not acknowledged all bytes. On a closed connection these bytes cannot have been
    /// read.
    func hasUndelivered(to descriptor: Descriptor) -> Bool { undeliveredBytes(to: descriptor) > 0 }

    func receive(from descriptor: Descriptor, into buffer: inout [UInt8]) -> ReadResult {
        receive(from: descriptor, into: &buffer, atMost: buffer.count)
    }

    func listen(at address: SocketAddress) throws(SystemError) -> (descriptor: Descriptor, address: SocketAddress) {
        try listen(at: address, privately: false)
    }
}

extension Kernel {
    /// Returns the working directory as an absolute path for PWD. Programs trust PWD to keep symbolic links, and would
    /// otherwise inherit the daemon's.
    func absoluteDirectory(of command: LaunchCommand) -> String? {
        let directory = command.workingDirectory
        guard let own = directory.hasPrefix("/") ? "/" : workingDirectory else { return nil }
        let plain = PathText.absolute(directory, from: own)
        // Behind a link `..` may lead elsewhere; then programs ask the system.
        return plain == directory || isSameFile(plain, directory) ? plain : nil
    }
}
