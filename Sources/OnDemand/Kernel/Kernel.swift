/// The verbs of the system, and nothing that decides: the one seam between the daemon and the world.
///
/// Two conformers: `LinuxKernel`, and the simulated one of the tests. EINTR never leaves it; EBADF and EFAULT are ours
/// and trap there.
protocol Kernel: AnyObject {
    // MARK: Time and chance

    /// CLOCK_MONOTONIC: never runs backwards, and a suspended machine does not age (clock_gettime(2)).
    func now() -> Instant
    /// For log lines and the status page only; no decision may depend on it.
    func wallClock() -> WallClock
    func random() -> UInt64

    // MARK: Sockets

    /// Binds and listens; the address in the answer has the port the kernel chose when 0 was asked for. A Unix socket
    /// is for everybody who may enter its directory, or from its first moment for the daemon's own user only.
    func listen(at address: SocketAddress, privately: Bool) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    )
    /// The same for a backend that will inherit the socket: without the options that only our own clients need.
    func listenForChild(at address: SocketAddress) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    )
    /// Ends the connections that nobody has taken from its queue, at most `limit`. Only while no child holds it.
    func drainAcceptQueue(of listener: Descriptor, limit: Int)
    /// The address with a port that nobody uses at the moment.
    func freeAddress(at address: SocketAddress) throws(SystemError) -> SocketAddress
    /// Closes it, and removes its file when the daemon has made it, and it is not a successor's.
    func stopListening(_ listener: Descriptor, at address: SocketAddress)
    /// Removes a socket file that refuses connections, as a killed server leaves it; no other file.
    func removeStaleSocket(at address: SocketAddress)
    func accept(from listener: Descriptor) -> AcceptResult
    /// Whether a connection to this address would reach a listener of this daemon, inherited ones included. A Unix
    /// socket is recognised by device and inode of its file: through a link, from another directory, or under another
    /// name. A TCP listener is recognised by its port and address. Costs a call only where there are Unix sockets, or a
    /// wildcard listener with the same port.
    func isOwnListener(_ address: SocketAddress) -> Bool
    func connect(to address: SocketAddress) -> ConnectResult
    /// A connection that is made to find out whether somebody accepts, with nothing that only long ones need.
    func connectProbe(at address: SocketAddress) -> ConnectResult
    /// Whether who listens there is of this family, without knocking.
    func lookUpSocket(at address: SocketAddress, forFamilyOf leader: ProcessID) -> SocketLookup
    /// How a connect that was in progress ended: nil is success (connect(2), SO_ERROR).
    func connectFailure(of descriptor: Descriptor) -> Errno?
    func receive(from descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult
    func send(_ bytes: Span<UInt8>, to descriptor: Descriptor) -> WriteResult
    /// How many more bytes would be taken at once, about; zero where the system does not tell (SO_MEMINFO, Linux 4.12).
    func roomToSend(on descriptor: Descriptor) -> Int
    /// Bytes sent that the peer's system has not taken, by its own account (tcp(7), SIOCOUTQ).
    func undeliveredBytes(to descriptor: Descriptor) -> Int
    /// Ends our direction; the other stays open (shutdown(2), SHUT_WR).
    func endSending(on descriptor: Descriptor)
    func close(_ descriptor: Descriptor)
    /// Closes so that the peer sees a reset and not an end (socket(7), SO_LINGER).
    func reset(_ descriptor: Descriptor)

    // MARK: Readiness

    func watch(_ descriptor: Descriptor, for interest: Interest, as token: Token) throws(SystemError)
    func unwatch(_ descriptor: Descriptor)
    /// Sleeps until something is ready or the deadline; nil is for as long as it takes. Returns how many events wait.
    func wait(until deadline: Instant?) -> Int
    /// An event of the last wait.
    func event(at position: Int) -> ReadinessEvent

    // MARK: Threads

    /// The same system for a thread of its own: what it watches is its own affair, all else is shared.
    func forWorkerThread() throws(SystemError) -> Self
    /// What one thread watches and any thread may ring (eventfd(2)). Watched for edges, it is never read: each ring is
    /// told. It lasts as long as the daemon.
    func openWakeup() throws(SystemError) -> Descriptor
    func signalWakeup(_ wakeup: Descriptor)

    // MARK: Processes

    /// The command in a new session and process group, with default signals, an empty mask and descriptors 0 to 2 only;
    /// a listening socket that it is to inherit is its descriptor 3 (sd_listen_fds(3)).
    func spawn(_ command: LaunchCommand, inheriting listener: Descriptor?) throws(SystemError) -> SpawnedProcess
    /// A socket for the messages of one child, which hears who sent them, and what NOTIFY_SOCKET calls it.
    func openNotifySocket() throws(SystemError) -> (descriptor: Descriptor, name: String)
    /// The next message and its sender; nil when none waits. What else came with it, such as descriptors, is dropped.
    func nextNotification(
        from descriptor: Descriptor, into buffer: inout [UInt8]
    ) -> (count: Int, sender: ProcessID?)?
    func process(_ process: ProcessID, belongsToFamilyOf leader: ProcessID) -> Bool
    func description(of process: ProcessID) -> ProcessDescription
    func read(fromPipe descriptor: Descriptor, into buffer: inout [UInt8]) -> ReadResult
    /// To the process group that `leader` was spawned into, and to those of its descendants that left it (kill(2)).
    /// Returns the errno of a process that may not be signalled; nil when each one was, or is gone.
    @discardableResult
    func signal(familyOf leader: ProcessID, _ signal: StopSignal) -> Errno?
    /// The processes of the family that are alive, at most `limit` of them, for people.
    func members(ofFamilyOf leader: ProcessID, atMost limit: Int) -> [ProcessDescription]
    /// Whether anybody of them is left. Asked after a reap; once it says no, it may not be asked again.
    func familyExists(of leader: ProcessID) -> Bool
    /// Starts the process that ends the families it was told of when this process dies: the other end of `channel` is
    /// its own, and the end of that is the daemon's death.
    func startGuard() throws(SystemError) -> (process: ProcessID, channel: Descriptor)
    /// Tells it a family as far as it is known now, with how to end it; without steps the family has ended. False when
    /// it does not take the message.
    func tellGuard(
        _ channel: Descriptor, of leader: ProcessID, steps: [(signal: StopSignal, patience: Duration)]?
    ) -> Bool
    /// What this system does not let the daemon prove about processes, in sentences for the log.
    var processTreeLimits: [String] { get }
    /// Stops what a killed predecessor left behind, and waits for it. Only for the time before the reactor turns.
    func killOrphans(within patience: Duration) -> [ProcessDescription]
    /// A child, or an orphan we inherited, that has exited and still holds its number, so that nobody else is meant by
    /// it; the same one again until it is reaped.
    func nextExited() -> ExitedProcess?
    /// Now it is gone for good.
    func reap(_ process: ProcessID)
    /// Who listens there, as far as /proc tells.
    func listenerOwner(at address: SocketAddress) -> ProcessDescription?
    /// Whose the listener is that accepted this connection, or that has this address: `somebody` when nothing shows it,
    /// `nobody` when no socket of this machine listens there.
    func listener(
        at address: SocketAddress, accepting connection: Descriptor?, belongsToFamilyOf leader: ProcessID
    ) -> SocketLookup
    /// Where the processes of this family listen, at most `limit` addresses, for people.
    func listeningAddresses(ofFamilyOf leader: ProcessID, atMost limit: Int) -> [SocketAddress]
    /// Whether earlier connections to this address still keep a server from binding it (tcp(7), TIME_WAIT).
    func hasTimeWait(at address: SocketAddress) -> Bool
    func residentBytes(of process: ProcessID?) -> Int?

    // MARK: Files

    /// The daemon's own directory, as an absolute path (getcwd(3)); nil when it has been removed.
    var workingDirectory: String? { get }
    /// The first bytes of the file that a command runs, at most `limit`; nil when they cannot be read.
    func beginning(ofProgramOf command: LaunchCommand, atMost limit: Int) -> [UInt8]?
    /// Whether two paths lead to one file, links followed (stat(2)); false where either does not exist.
    func isSameFile(_ path: String, _ other: String) -> Bool
    /// A regular file, whole.
    func contents(ofFile path: String, atMost limit: Int) throws(SystemError) -> [UInt8]
    /// Whoever reads it meanwhile finds all of the old or all of the new; nobody else may (rename(2)).
    func replaceFile(_ path: String, with bytes: [UInt8]) throws(SystemError)

    // MARK: The daemon itself

    /// From now on the daemon's signals arrive as readiness of this descriptor.
    func openSignals() throws(SystemError) -> Descriptor
    func nextSignal(from descriptor: Descriptor) -> DaemonSignal?
    /// Lets the manager that started the daemon know; nothing happens where there is none (sd_notify(3)).
    func notifyServiceManager(_ message: String)
    /// How often it wants to hear that the daemon lives; nil is never (sd_watchdog_enabled(3)).
    var watchdogInterval: Duration? { get }
    /// The sockets that it opened for the daemon, told once (sd_listen_fds(3)).
    func inheritedListeners() -> [InheritedListener]
    /// Before a long sleep: whatever can be had back without asking anybody.
    func trimMemory()

    // MARK: The log

    /// To standard error, as much as its reader takes without making us wait; returns how many bytes that were.
    func log(_ line: Span<UInt8>) -> Int
    var logReader: LogReader { get }
    /// A file to add lines to; made for its owner and group when it is not there.
    func openLogFile(_ path: String) throws(SystemError) -> LogFile
    /// Adds to such a file; returns how many bytes it took, which on a full disk are fewer.
    func append(_ line: Span<UInt8>, to file: Descriptor) -> Int
    /// Appends `suffix` to the file's name, in place of whatever had that name (rename(2)). Does nothing where the path
    /// names another file by now.
    func moveLogFile(_ file: Descriptor, named path: String, suffix: String) throws(SystemError)
}

extension Kernel {
    /// Whether the peer's system has not even taken all that was sent; asked of a connection that is over, nobody can
    /// have read that.
    func hasUndelivered(to descriptor: Descriptor) -> Bool { undeliveredBytes(to: descriptor) > 0 }

    func receive(from descriptor: Descriptor, into buffer: inout [UInt8]) -> ReadResult {
        receive(from: descriptor, into: &buffer, atMost: buffer.count)
    }

    func listen(at address: SocketAddress) throws(SystemError) -> (descriptor: Descriptor, address: SocketAddress) {
        try listen(at: address, privately: false)
    }
}
