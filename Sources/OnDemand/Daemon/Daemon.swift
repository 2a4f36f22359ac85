/// All parts of one daemon on one reactor: hands events to whom they belong and carries messages between the drivers.
final class Daemon<K: Kernel>: EventHandler, StatusSource, ControlSource {
    var configuration: Configuration
    /// Where each service of the configuration has its place.
    var backendIDs: [BackendID] = []
    /// The same for its processes.
    var processBackendIDs: [BackendID] = []
    var lastProcessIndex = BackendID.firstProcess - 1
    /// The listeners of each door.
    var listenersOfSpecs: [[Int]] = []
    /// Out of the configuration, not ours to stop, and some of its clients are still there.
    var leaving: [BackendID] = []
    /// Places whose services are gone for good.
    var freeBackendIDs: [BackendID] = []
    let loadConfiguration: () -> Result<Configuration, UnreadableConfiguration>
    let kernel: K
    let log: Log
    let logOutput: LogOutput<K>
    let reactor: Reactor<K>
    let supervisor: Supervisor<K>
    let manager: SystemdNotifier<K>
    private var proxyWhenBuilt: Proxy<K>?
    /// Each for a thread of its own, which is started elsewhere.
    private(set) var workers: [Worker<K>] = []
    private let requests = Mailbox<BackendRequest>()
    private let replies = Mailbox<BackendReply>()
    private let cableRequests = Mailbox<CableRequest>()
    private let cableReplies = Mailbox<CableReply>()
    let cableServer: CableServer<K>
    private let signals: Descriptor
    private let began: Instant
    private var shutdownPhase = ShutdownPhase.staying
    private var isForcingShutdown = false
    private var isKilling = false
    private var logRetryIsArmed = false
    private var logRetryPause = Limits.logRetryFirst
    private(set) var hasLeft = false
    var reloads = Snapshot.Reloads()
    /// When the history was last written.
    var historySaved: Instant?
    /// It could not be written, and that has been told.
    var historyIsRefused = false

    var proxy: Proxy<K> { proxyWhenBuilt! }

    private enum ShutdownPhase {
        case staying
        /// Clients are told to go and may finish what they asked for.
        case draining
        /// Nobody is served any more; the backends end.
        case stopping
    }

    /// `loadConfiguration` reads the configuration anew, for a reload.
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
        cableServer = CableServer(reactor: reactor, log: log, replies: cableReplies)
        let upstreams = configuration.services.map { Self.upstream(of: $0) }
        backendIDs = upstreams.indices.map { BackendID(index: $0) }
        processBackendIDs = configuration.processes.indices.map { BackendID(index: BackendID.firstProcess + $0) }
        lastProcessIndex += configuration.processes.count
        supervisor = Supervisor(
            backends: Self.processes(of: configuration, processBackendIDs)
                + Self.backends(of: configuration, upstreams.map(\.gate)),
            reactor: reactor, log: log, replies: replies)
        supervisor.environment = configuration.environment
        let reports = configuration.threads > 1 ? ThreadSafeQueue<WorkerEvent>(wakeup: try kernel.openWakeup()) : nil
        proxyWhenBuilt = Proxy(
            upstreams: upstreams, reactor: reactor, log: log, requests: requests, cableRequests: cableRequests,
            status: self,
            controlSource: self,
            reports: reports)
        if let reports { try startWorkers(reports) }
        for orphan in kernel.killOrphans(within: Limits.orphanTimeout) {
            log(.orphanKilled, LogField("pid", orphan.process.number), LogField("process", orphan.name))
        }
        for sentence in kernel.processTreeLimits { log(.processTreeLimited, LogField("detail", sentence)) }
        try kernel.watch(signals, for: .readable, as: Token(.signals, index: 0, generation: 0))
        try openListeners()
        try supervisor.openSockets()
        openPlainProxies()
        restoreHistory()
        supervisor.begin()
        saveHistory()
        manager.ready()
        tellStatus()
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

    /// Who carries tunnels besides this reactor.
    private func startWorkers(_ reports: ThreadSafeQueue<WorkerEvent>) throws(SystemError) {
        try kernel.watch(reports.wakeup, for: .edges, as: Token(.wakeup, index: 0, generation: 0))
        for number in 0..<(configuration.threads - 1) {
            let worker = try Worker(
                besides: proxy, kernel: try kernel.forWorkerThread(), number: number, reports: reports)
            workers.append(worker)
        }
    }

