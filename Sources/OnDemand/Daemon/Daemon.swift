/// All parts of one daemon on one reactor: dispatches events and passes messages between the drivers.
///
/// - `ready` and `timerFired` dispatch an event to its driver.
/// - `iterationEnded` delivers their messages until all mailboxes are empty.
/// - SIGTERM and SIGINT shut the daemon down, in the stages of `ShutdownMachine`.
/// - SIGHUP reloads the configuration, SIGUSR1 reopens the log file.
///
/// Invariant: the drivers exchange messages only through mailboxes. The command runner also asks the cable server for
/// the signed name of a stream.
final class Daemon<K: Kernel>: EventHandler, StatusSource, ControlSource {
    var configuration: Configuration
    /// Backend IDs of the services, in the order of the configuration.
    var backendIDs: [BackendID] = []
    /// Backend IDs of the processes, in the order of the configuration.
    var processBackendIDs: [BackendID] = []
    var lastProcessIndex = BackendID.firstProcess - 1
    /// Listener indices of each listener specification.
    var listenersOfSpecs: [[Int]] = []
    /// Removed unmanaged services that still have connections.
    var removedServices: [BackendID] = []
    /// IDs of removed services that no connection refers to.
    var freeBackendIDs: [BackendID] = []
    let loadConfiguration: () -> Result<Configuration, UnreadableConfiguration>
    let kernel: K
    let log: Log
    let logOutput: LogOutput<K>
    let reactor: Reactor<K>
    let supervisor: Supervisor<K>
    let manager: SystemdNotifier<K>
    private var proxyWhenBuilt: Proxy<K>?
    /// Each runs on a thread of its own, which `EntryPoint` starts.
    private(set) var workers: [Worker<K>] = []
    private let requests = Mailbox<BackendRequest>()
    private let replies = Mailbox<BackendReply>()
    private let cableRequests = Mailbox<CableRequest>()
    let cableReplies = Mailbox<CableReply>()
    private let commandRequests = Mailbox<CommandRequest>()
    private let commandReplies = Mailbox<CommandReply>()
    private let streamRequests = Mailbox<StreamRequest>()
    private let streamReplies = Mailbox<StreamReply>()
    let cableServer: CableServer<K>
    let signals: Descriptor
    let began: Instant
    var shutdown = ShutdownMachine()
    /// The end of the drain time; set when a shutdown begins.
    var drainEnd = Instant(nanoseconds: 0)
    private var logRetryIsArmed = false
    private var logRetryPause = Limits.logRetryFirst
    var reloads = Snapshot.Reloads()
    /// Time of the last write of the history. nil: not yet written.
    var historySaved: Instant?
    /// The last write of the history failed, and the failure is logged.
    var historyWriteHasFailed = false

    var proxy: Proxy<K> { proxyWhenBuilt! }

