@testable import OnDemand

/// All processes of a simulation, and the scripts of each service's next ones.
struct ChildTable {
    /// Running processes and zombies, in order of birth.
    var all: [SimulatedProcess] = []
    /// By service: the scripts of its processes; the last one repeats.
    var scripts: [[ChildScript]] = []
    var addresses: [SocketAddress] = []
    var startupTimeouts: [Duration] = []
    var starts: [Int] = []
    /// By service: the backends that must be ready before it starts, and whether their readiness is visible.
    var requirements: [[Int]] = []
    var tellsReadiness: [Bool] = []
    private(set) var reaped = 0
    /// How often the processes of all trees were looked at.
    var censuses = 0
    private(set) var born = 0
    private var lastID: Int32 = 200
    private var launches: UInt64 = 0
    /// The guard processes: at most one is alive; the others wait to be reaped.
    var processGuard: SimulatedGuard?
    var endedGuards: [(id: Int32, exit: Exit)] = []

    var services: Range<Int> { addresses.indices }

    func service(at address: SocketAddress) -> Int {
        addresses.firstIndex(of: address) ?? (Int(address.port ?? 0) - 28_080) % 100
    }

    /// Process numbers are reused early, so that a stale number refers to another process early.
    mutating func freeID(_ dice: inout Seeded, isBackend: Bool = true) -> Int32 {
        if isBackend { born += 1 }
        repeat {
            lastID = lastID >= 230 ? 200 : lastID + 1
        } while all.contains { $0.id == lastID || $0.group == lastID } || processGuard?.id == lastID
            || endedGuards.contains { $0.id == lastID }
        return lastID
    }

    mutating func remove(_ process: SimulatedProcess) { all.removeAll { $0 === process } }

    /// The daemon adopts orphans; a zombie among them is reaped by the daemon (PR_SET_CHILD_SUBREAPER).
    func orphan(childrenOf process: SimulatedProcess, _ kernel: SimulatedKernel) {
        for child in all where child.parent === process { child.parent = nil }
    }

    func tree(of leader: ProcessID) -> [SimulatedProcess] { all.filter { $0.launch == leader.launch } }

    /// Numbered from one, as in the kernel.
    mutating func nextLaunch() -> UInt64 {
        launches += 1
        return launches
    }

    func members(of group: Int32) -> [SimulatedProcess] { all.filter { $0.group == group } }

    /// The first zombie that the daemon has not reaped.
    var firstZombie: SimulatedProcess? { all.first { !$0.isRunning && $0.parent == nil } }

    /// Returns false if there is no such zombie.
    mutating func reap(_ process: Int32) -> Bool {
        if let index = endedGuards.firstIndex(where: { $0.id == process }) {
            endedGuards.remove(at: index)
            return true
        }
        guard let index = all.firstIndex(where: { $0.id == process && !$0.isRunning }) else { return false }
        reaped += 1
        all.remove(at: index)
        return true
    }

    /// No client may be sent to a process that got TERM; only a daemon in shutdown may finish its requests.
    func judgeConnection(to process: SimulatedProcess, _ kernel: SimulatedKernel) {
        if members(of: process.group).contains(where: \.heardTerminate), !kernel.isShuttingDown {
            kernel.complain("a connection to process \(process.id), which has been told to stop")
        }
    }
}

/// The process calls of the kernel.
extension SimulatedKernel {
    func spawn(_ command: LaunchCommand, inheriting listener: Descriptor?) throws(SystemError) -> SpawnedProcess {
        progressed()
        guard let service = Int(command.command) else {
            throw SystemError(call: "execve", code: .noSuchFile, subject: command.command)
        }
        guard files.count + 2 <= descriptorLimit, !fails("spawn"), !dice.chance(faults.failingSpawns) else {
            note(.spawnFailed, of: service)
            throw SystemError(call: "pipe2", code: failure(.tooManyFiles), subject: command.command)
        }
        let moves = command.arguments.first.flatMap { Int($0) } ?? 0
        let configured = Scenario.address(of: service, moves: moves)
        let port = command.variable("PORT").flatMap { UInt16($0) }
        let address = port.map { configured.with(port: $0) } ?? configured
        // A picked port does not identify the service that picked it.
        if moves == 0 || port != nil { children.addresses[service] = address }
        judgeGenerations(at: address)
        judgeRequirements(of: service)
        let id = children.freeID(&dice)
        let (output, errors) = (SimulatedPipe(), SimulatedPipe())
        let scripts = children.scripts[service]
        let launch = children.nextLaunch()
        let process = SimulatedProcess(
            kernel: self, id: id, group: id, launch: launch, parent: nil, service: service,
            script: scripts[min(children.starts[service], scripts.count - 1)], pipes: [output, errors],
            startupTimeout: children.startupTimeouts[service])
        children.starts[service] += 1
        children.all.append(process)
        process.notifyName = command.variable("NOTIFY_SOCKET")
        if let listener, case .listener(let inherited) = file(listener, "spawn") { process.inherited = inherited }
        if (process.inherited == nil) != (command.variable("LISTEN_FDS") == nil) {
            complain("process \(id) inherits no socket but has LISTEN_FDS, or the other way round")
        }
        process.begin(at: address)
        trace.note("spawn", Int(id), service, at: clock)
        return SpawnedProcess(
            process: ProcessID(number: id, launch: launch), output: insert(.pipe(output)), errors: insert(.pipe(errors))
        )
    }