    private func openPlainProxies() {
        for (service, id) in zip(configuration.services, backendIDs) where service.enabled && service.launch == nil {
            proxy.openPlain(id)
        }
    }

    private func openListeners() throws(SystemError) {
        updateCables(from: Configuration())
        defer { closeUnused() }
        for door in configuration.listenerSpecs { listenersOfSpecs.append(try open(door)) }
        updateRules()
    }

    /// Everybody is served by the configuration as it is now.
    func updateRules() {
        let cables = (routes: cableRoutes, access: cableAccess)
        for (purpose, expectsProxyHeader) in [(ListenerSpec.Purpose.clients, false), (.proxyProtocol, true)] {
            let rules = configuration.exchangeRules(
                for: backendIDs, expectsProxyHeader: expectsProxyHeader, cables.routes, cables.access)
            proxy.update(rules, for: purpose)
        }
        proxy.update(configuration.statusRules, for: .status)
        updateBroadcastRules()
    }

    /// Serves nothing until it is given rules. One inherited name may stand for several listeners.
    func open(_ door: ListenerSpec) throws(SystemError) -> [Int] {
        switch door.place {
        case .address(let address):
            if let socket = manager.takeListener(at: address) { return try open([socket], for: door.purpose) }
            let listening = try kernel.listen(at: address, privately: door.purpose == .control)
            let text = listening.address.description
            let index = try open(listening.descriptor, at: listening.address, for: door.purpose)
            log(.listening, LogField("address", text), LogField("for", door.purpose.word))
            return [index]
        case .inherited(let name):
            let sockets = manager.takeListeners(named: name)
            guard !sockets.isEmpty else {
                throw SystemError(call: "listen", code: .noSuchFile, subject: "fd:\(name), which no manager has opened")
            }
            return try open(sockets, for: door.purpose)
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
                LogField("address", socket.address?.description ?? "it does not listen"))
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
        while !hasLeft { reactor.runOnce(self) }
    }

    func relayRun(from first: Int, of count: Int) -> Int { proxy.relayRun(from: first, of: count) }

    func ready(_ token: Token, _ readiness: Readiness) {
        switch token.role {
        case .client, .upstream: proxy.ready(token, readiness)
        case .listener: proxy.acceptAll(from: token.index)
        case .childOutput, .childErrors: supervisor.outputReady(token, isResumed: readiness.isEmpty)
        case .probe: supervisor.probeReady(token)
        case .notification: supervisor.notificationReady(token)
        case .session: cableServer.ready(token, readiness)
        case .redis: cableServer.redisReady(token, readiness)
        case .delivery: break
        case .signals: takeSignals()
        case .wakeup: proxy.handleWorkerEvents()
        }
    }

    func timerFired(_ key: TimerKey) {
        switch key {
        case .connection(let token): proxy.deadlineFired(token)
        case .connectRetry(let token): proxy.retryConnect(token)
        case .rateLimiter(let token): proxy.rateLimitTimerFired(token)
        case .acceptPause(let listener): proxy.resumeAccepting(listener)
        case .backend(let id, let timer): supervisor.timerFired(id, timer)
        case .probe(let id): supervisor.probeTimerFired(id)
        case .startupSlow(let id): supervisor.logSlowStartup(id)
        case .startDelay(let id): supervisor.startDelayIsOver(id)
        case .familyGuard: supervisor.settleGuard()
        case .leave(let id): proxy.plainLeaveIsOver(id)
        case .session(let token): cableServer.sessionTimerFired(token)
        case .cable(let id): cableServer.timerFired(id)
        case .cableDrain(let id): cableServer.drainTimerFired(id)
        case .redis(let id, let number): cableServer.redisTimerFired(number, of: id)
        case .status: proxy.refreshStatus()
        case .memoryTrim: kernel.trimMemory()
        case .logRetry: retryLog()
        case .watchdog: manager.notifyWatchdog()
        case .shutdown: shutdownTimerFired()
        }
    }

    /// A reader that stopped reading is asked ever more rarely; one that is merely slow is served at once.
    private func retryLog() {
        let finished = log.flush(atMost: Limits.logLinesPerFlush)
        let isSlow = log.isWorthRetrying && finished < Limits.logLinesPerFlush
        logRetryPause = isSlow ? min(logRetryPause * 2, Limits.logRetryLongest) : Limits.logRetryFirst
        logRetryIsArmed = false
    }