    /// `loadConfiguration` reads the configuration again for a reload.
    init(
        _ configuration: Configuration, kernel: K,
        loadConfiguration: @escaping () -> Result<Configuration, UnreadableConfiguration>
    ) throws(SystemError) {
        self.configuration = configuration
        self.loadConfiguration = loadConfiguration
        self.kernel = kernel
        began = kernel.now()
        signals = try kernel.openSignals()
        let output = LogOutput(kernel: kernel)
        output.update(try output.prepare(configuration.log.place))
        logOutput = output
        let style = configuration.log.style(for: kernel.logReader)
        log = Log(
            level: configuration.log.level, format: style.format, paint: style.paint,
            time: {
                let clock = kernel.wallClock()
                return TimeText.utc(seconds: clock.seconds, nanoseconds: clock.nanoseconds)
            },
            write: { output.write($0) })
        reactor = Reactor(kernel: kernel)
        manager = SystemdNotifier(reactor: reactor)
        cableServer = CableServer(
            reactor: reactor, log: log, replies: cableReplies, work: requests, streamReplies: streamReplies)
        let runner = CommandRunner(
            reactor: reactor, log: log, trees: ProcessTrees(reactor: reactor, log: log), replies: commandReplies,
            streams: streamRequests, work: requests)
        let upstreams = configuration.services.map { Self.upstream(of: $0) }
        backendIDs = upstreams.indices.map { BackendID(index: $0) }
        processBackendIDs = configuration.processes.indices.map { BackendID(index: BackendID.firstProcess + $0) }
        lastProcessIndex += configuration.processes.count
        supervisor = Supervisor(
            backends: Self.processes(of: configuration, processBackendIDs)
                + Self.backends(of: configuration, upstreams.map(\.gate)),
            runner: runner, replies: replies)
        supervisor.environment = configuration.environment
        let reports = configuration.threads > 1 ? ThreadSafeQueue<WorkerEvent>(wakeup: try kernel.openWakeup()) : nil
        proxyWhenBuilt = Proxy(
            upstreams: upstreams, reactor: reactor, log: log, requests: requests, cableRequests: cableRequests,
            commandRequests: commandRequests, status: self,
            controlSource: self,
            reports: reports)
        cableServer.backendAccess = proxy
        runner.signedName = { [unowned cableServer] stream, cable in cableServer.signedName(of: stream, for: cable) }
        if let reports { try startWorkers(reports) }
        for orphan in kernel.killOrphans(within: Limits.orphanTimeout) {
            log(.orphanKilled, LogField("pid", orphan.process.number), LogField("process", orphan.name))
        }
        for sentence in kernel.processTreeLimits { log(.processTreeLimited, LogField("detail", sentence)) }
        try kernel.watch(signals, for: .readable, as: Token(DaemonToken.signals, index: 0, generation: 0))
        try openListeners()
        try supervisor.openSockets()
        openUnmanagedServices()
        restoreHistory()
        supervisor.begin()
        saveHistory()
        manager.ready()
        notifyStatus()
    }

    // MARK: Building

    static func upstream(of service: Configuration.Service) -> Proxy<K>.Upstream {
        .init(
            name: service.name, address: service.target.address, gate: BackendGate(), idleWhen: service.idleWhen,
            limits: service.limits)
    }

    private static func backends(of configuration: Configuration, _ gates: [BackendGate]) -> [SupervisedBackend] {
        configuration.services.enumerated().compactMap { index, service in
            service.launch.map { backend(of: service, $0, as: BackendID(index: index), gates[index]) }
        }
    }

    private static func processes(of configuration: Configuration, _ backendIDs: [BackendID]) -> [SupervisedBackend] {
        zip(configuration.processes, backendIDs).map { backend(of: $0, as: $1) }
    }

    static func backend(of process: Configuration.Process, as id: BackendID) -> SupervisedBackend {
        SupervisedBackend(
            id: id, kind: .process, name: process.name, address: process.address, command: process.launch,
            policy: process.policy, gate: BackendGate(), startDelay: process.startDelay, isEnabled: process.enabled)
    }

    static func backend(
        of service: Configuration.Service, _ launch: LaunchCommand, as id: BackendID, _ gate: BackendGate
    ) -> SupervisedBackend {
        SupervisedBackend(
            id: id, name: service.name, address: service.target.address, command: launch, policy: service.policy,
            gate: gate, isEnabled: service.enabled)
    }

    /// Creates the workers that relay tunnels on other threads.
    private func startWorkers(_ reports: ThreadSafeQueue<WorkerEvent>) throws(SystemError) {
        try kernel.watch(reports.wakeup, for: .edges, as: Token(ProxyToken.workerEvents, index: 0, generation: 0))
        for number in 0..<(configuration.threads - 1) {
            let worker = try Worker(
                services: proxy.relay.services, kernel: try kernel.forWorkerThread(), number: number, reports: reports)
            proxy.workers.append(.init(commands: worker.commands, counters: worker.counters))
            workers.append(worker)
        }
    }

    private func openUnmanagedServices() {
        for (service, id) in zip(configuration.services, backendIDs) where service.enabled && service.launch == nil {
            proxy.openUnmanaged(id)
        }
    }

    private func openListeners() throws(SystemError) {
        updateCables(from: Configuration())
        updateCommands()
        defer { closeUnused() }
        for spec in configuration.listenerSpecs { listenersOfSpecs.append(try open(spec)) }
        updateRules()
    }

