/// All parts of one daemon on one reactor: hands events to whom they belong and carries messages between the drivers.
final class Household<K: Kernel>: Tenant, StatusSource, ControlSource {
    let configuration: Configuration
    let kernel: K
    let log: Log
    let reactor: Reactor<K>
    let supervisor: Supervisor<K>
    let manager: ServiceManager<K>
    private var proxyWhenBuilt: Proxy<K>?
    private let requests = Mailbox<BackendRequest>()
    private let answers = Mailbox<BackendAnswer>()
    private let upstreams: [Proxy<K>.Upstream]
    private let signals: Descriptor
    private let began: Instant
    private var addresses: [SocketAddress] = []
    private var departure = Departure.staying
    private var isHurrying = false
    private var isKilling = false
    private var logRetryIsArmed = false
    private var logRetryPause = Limits.logRetryFirst
    private(set) var hasLeft = false

    var proxy: Proxy<K> { proxyWhenBuilt! }

    private enum Departure {
        case staying
        /// Clients are told to go and may finish what they asked for.
        case draining
        /// Nobody is served any more; the backends end.
        case stopping
    }

    init(_ configuration: Configuration, kernel: K) throws(SystemError) {
        self.configuration = configuration
        self.kernel = kernel
        began = kernel.now()
        signals = try kernel.openSignals()
        log = Log(
            level: configuration.log.level, format: configuration.log.format,
            time: {
                let clock = kernel.wallClock()
                return TimeText.utc(seconds: clock.seconds, nanoseconds: clock.nanoseconds)
            },
            write: { kernel.log($0.span) })
        reactor = Reactor(kernel: kernel)
        manager = ServiceManager(reactor: reactor)
        upstreams = configuration.services.map { service in
            .init(
                name: service.name, address: service.target.address, gate: BackendGate(),
                idleWhen: service.launch == nil ? .noConnections : service.policy.idleWhen, limits: service.limits)
        }
        supervisor = Supervisor(
            backends: Self.processes(of: configuration) + Self.backends(of: configuration, upstreams.map(\.gate)),
            reactor: reactor, log: log, answers: answers)
        supervisor.environment = configuration.environment
        proxyWhenBuilt = Proxy(
            upstreams: upstreams, reactor: reactor, log: log, requests: requests, status: self, controlled: self)
        for orphan in kernel.endOrphans(within: Limits.orphanPatience) {
            log(.orphanEnded, LogField("pid", orphan.process.number), LogField("process", orphan.name))
        }
        try kernel.watch(signals, for: .readable, as: Token(.signals, index: 0, generation: 0))
        try openListeners()
        try supervisor.openSockets()
        openPlainProxies()
        supervisor.begin()
        manager.ready()
        tellStatus()
    }

    // MARK: Building

    private static func backends(of configuration: Configuration, _ gates: [BackendGate]) -> [SupervisedBackend] {
        configuration.services.enumerated().compactMap { index, service in
            guard let launch = service.launch else { return nil }
            return SupervisedBackend(
                id: BackendID(index: index), name: service.name, address: service.target.address, command: launch,
                policy: service.policy, gate: gates[index], isEnabled: service.enabled)
        }
    }

    /// Their numbers lie behind those of the services.
    private static func processes(of configuration: Configuration) -> [SupervisedBackend] {
        configuration.processes.enumerated().map { index, process in
            SupervisedBackend(
                id: BackendID(index: configuration.services.count + index), kind: .process, name: process.name,
                address: process.address, command: process.launch, policy: process.policy, gate: BackendGate(),
                startDelay: process.startDelay, isEnabled: process.enabled)
        }
    }

    /// What already runs is always open; nobody ever closes it.
    private func openPlainProxies() {
        for (service, upstream) in zip(configuration.services, upstreams) {
            guard service.enabled, service.launch == nil else { continue }
            upstream.gate.open(Generation(number: 0), leases: 0)
        }
    }

    private func openListeners() throws(SystemError) {
        let rules = configuration.exchangeRules(expectsProxyHeader: false)
        let announced = configuration.exchangeRules(expectsProxyHeader: true)
        for address in configuration.listen {
            let isAnnounced = configuration.proxyProtocol.contains(address)
            addresses.append(try open(address, isAnnounced ? announced : rules, purpose: "clients"))
        }
        for name in configuration.inherited { try openInherited(name, rules) }
        defer { closeUnused() }
        if let status = configuration.status {
            _ = try open(status.listen, configuration.statusRules, purpose: "status")
        }
        if let control = configuration.control {
            _ = try open(control, Configuration.controlRules, purpose: "control", privately: true)
        }
    }