    private func armLogRetry() {
        guard log.isWorthRetrying, !logRetryIsArmed else { return }
        logRetryIsArmed = true
        reactor.arm(.logRetry, at: kernel.now() + logRetryPause)
    }

    /// Messages go back and forth until nobody has anything to say.
    func iterationEnded() {
        var hasChanged = false
        while !requests.isEmpty || !replies.isEmpty || !cableRequests.isEmpty || !cableReplies.isEmpty {
            requests.takeAll().forEach(supervisor.handle)
            cableRequests.takeAll().forEach(cableServer.handle)
            cableReplies.takeAll().forEach(proxy.handle)
            for answer in replies.takeAll() {
                proxy.handle(answer)
                guard case .stateChanged = answer else { continue }
                hasChanged = true
            }
        }
        if hasChanged {
            tellStatus()
            if supervisor.isAllAsleep { trimMemory() }
            keepHistory()
        }
        cableServer.iterationEnded()
        forgetRemovedServices()
        proceedWithShutdownPhase()
        armLogRetry()
    }

    /// Before a long sleep.
    func trimMemory() {
        proxy.table.buffers.giveBack()
        kernel.trimMemory()
    }

    private func tellStatus() {
        let all = supervisor.inOrder
        let awake = all.count { if case .awake = $0.machine.state { true } else { false } }
        manager.status("\(awake) of \(all.count) backends awake")
    }

    // MARK: Leaving

    private func takeSignals() {
        while let signal = kernel.nextSignal(from: signals) {
            switch signal {
            case .childChanged:
                supervisor.reapChildren()
                // The guard may have been the last of them.
                if supervisor.isAllAsleep { trimMemory() }
            case .terminate, .interrupt: shutDown()
            case .hangUp:
                if reload() == .tooLate { log(.signalIgnored, LogField("signal", "HUP")) }
            case .reopenLog: reopenLog()
            }
        }
    }

    var isStaying: Bool { shutdownPhase == .staying }

    /// The first signal lets clients finish, the second does not wait for them or for a step of a stop plan, and the
    /// third waits for nothing.
    private func shutDown() {
        switch shutdownPhase {
        case .staying:
            shutdownPhase = .draining
            log(.shuttingDown, LogField("open", proxy.connectionCount + cableServer.sessions.count))
            manager.stopping()
            proxy.drain(over: configuration.closeJitter)
            cableServer.drain(over: configuration.closeJitter)
            reactor.arm(.shutdown, at: kernel.now() + configuration.drainTimeout)
        case .draining:
            stopBackends()
            forceShutdown()
        case .stopping where !isForcingShutdown:
            forceShutdown()
        case .stopping:
            supervisor.killAll()
            leave()
        }
    }

    private func forceShutdown() {
        isForcingShutdown = true
        log(.forcedShutdown)
        supervisor.forceShutdown()
    }

    private func stopBackends() {
        shutdownPhase = .stopping
        proxy.closeEverything()
        cableServer.closeEverything()
        supervisor.shutDown()
        reactor.arm(
            .shutdown, at: kernel.now() + max(configuration.longestStop, supervisor.longestStop) + Limits.shutdownGrace)
    }

    private func shutdownTimerFired() {
        guard shutdownPhase == .stopping else { return stopBackends() }
        guard !isKilling else { return leave() }
        // Patience is over, also when it ended at once because a day went by; what is killed is still waited for.
        isKilling = true
        supervisor.killAll()
        reactor.arm(.shutdown, at: kernel.now() + Limits.killGrace)
    }

    /// Every message comes by here.
    @inline(__always)
    private func proceedWithShutdownPhase() {
        if shutdownPhase == .draining, proxy.isDrained, cableServer.isDrained { stopBackends() }
        supervisor.proceedWithShutdown()
        if shutdownPhase == .stopping, supervisor.isShutDown, proxy.workerConnectionCount == 0 { leave() }
    }

