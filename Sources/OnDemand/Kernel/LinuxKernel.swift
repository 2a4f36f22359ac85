import CLinux

/// The Linux implementation: one or two system calls per function, errors as values. Errno values that only a
/// programming error can cause trap.
///
/// Each topic is a type of its own. This one puts them together and owns those with a state. A function makes one
/// call of a type that the compiler knows, so the layer costs nothing where the call is inlined.
///
/// - Readiness: `EventPoll` owns the epoll instance of the thread.
/// - Sockets: `StreamSocket`; `ListenerTable` owns the listeners of the process.
/// - Programs: `ProgramLauncher` owns the settings that children get back; `ProgramSearch`, `ProcessEnvironment`.
/// - Process trees: `LaunchedTrees` owns the launches; `ProcessTable`, `GuardChannel`, `Orphans`.
/// - Owners of listeners: `ListenerOwnerSearch`, `ProcNetTables`; `SocketDiagnosis` owns the sock_diag socket.
/// - The daemon itself: `ServiceManager` owns the manager's socket; `SignalDescriptor`, `NotifySocket`, `Wakeup`.
/// - Files and log: `FileAccess`, `LogStream`, `ProcFile`, `OutputDescriptor`.
final class LinuxKernel: Kernel {
    private let poll: EventPoll
    private var listeners = ListenerTable()
    let trees: LaunchedTrees
    private let launcher: ProgramLauncher
    private let search: ListenerOwnerSearch
    private let manager: ServiceManager
    /// Not of a worker thread, which shares the types with those that the main thread uses.
    private let isMain: Bool

    /// `asksSystem` is false in tests of a system without sock_diag. `ownProgram` names the daemon's executable if the
    /// process is another one.
    init(asksSystem: Bool = true, ownProgram: String = OwnProgram.path()) throws(SystemError) {
        // First, because it counts the descriptors that were open at startup.
        manager = ServiceManager()
        isMain = true
        poll = try EventPoll()
        trees = LaunchedTrees()
        launcher = try ProgramLauncher(trees, ownProgram: ownProgram)
        search = ListenerOwnerSearch(trees: trees, diagnosis: SocketDiagnosis(asksSystem: asksSystem))
    }

    /// Creates the kernel of another thread of the same process. Only the thread of the first one starts processes,
    /// searches for listeners and speaks to the manager.
    private init(besides first: LinuxKernel) throws(SystemError) {
        isMain = false
        poll = try EventPoll()
        (trees, launcher, search, manager) = (first.trees, first.launcher, first.search, first.manager)
    }

    func forWorkerThread() throws(SystemError) -> LinuxKernel { try LinuxKernel(besides: self) }

    // MARK: Time and random numbers

    func now() -> Instant { SystemClock.now() }
    func wallClock() -> WallClock { SystemClock.wallClock() }
    func random() -> UInt64 { .random(in: .min ... .max) }

    // MARK: Listeners