    private func open(
        _ address: SocketAddress, _ rules: ExchangeRules, purpose: String, privately: Bool = false
    ) throws(SystemError) -> SocketAddress {
        if let socket = manager.takeListener(at: address) { return try open(socket, at: address, rules, purpose) }
        let listening = try kernel.listen(at: address, privately: privately)
        try proxy.open(Listener(descriptor: listening.descriptor, address: listening.address, rules: rules))
        log(.listening, LogField("address", listening.address.description), LogField("for", purpose))
        return listening.address
    }

    private func open(
        _ socket: InheritedListener, at address: SocketAddress, _ rules: ExchangeRules, _ purpose: String
    ) throws(SystemError) -> SocketAddress {
        try proxy.open(Listener(descriptor: socket.descriptor, address: address, rules: rules, isInherited: true))
        log(
            .listening, LogField("address", address.description), LogField("for", purpose),
            LogField("inherited", socket.name))
        return address
    }

    private func openInherited(_ name: String, _ rules: ExchangeRules) throws(SystemError) {
        let sockets = manager.takeListeners(named: name)
        guard !sockets.isEmpty else {
            throw SystemError(call: "listen", code: .noSuchFile, subject: "fd:\(name), which no manager has opened")
        }
        for socket in sockets {
            guard let address = socket.address else { continue }
            addresses.append(try open(socket, at: address, rules, "clients"))
        }
    }

    private func closeUnused() {
        for socket in manager.takeRest() {
            log(
                .socketUnused, LogField("name", socket.name), LogField("descriptor", socket.descriptor.raw),
                LogField("address", socket.address?.description ?? "it does not listen"))
            kernel.close(socket.descriptor)
        }
    }

    // MARK: Running

    func run() {
        kernel.giveBackMemory()
        while !hasLeft { reactor.turn(self) }
    }

    func ready(_ token: Token, _ readiness: Readiness) {
        switch token.role {
        case .client, .upstream: proxy.ready(token, readiness)
        case .listener: proxy.acceptAll(from: token.index)
        case .childOutput, .childErrors: supervisor.outputReady(token)
        case .probe: supervisor.probeReady(token)
        case .notification: supervisor.notificationReady(token)
        case .signals: takeSignals()
        }
    }

    func timerFired(_ key: TimerKey) {
        switch key {
        case .conversation(let token): proxy.deadlineFired(token)
        case .connectRetry(let token): proxy.retryConnect(token)
        case .pace(let token): proxy.paceTimerFired(token)
        case .acceptPause(let listener): proxy.resumeAccepting(listener)
        case .backend(let id, let timer): supervisor.timerFired(id, timer)
        case .probe(let id): supervisor.probeTimerFired(id)
        case .slowStart(let id): supervisor.noteSlowStart(id)
        case .startDelay(let id): supervisor.startDelayIsOver(id)
        case .status: proxy.refreshStatus()
        case .crowdSettled: kernel.giveBackMemory()
        case .logRetry: retryLog()
        case .watchdog: manager.keepWatchdogQuiet()
        case .shutdown: shutdownTimerFired()
        }
    }

    /// A reader that stopped reading is asked ever more rarely; one that is merely slow is served at once.
    private func retryLog() {
        log.flush()
        logRetryPause = log.isWorthRetrying ? min(logRetryPause * 2, Limits.logRetryLongest) : Limits.logRetryFirst
        logRetryIsArmed = false
    }

    private func armLogRetry() {
        guard log.isWorthRetrying, !logRetryIsArmed else { return }
        logRetryIsArmed = true
        reactor.arm(.logRetry, at: kernel.now() + logRetryPause)
    }

    /// Messages go back and forth until nobody has anything to say.
    func turnEnded() {
        while !requests.isEmpty || !answers.isEmpty {
            requests.takeAll().forEach(supervisor.handle)
            for answer in answers.takeAll() {
                proxy.handle(answer)
                guard case .stateChanged = answer else { continue }
                tellStatus()
                if supervisor.isAllAsleep { kernel.giveBackMemory() }
            }
        }
        proceedWithDeparture()
        armLogRetry()
    }

    private func tellStatus() {
        let all = supervisor.inOrder
        let awake = all.count { if case .ready = $0.machine.state { true } else { false } }
        manager.status("\(awake) of \(all.count) backends awake")
    }

    // MARK: Leaving

    private func takeSignals() {
        while let signal = kernel.nextSignal(from: signals) {
            switch signal {
            case .childChanged: supervisor.reapChildren()
            case .terminate, .interrupt: shutDown()
            case .hangUp: log(.signalIgnored, LogField("signal", "HUP"))
            }
        }
    }