    private func leave() {
        guard !hasLeft else { return }
        hasLeft = true
        proxy.closeEverything()
        cableServer.closeEverything()
        proxy.sendToWorkers(.end)
        saveHistory()
        supervisor.closeSockets()
        supervisor.letGuardGo()
        proxy.closeListeners()
        supervisor.finishOutput()
        log(.exited)
        log.flush()
        logOutput.close()
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

    func lastOutput(of id: BackendID) -> [String] { supervisor.backends[id]?.tail.lines ?? [] }

    // MARK: Status

    func snapshot() -> Snapshot {
        proxy.mergeTraffic()
        let openTunnels = proxy.openTunnels()
        let services = zip(configuration.services, backendIDs).map { service, id in
            var description = Snapshot.Service(
                name: service.name, state: service.enabled ? .unmanaged : .disabled, stateAge: kernel.now() - began,
                paths: service.paths.map(\.text), webSocket: service.websocket, requires: service.policy.requires)
            proxy.describe(id, in: &description)
            description.openTunnels = openTunnels[id.index]
            supervisor.describe(id, in: &description)
            return description
        }
        let processes = zip(configuration.processes, processBackendIDs).map { process, id in
            var description = Snapshot.Service(
                name: process.name, kind: .process, state: .disabled, stateAge: kernel.now() - began,
                requires: process.policy.requires)
            supervisor.describe(id, in: &description)
            return description
        }
        return Snapshot(
            version: Version.text, uptime: kernel.now() - began, residentBytes: kernel.residentBytes(of: nil),
            listening: proxy.clientAddresses.map(\.description), services: services + processes, cables: cableSnapshots,
            isShuttingDown: !isStaying, commandsEnabled: configuration.status?.token != nil, reloads: reloads,
            rejected: proxy.rejectedTotal,
            localReplies: proxy.localReplies.map { .init(name: "\($0.status)", count: $0.count) })
    }
}

extension Configuration {
    /// What conversations on the public listeners have to know.
    func exchangeRules(
        for backendIDs: [BackendID], expectsProxyHeader: Bool, _ cableRoutes: [Route] = [], _ cables: [CableAccess] = []
    ) -> ExchangeRules {
        // Where nobody sits, no route leads.
        let count = (backendIDs.map(\.index).max() ?? -1) + 1
        var rules = Array(repeating: ServiceRules.unknown, count: count)
        for (service, register) in zip(services, backendIDs) {
            rules[register.index] = ServiceRules(
                name: service.name, targetPath: service.target.path, authority: service.target.authority,
                webSocket: service.websocket, headers: service.headers, wakeOn: service.wakeOn,
                limits: service.limits, origins: service.origins)
        }
        return ExchangeRules(
            routes: RouteTable(routes(to: backendIDs) + cableRoutes), services: rules, limits: limits,
            trustedProxies: trustedProxies,
            addsVia: via, expectsProxyHeader: expectsProxyHeader, cables: cables)
    }

    /// The status listener's own routes; they are no services and wake nothing.
    var statusRules: ExchangeRules {
        let resources: [(StaticString, StatusResource)] = [
            ("/", .page), ("/api/status", .snapshot), ("/events", .events), ("/metrics", .metrics),
            ("/api/history", .history), ("/api/services/*", .service),
            ("/healthz", .health), ("/readyz", .readiness),
        ]
        let routes = resources.map { path, resource in
            Route(pattern: .fixed(path), destination: .local(.status(resource)))
        }
        return ExchangeRules(
            routes: RouteTable(routes), services: [], limits: limits, isAboutDaemon: true, statusGuard: statusGuard)
    }

    private var statusGuard: StatusAccessControl {
        var statusGuard = StatusAccessControl(token: status?.token, names: status?.names ?? [])
        if case .unix? = status?.listen { statusGuard.isUnixSocket = true }
        return statusGuard
    }

    /// How long it may take until all are gone: the slowest service, and then one after the other those that are ended
    /// after somebody else.
    fileprivate var longestStop: Duration {
        let policies = services.map(\.policy) + processes.map(\.policy)
        let required = Set(policies.flatMap(\.requires))
        let inTurn = services.filter { required.contains($0.name) }.map(\.policy) + processes.map(\.policy)
        return inTurn.reduce(services.map(\.policy.stopPlan.length).max() ?? .zero) { $0 + $1.stopPlan.length }
    }
}

extension Configuration.Service {
    /// What already runs is not ours to stop, so nothing has to keep it awake.
    var idleWhen: IdleWhen { launch == nil ? .noConnections : policy.idleWhen }
}