    /// Applies the current configuration to all listeners.
    func updateRules() {
        let cables = (routes: cableRoutes + commandRoutes, access: cableAccess)
        for (purpose, expectsProxyHeader) in [(ListenerSpec.Purpose.clients, false), (.proxyProtocol, true)] {
            let rules = configuration.exchangeRules(
                for: backendIDs, expectsProxyHeader: expectsProxyHeader, cables.routes, cables.access, commandAccess)
            proxy.update(rules, for: purpose)
        }
        updateBroadcastRules()
    }

    /// Opens the listeners of a specification, without rules yet. An inherited name may stand for several sockets.
    func open(_ spec: ListenerSpec) throws(SystemError) -> [Int] {
        switch spec.place {
        case .address(let address):
            if let socket = manager.takeListener(at: address) { return try open([socket], for: spec.purpose) }
            let listening = try kernel.listen(at: address, privately: spec.purpose == .control)
            let text = listening.address.description
            let index = try open(listening.descriptor, at: listening.address, for: spec.purpose)
            log(.listening, LogField("address", text), LogField("for", spec.purpose.word))
            return [index]
        case .inherited(let name):
            let sockets = manager.takeListeners(named: name)
            guard !sockets.isEmpty else {
                throw SystemError(
                    call: "listen", code: .noSuchFile, subject: "fd:\(name), not passed by the service manager")
            }
            return try open(sockets, for: spec.purpose)
        }
    }

    private func open(_ sockets: [InheritedListener], for purpose: ListenerSpec.Purpose) throws(SystemError) -> [Int] {
        var opened: [Int] = []
        for socket in sockets {
            guard let address = socket.address else { continue }
            opened.append(try open(socket.descriptor, at: address, for: purpose, isInherited: true))
            log(
                .listening, LogField("address", address.description), LogField("for", purpose.word),
                LogField("inherited", socket.name))
        }
        return opened
    }

    private func open(
        _ descriptor: Descriptor, at address: SocketAddress, for purpose: ListenerSpec.Purpose,
        isInherited: Bool = false
    ) throws(SystemError) -> Int {
        try proxy.open(
            Listener(
                descriptor: descriptor, address: address, purpose: purpose,
                rules: ExchangeRules(routes: RouteTable([]), services: []), isInherited: isInherited))
    }

    private func closeUnused() {
        for socket in manager.takeRest() {
            log(
                .socketUnused, LogField("name", socket.name), LogField("descriptor", socket.descriptor.raw),
                LogField("address", socket.address?.description ?? "not listening"))
            if let address = socket.address {
                kernel.stopListening(socket.descriptor, at: address)
            } else {
                kernel.close(socket.descriptor)
            }
        }
    }

    // MARK: Running

    func run() {
        kernel.trimMemory()
        while !hasExited { reactor.runOnce(self) }
    }

    func relayRun(from first: Int, of count: Int) -> Int { proxy.relayRun(from: first, of: count) }

    func ready(_ token: Token, _ readiness: Readiness) {
        switch token.owner {
        case .connections: proxy.ready(token, readiness)
        case .proxy: proxy.ownReady(token)
        case .supervisor: supervisor.ready(token, readiness)
        case .commandRunner: supervisor.runner.terminalReady(token)
        case .sessions: cableServer.ready(token, readiness)
        case .fabric: cableServer.redisReady(token, readiness)
        case .daemon: takeSignals()
        default: preconditionFailure("the kernel returned an unknown token")
        }
    }

    func timerFired(_ key: TimerKey) {
        switch key.owner {
        case .connections: proxy.connectionTimerFired(key)
        case .proxy: proxy.timerFired(key)
        case .supervisor: supervisor.timerFired(key)
        case .commandRunner: supervisor.runner.timerFired(key)
        case .sessions: cableServer.timerFired(key)
        case .fabric: cableServer.redisTimerFired(key)
        case .systemd: manager.notifyWatchdog()
        case .daemon: ownTimerFired(key)
        default: preconditionFailure("a timer without an owner")
        }
    }

    private func ownTimerFired(_ key: TimerKey) {
        switch DaemonTimer(key) {
        case .logRetry: retryLog()
        case .shutdown: shutdownTimerFired()
        }
    }