    /// The first signal lets clients finish, the second does not wait for them or for a step of a stop plan, and the
    /// third waits for nothing.
    private func shutDown() {
        switch departure {
        case .staying:
            departure = .draining
            log(.shuttingDown, LogField("open", proxy.links.count))
            manager.stopping()
            proxy.drain(over: configuration.closeJitter)
            reactor.arm(.shutdown, at: kernel.now() + configuration.drainTimeout)
        case .draining:
            stopBackends()
            hurry()
        case .stopping where !isHurrying:
            hurry()
        case .stopping:
            supervisor.killAll()
            leave()
        }
    }

    private func hurry() {
        isHurrying = true
        log(.hurrying)
        supervisor.hurry()
    }

    private func stopBackends() {
        departure = .stopping
        proxy.closeEverything()
        supervisor.shutDown()
        reactor.arm(.shutdown, at: kernel.now() + configuration.longestStop + Limits.shutdownGrace)
    }

    private func shutdownTimerFired() {
        guard departure == .stopping else { return stopBackends() }
        guard !isKilling else { return leave() }
        // Patience is over, also when it ended at once because a day went by; what is killed is still waited for.
        isKilling = true
        supervisor.killAll()
        reactor.arm(.shutdown, at: kernel.now() + Limits.killGrace)
    }

    private func proceedWithDeparture() {
        if departure == .draining, proxy.isDrained { stopBackends() }
        supervisor.proceedWithShutdown()
        if departure == .stopping, supervisor.isRetired { leave() }
    }

    private func leave() {
        guard !hasLeft else { return }
        hasLeft = true
        proxy.closeEverything()
        supervisor.closeSockets()
        proxy.closeListeners()
        log(.bye)
        log.flush()
    }

    // MARK: Control

    var serviceNames: [String] {
        let names = configuration.services.map(\.name)
        return names + supervisor.inOrder.map(\.name).filter { !names.contains($0) }
    }

    func backend(named name: String) -> BackendID? { supervisor.inOrder.first { $0.name == name }?.id }

    func lastOutput(of id: BackendID) -> [String] { supervisor.backends[id]?.tail.lines ?? [] }

    // MARK: Status

    func snapshot() -> Snapshot {
        let services = configuration.services.enumerated().map { index, service in
            var description = Snapshot.Service(
                name: service.name, state: service.enabled ? "external" : "disabled", stateAge: kernel.now() - began,
                paths: service.paths.map(\.text), webSocket: service.websocket, requires: service.policy.requires)
            description.open = proxy.openCount(of: BackendID(index: index))
            description.traffic = proxy.traffic[index]
            supervisor.describe(BackendID(index: index), in: &description)
            return description
        }
        let processes = configuration.processes.enumerated().map { index, process in
            var description = Snapshot.Service(
                name: process.name, kind: .process, state: "disabled", stateAge: kernel.now() - began,
                requires: process.policy.requires)
            supervisor.describe(BackendID(index: configuration.services.count + index), in: &description)
            return description
        }
        return Snapshot(
            version: Version.text, uptime: kernel.now() - began, residentBytes: kernel.residentBytes(of: nil),
            listening: addresses.map(\.description), services: services + processes, isLeaving: departure != .staying)
    }
}

extension Configuration {
    /// What conversations on the public listeners have to know.
    fileprivate func exchangeRules(expectsProxyHeader: Bool) -> ExchangeRules {
        let rules = services.map { service in
            ServiceRules(
                name: service.name, targetPath: service.target.path, authority: service.target.authority,
                webSocket: service.websocket, headers: service.headers, wakeOn: service.wakeOn,
                limits: service.limits, origins: service.origins)
        }
        return ExchangeRules(
            routes: routeTable, services: rules, limits: limits, trustedProxies: trustedProxies, addsVia: via,
            expectsProxyHeader: expectsProxyHeader)
    }

    /// The status listener's own routes; they are no services and wake nothing.
    fileprivate var statusRules: ExchangeRules {
        let resources: [(StaticString, StatusResource)] = [
            ("/", .page), ("/api/status", .snapshot), ("/events", .events), ("/healthz", .health),
            ("/readyz", .readiness),
        ]
        let routes = resources.map { path, resource in
            Route(pattern: .fixed(path), destination: .status(resource))
        }
        return ExchangeRules(
            routes: RouteTable(routes), services: [], limits: limits, isAboutDaemon: true, statusToken: status?.token)
    }

    /// The control socket's questions read their path themselves.
    fileprivate static var controlRules: ExchangeRules {
        ExchangeRules(routes: RouteTable([Route(pattern: .fixed("/*"), destination: .control)]), services: [])
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