    /// The program of a command is numbered after the services and processes, and several runs of it may be alive.
    func spawnOnTerminal(_ command: LaunchCommand) throws(SystemError) -> TerminalProcess {
        progressed()
        guard let program = Int(command.command) else {
            throw SystemError(call: "execve", code: .noSuchFile, subject: command.command)
        }
        guard files.count < descriptorLimit, !fails("spawnOnTerminal"), !dice.chance(faults.failingSpawns) else {
            throw SystemError(call: "posix_openpt", code: failure(.tooManyFiles), subject: "/dev/ptmx")
        }
        let id = children.freeID(&dice)
        let launch = children.nextLaunch()
        let terminal = SimulatedPipe()
        let scripts = children.scripts[program]
        let process = SimulatedProcess(
            kernel: self, id: id, group: id, launch: launch, parent: nil, service: program,
            script: scripts[min(children.starts[program], scripts.count - 1)], pipes: [terminal],
            startupTimeout: children.startupTimeouts[program])
        process.environment = command.environment
        children.starts[program] += 1
        children.all.append(process)
        let descriptor = insert(.pipe(terminal))
        terminal.hungUp = { [weak process] in process?.hear(.hangUp) }
        terminal.changed = { [weak self] in self?.edge(onTerminal: descriptor.raw) }
        process.begin(at: children.addresses[program])
        trace.note("spawn", Int(id), program, at: clock)
        return TerminalProcess(process: ProcessID(number: id, launch: launch), terminal: descriptor)
    }

    private func edge(onTerminal raw: Int32) {
        if watches[raw] != nil, !ready.contains(raw) { ready.append(raw) }
    }

    /// At most one generation of a backend is alive at any time, detached processes included.
    private func judgeGenerations(at address: SocketAddress) {
        for process in children.all where process.address == address {
            complain("a process is started at \(address) while process \(process.id) of an earlier generation is there")
        }
    }

    /// A requirement is ready first, unless it has failed by itself.
    private func judgeRequirements(of service: Int) {
        for required in children.requirements[service] where !troubles.hasAny(of: required) && failedVerb == nil {
            let runs = children.all.contains { $0.service == required && $0.isLeader && $0.isRunning }
            let listens = listeners[children.addresses[required]]?.isForeign == false
            guard !runs || children.tellsReadiness[required] && !listens else { continue }
            complain("service \(service) is started before \(required), which it requires, is ready")
        }
    }

    /// A requirement outlives the backends that require it.
    private func judgeStop(of leader: Int32) {
        guard let process = children.all.first(where: { $0.id == leader && $0.isRunning }), !mayHurry, !hasJumped,
            !troubles.hasAny(of: process.service), failedVerb == nil
        else { return }
        for other in children.all
        where other.isRunning && children.requirements[other.service].contains(process.service) {
            complain("service \(process.service) is stopped while \(other.service), which requires it, runs")
        }
    }

    func openNotifySocket() throws(SystemError) -> (descriptor: Descriptor, name: String) {
        guard hasRoom, !fails("openNotifySocket") else {
            noteOfAll(.exhaustion)
            throw SystemError(call: "socket", code: .tooManyFiles, subject: "for notifications")
        }
        let socket = SimulatedNotifySocket(name: "@\(dice.next())")
        notifySockets[socket.name] = socket
        return (insert(.notify(socket)), socket.name)
    }

    func nextNotification(
        from descriptor: Descriptor, into buffer: inout [UInt8]
    ) -> (count: Int, sender: ProcessID?)? {
        guard case .notify(let socket) = file(descriptor, "nextNotification"), !socket.messages.isEmpty else {
            return nil
        }
        progressed()
        let message = socket.messages.removeFirst()
        let bytes = Array(message.text.utf8)
        Self.copy(bytes[...], to: &buffer)
        return (bytes.count, ProcessID(number: message.sender))
    }

    func process(_ process: ProcessID, belongsToTreeOf leader: ProcessID) -> Bool {
        treeQuestions += 1
        return children.tree(of: leader).contains { $0.id == process.number }
    }

    func description(of process: ProcessID) -> ProcessDescription {
        ProcessDescription(process: process, name: "unknown")
    }

    func read(fromPipe descriptor: Descriptor, into buffer: inout [UInt8]) -> ReadResult {
        guard case .pipe(let pipe) = file(descriptor, "read") else { return .failed(.badDescriptor) }
        guard !pipe.bytes.isEmpty else { return pipe.writers == 0 ? .ended : .wouldBlock }
        var limit = buffer.count
        if dice.chance(faults.partialReads) { limit = dice.number(in: 1...pipe.bytes.count) }
        let bytes = pipe.take(limit)
        Self.copy(bytes, to: &buffer)
        progressed()
        return .bytes(bytes.count)
    }