    /// Flushes the log. The delay doubles while the reader is stalled, up to `Limits.logRetryLongest`.
    private func retryLog() {
        let finished = log.flush(atMost: Limits.logLinesPerFlush)
        let isSlow = log.isWorthRetrying && finished < Limits.logLinesPerFlush
        logRetryPause = isSlow ? min(logRetryPause * 2, Limits.logRetryLongest) : Limits.logRetryFirst
        logRetryIsArmed = false
    }

    private func armLogRetry() {
        guard log.isWorthRetrying, !logRetryIsArmed else { return }
        logRetryIsArmed = true
        reactor.arm(TimerKey(DaemonTimer.logRetry), at: kernel.now() + logRetryPause)
    }

    /// Delivers messages between the drivers until all mailboxes are empty.
    func iterationEnded() {
        if !requests.isEmpty || !replies.isEmpty { exchangeMessages() }
        forgetRemovedServices()
        advanceShutdown()
        armLogRetry()
    }

    /// Delivers the drivers' messages until none is left. Apart from `iterationEnded`, which every message passes.
    @inline(never)
    private func exchangeMessages() {
        var (hasChanged, hasCableWork, hasCommandWork) = (false, false, false)
        while !requests.isEmpty || !replies.isEmpty {
            for request in requests.takeAll() {
                switch request {
                case .cableWork: hasCableWork = true
                case .commandWork: hasCommandWork = true
                case .wanted, .listenerMissing, .abandoned, .lastLeaseReturned, .tunnelsDrained, .command:
                    supervisor.handle(request)
                }
            }
            if hasCommandWork { exchangeCommandMessages() }
            if hasCableWork {
                cableRequests.takeAll().forEach(cableServer.handle)
                cableReplies.takeAll().forEach(proxy.handle)
            }
            for reply in replies.takeAll() {
                deliver(reply)
                guard case .stateChanged = reply else { continue }
                hasChanged = true
            }
        }
        if hasChanged {
            notifyStatus()
            if supervisor.isAllAsleep { trimMemory() }
            saveHistoryIfDue()
        }
        if hasCableWork {
            cableServer.iterationEnded()
            cableReplies.takeAll().forEach(proxy.handle)
        }
        if hasCommandWork, supervisor.runner.takeBecameIdle(), supervisor.isAllAsleep { trimMemory() }
    }

    /// The response to a request leaves before the output that it causes.
    private func exchangeCommandMessages() {
        commandRequests.takeAll().forEach(supervisor.runner.handle)
        commandReplies.takeAll().forEach(proxy.handle)
        streamRequests.takeAll().forEach(cableServer.handle)
        streamReplies.takeAll().forEach(supervisor.runner.handle)
    }

    /// Tickets tell which driver has asked; the end of a backend is told to both.
    private func deliver(_ reply: BackendReply) {
        switch reply {
        case .admitted(_, let ticket, _) where ticket.isOfSession: cableServer.handle(reply)
        case .refused(let ticket, _, _) where ticket.isOfSession: cableServer.handle(reply)
        case .admitted, .refused, .commandEnded, .printed: proxy.handle(reply)
        case .closeTunnels, .generationEnded, .stateChanged:
            // The upstreams of sessions are counted before the proxy looks whether any is left.
            cableServer.handle(reply)
            cableReplies.takeAll().forEach(proxy.handle)
            proxy.handle(reply)
        }
    }

    /// Returns free memory to the system before a long sleep.
    func trimMemory() {
        proxy.relay.trimBuffers()
        kernel.trimMemory()
    }

    private func notifyStatus() {
        let all = supervisor.inOrder
        let awake = all.count { if case .awake = $0.machine.state { true } else { false } }
        manager.status("\(awake) of \(all.count) backends awake")
    }

    // MARK: Control

    var serviceNames: [String] {
        let names = configuration.services.map(\.name)
        let known = Set(names)
        return names + supervisor.inOrder.map(\.name).filter { !known.contains($0) }
    }

    func backend(named name: String) -> BackendID? {
        supervisor.inOrder.first { $0.name == name && !$0.isRemoved }?.id
    }

    var commandNames: [String] { configuration.commands.map(\.name) }

    func command(named name: String) -> CommandID? { supervisor.runner.id(named: name) }

    func lastOutput(of id: BackendID) -> [String] { supervisor.backends[id]?.tail.lines ?? [] }
}