    func listen(at address: SocketAddress, privately: Bool) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    ) {
        try listeners.listen(at: address, privately: privately)
    }

    func listenForChild(at address: SocketAddress) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    ) {
        try listeners.listenForChild(at: address)
    }

    func drainAcceptQueue(of listener: Descriptor, limit: Int) {
        StreamSocket.drainAcceptQueue(of: listener, limit: limit)
    }

    func freeAddress(at address: SocketAddress) throws(SystemError) -> SocketAddress {
        try listeners.freeAddress(at: address)
    }

    func stopListening(_ listener: Descriptor, at address: SocketAddress) {
        listeners.stopListening(listener, at: address)
    }

    func removeStaleSocket(at address: SocketAddress) { SocketFile.remove(at: address) }
    func isOwnListener(_ address: SocketAddress) -> Bool { listeners.isOwnListener(address) }

    // MARK: Connections

    func accept(from listener: Descriptor) -> AcceptResult { StreamSocket.accept(from: listener) }
    func connect(to address: SocketAddress) -> ConnectResult { StreamSocket.connect(to: address) }
    func connectProbe(at address: SocketAddress) -> ConnectResult { StreamSocket.connectProbe(at: address) }
    func connectFailure(of descriptor: Descriptor) -> Errno? { StreamSocket.connectFailure(of: descriptor) }

    func receive(from descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult {
        StreamSocket.receive(from: descriptor, into: &buffer, atMost: limit)
    }

    func send(_ bytes: Span<UInt8>, to descriptor: Descriptor) -> WriteResult {
        StreamSocket.send(bytes, to: descriptor)
    }

    func roomToSend(on descriptor: Descriptor) -> Int { StreamSocket.roomToSend(on: descriptor) }
    func undeliveredBytes(to descriptor: Descriptor) -> Int { StreamSocket.undeliveredBytes(to: descriptor) }
    func endSending(on descriptor: Descriptor) { StreamSocket.endSending(on: descriptor) }
    func close(_ descriptor: Descriptor) { StreamSocket.close(descriptor) }
    func reset(_ descriptor: Descriptor) { StreamSocket.reset(descriptor) }

    // MARK: Readiness and wakeups

    func watch(_ descriptor: Descriptor, for interest: Interest, as token: Token) throws(SystemError) {
        try poll.watch(descriptor, for: interest, as: token)
    }

    func unwatch(_ descriptor: Descriptor) { poll.unwatch(descriptor) }

    func wait(until deadline: Instant?) -> Int {
        if isMain { trees.turnEnds() }
        return poll.wait(until: deadline)
    }

    func event(at position: Int) -> ReadinessEvent { poll.event(at: position) }
    func openWakeup() throws(SystemError) -> Descriptor { try Wakeup.open() }
    func signalWakeup(_ wakeup: Descriptor) { Wakeup.signal(wakeup) }

    // MARK: Files

    var workingDirectory: String? { FileAccess.workingDirectory }
    func isSameFile(_ path: String, _ other: String) -> Bool { FileAccess.isSameFile(path, other) }

    func beginning(ofProgramOf command: LaunchCommand, atMost limit: Int) -> [UInt8]? {
        FileAccess.beginning(ofProgramOf: command, atMost: limit)
    }

    func contents(ofFile path: String, atMost limit: Int) throws(SystemError) -> [UInt8] {
        try FileAccess.contents(ofFile: path, atMost: limit)
    }

    func replaceFile(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        try FileAccess.replaceFile(path, with: bytes)
    }

    // MARK: The daemon itself

    func openSignals() throws(SystemError) -> Descriptor { try SignalDescriptor.open() }
    func nextSignal(from descriptor: Descriptor) -> DaemonSignal? { SignalDescriptor.next(from: descriptor) }
    func notifyServiceManager(_ message: String) { manager.notify(message) }
    var watchdogInterval: Duration? { manager.watchdogInterval }
    func inheritedListeners() -> [InheritedListener] { manager.inheritedListeners(into: &listeners) }

    /// Frees heap memory and clean pages. Startup and reading a configuration touch megabytes of code that sleep does
    /// not need: the Swift runtime reads every conformance before its first dictionary. These pages are clean copies of
    /// files. Released, they stay in the page cache, and a later access maps them again without a disk read
    /// (madvise(2), MADV_DONTNEED). The system may reclaim them.
    func trimMemory() { trimMemory(withData: false) }

    /// Also releases unwritten data in the writable segments. A wake-up needs some of it, so a sleep does not release
    /// it: the page faults would add 0.1 ms to the next wake-up.
    func trimMemoryWithData() { trimMemory(withData: true) }

    private func trimMemory(withData: Bool) {
        malloc_trim(0)
        // Last, because later code maps its own pages again.
        ondemandd_release_clean_pages(withData ? 1 : 0)
    }

    // MARK: The log

    func log(_ line: Span<UInt8>) -> Int { LogStream.write(line) }
    var logReader: LogReader { LogStream.reader }
    func openLogFile(_ path: String) throws(SystemError) -> LogFile { try LogStream.open(path) }
    func append(_ line: Span<UInt8>, to file: Descriptor) -> Int { LogStream.append(line, to: file) }

    func moveLogFile(_ file: Descriptor, named path: String, suffix: String) throws(SystemError) {
        try LogStream.move(file, named: path, suffix: suffix)
    }

    // MARK: Programs

    func spawn(_ command: LaunchCommand, inheriting listener: Descriptor? = nil) throws(SystemError) -> SpawnedProcess {
        try launcher.spawn(command, inheriting: listener)
    }

    func spawnOnTerminal(_ command: LaunchCommand) throws(SystemError) -> TerminalProcess {
        try launcher.spawnOnTerminal(command)
    }

    func read(fromPipe descriptor: Descriptor, into buffer: inout [UInt8]) -> ReadResult {
        OutputDescriptor.read(fromPipe: descriptor, into: &buffer)
    }

    func read(fromTerminal descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult {
        OutputDescriptor.read(fromTerminal: descriptor, into: &buffer, atMost: limit)
    }

    func openNotifySocket() throws(SystemError) -> (descriptor: Descriptor, name: String) { try NotifySocket.open() }

    func nextNotification(
        from descriptor: Descriptor, into buffer: inout [UInt8]
    ) -> (count: Int, sender: ProcessID?)? {
        NotifySocket.next(from: descriptor, into: &buffer)
    }

    // MARK: Process trees

    func process(_ process: ProcessID, belongsToTreeOf leader: ProcessID) -> Bool {
        trees.process(process, belongsToTreeOf: leader)
    }

    func description(of process: ProcessID) -> ProcessDescription {
        ProcessDescription(process: process, name: ProcessTable.name(of: process.number))
    }

    @discardableResult
    func signal(treeOf leader: ProcessID, _ signal: StopSignal) -> Errno? { trees.signal(treeOf: leader, signal) }

    func members(ofTreeOf leader: ProcessID, atMost limit: Int) -> [ProcessDescription] {
        trees.members(ofTreeOf: leader, atMost: limit)
    }

    func endedTrees(among leaders: [ProcessID]) -> [ProcessID] { trees.endedTrees(among: leaders) }
    func nextExited() -> ExitedProcess? { trees.nextExited() }
    func reap(_ process: ProcessID) { trees.reap(process) }
    func residentBytes(of process: ProcessID?) -> Int? { ProcessTable.residentBytes(of: process) }

    private var guardChannel: GuardChannel { GuardChannel(trees: trees, launcher: launcher) }

    func startGuard() throws(SystemError) -> (process: ProcessID, channel: Descriptor) { try guardChannel.start() }

    func tellGuard(
        _ channel: Descriptor, of leader: ProcessID, steps: [(signal: StopSignal, timeout: Duration)]?
    ) -> Bool {
        guardChannel.tell(channel, of: leader, steps: steps)
    }

    var processTreeLimits: [String] { ProcessTreeLimits.sentences(marksByLimit: trees.marksByLimit) }

    func killOrphans(within timeout: Duration) -> [ProcessDescription] {
        Orphans(identity: trees.identity).kill(within: timeout)
    }

    // MARK: Owners of listeners

    func lookUpSocket(at address: SocketAddress, forTreeOf leader: ProcessID) -> SocketLookup {
        search.lookUpSocket(at: address, forTreeOf: leader)
    }

    func listenerOwner(at address: SocketAddress) -> ProcessDescription? { search.listenerOwner(at: address) }

    func listener(
        at address: SocketAddress, accepting connection: Descriptor?, belongsToTreeOf leader: ProcessID
    ) -> SocketLookup {
        search.listener(at: address, accepting: connection, belongsToTreeOf: leader)
    }

    func listeningAddresses(ofTreeOf leader: ProcessID, atMost limit: Int) -> [SocketAddress] {
        search.listeningAddresses(ofTreeOf: leader, atMost: limit)
    }

    func hasTimeWait(at address: SocketAddress) -> Bool { ProcNetTables.hasTimeWait(at: address) }
}