    func read(fromTerminal descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult {
        guard limit > 0, limit <= buffer.count else {
            complain("a read of a terminal into \(buffer.count) bytes, at most \(limit)")
            return .wouldBlock
        }
        guard case .pipe(let terminal) = file(descriptor, "read") else { return .failed(.badDescriptor) }
        guard !terminal.bytes.isEmpty else { return terminal.writers == 0 ? .ended : .wouldBlock }
        // A real one returns a few kilobytes (pty(7)).
        var count = min(limit, 4095)
        if dice.chance(faults.partialReads) { count = dice.number(in: 1...count) }
        let bytes = terminal.take(count)
        Self.copy(bytes, to: &buffer)
        progressed()
        return .bytes(bytes.count)
    }

    @discardableResult
    func signal(treeOf leader: ProcessID, _ signal: StopSignal) -> Errno? {
        progressed()
        trace.note("signal", Int(leader.number), Int(signal.rawValue), at: clock)
        judgeStop(of: leader.number)
        let tree = children.tree(of: leader)
        for member in tree where !member.script.refusesSignals { member.hear(signal) }
        return tree.contains { $0.isRunning && $0.script.refusesSignals } ? .notPermitted : nil
    }

    func members(ofTreeOf leader: ProcessID, atMost limit: Int) -> [ProcessDescription] {
        children.tree(of: leader).filter(\.isRunning).prefix(limit).map {
            ProcessDescription(process: ProcessID(number: $0.id), name: "child")
        }
    }

    func endedTrees(among leaders: [ProcessID]) -> [ProcessID] {
        children.censuses += 1
        return leaders.filter { children.tree(of: $0).isEmpty }
    }

    func nextExited() -> ExitedProcess? {
        if let guardian = children.endedGuards.first {
            return ExitedProcess(process: ProcessID(number: guardian.id), exit: guardian.exit)
        }
        guard let process = children.firstZombie, case .zombie(let exit) = process.life else { return nil }
        return ExitedProcess(
            process: ProcessID(number: process.id, launch: process.isLeader ? process.launch : 0), exit: exit)
    }

    func reap(_ process: ProcessID) {
        progressed()
        trace.note("reap", Int(process.number), at: clock)
        if !children.reap(process.number) { complain("process \(process.number) was reaped although it had not ended") }
    }

    func listenerOwner(at address: SocketAddress) -> ProcessDescription? {
        guard let listener = listeners[address] else { return nil }
        let number = listener.process?.id ?? 7
        return ProcessDescription(
            process: ProcessID(number: number), name: listener.isForeign ? "foreignListener" : "child")
    }

    func listener(
        at address: SocketAddress, accepting connection: Descriptor?, belongsToTreeOf leader: ProcessID
    ) -> SocketLookup {
        guard let listener = listeners[address] else {
            // A Unix socket that accepts, but whose listener is not found by its file, has no proven owner.
            return address.port == nil ? .unknownOwner : .noListener
        }
        // A process that has changed its user may hide its descriptors; a foreign process may, too.
        if hidesSockets, !listener.isForChild { return .unknownOwner }
        return children.tree(of: leader).contains { $0 === listener.process } ? .ownProcess : .foreignProcess
    }

    func killOrphans(within timeout: Duration) -> [ProcessDescription] { [] }

    var processTreeLimits: [String] { hidesSockets ? ["sockets of other processes cannot be seen"] : [] }

    func residentBytes(of process: ProcessID?) -> Int? { 8_000_000 }

    // MARK: Signals to the daemon

    func openSignals() throws(SystemError) -> Descriptor {
        guard !fails("openSignals") else { throw SystemError(call: "signalfd", code: .tooManyFiles, subject: "") }
        return insert(.signals)
    }

    func nextSignal(from descriptor: Descriptor) -> DaemonSignal? {
        guard file(descriptor, "nextSignal") != nil, !pendingSignals.isEmpty else { return nil }
        progressed()
        let signal = pendingSignals.removeFirst()
        if signal == .terminate {
            mayHurry = isShuttingDown
            isShuttingDown = true
        }
        return signal
    }

    /// Like every ordinary signal, it is pending once, however often it is sent.
    func raise(_ signal: DaemonSignal) {
        let delay: Duration =
            dice.chance(faults.lateSignals) ? dice.duration(.zero ... .milliseconds(20)) : .microseconds(10)
        scenario(after: delay) { [weak self] in
            guard let self, !self.pendingSignals.contains(signal) else { return }
            self.pendingSignals.append(signal)
        }
    }
}

extension LaunchCommand {
    /// Value of a variable as the process finds it.
    fileprivate func variable(_ name: String) -> String? { environment.last { $0.name == name }?.value }
}
