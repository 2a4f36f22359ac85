/// All parts of one daemon on one reactor: dispatches events and passes messages between the drivers.
///
/// - `ready` and `timerFired` dispatch an event to its driver.
/// - `iterationEnded` delivers their messages until all mailboxes are empty.
/// - SIGTERM and SIGINT shut the daemon down, in the stages of `ShutdownMachine`.
/// - SIGHUP reloads the configuration, SIGUSR1 reopens the log file.
///
/// Invariant: the drivers exchange messages only through mailboxes. What concerns the daemon itself, a reload or a
/// snapshot, is a message too (`DaemonRequest`), and is done when no other message is on its way.
final class Daemon<K: Kernel>: EventHandler {
    private(set) var running: RunningConfiguration
    let kernel: K
    let log: Log
    let logOutput: DaemonLog<K>
    let reactor: Reactor<K>
    let supervisor: Supervisor<K>
    let manager: SystemdNotifier<K>
    let proxy: Proxy<K>
    /// Each runs on a thread of its own, which `EntryPoint` starts.
    let workers: [Worker<K>]
    let cableServer: CableServer<K>
    let listeners: ListenerSet<K>
    let backends: BackendRegistry<K>
    private let rules: EndpointRules<K>
    private let reloader: Reloader<K>
    private let historyFile: HistoryFile<K>
    private let snapshots: SnapshotBuilder<K>
    private let mailboxes: ProxyMailboxes
    private let replies = Mailbox<BackendReply>()
    let cableReplies = Mailbox<CableReply>()
    private let commandReplies = Mailbox<CommandReply>()
    private let streamRequests = Mailbox<StreamRequest>()
    private let streamReplies = Mailbox<StreamReply>()
    let signals: Descriptor
    var shutdown = ShutdownMachine()
    /// The end of the drain time; set when a shutdown begins.
    var drainEnd = Instant(nanoseconds: 0)
    private var dueTrim = Trim.none

    var configuration: Configuration { running.configuration }

    /// `loadConfiguration` reads the configuration again for a reload.
    init(
        _ configuration: Configuration, kernel: K,
        loadConfiguration: @escaping () -> Result<Configuration, UnreadableConfiguration>
    ) throws(SystemError) {
        let running = RunningConfiguration(first: configuration)
        self.running = running
        self.kernel = kernel
        let began = kernel.now()
        signals = try kernel.openSignals()
        reactor = Reactor(kernel: kernel)
        logOutput = try DaemonLog(configuration.log, reactor: reactor)
        log = logOutput.log
        manager = SystemdNotifier(reactor: reactor)
        mailboxes = ProxyMailboxes()
        cableServer = CableServer(
            reactor: reactor, log: log, replies: cableReplies, work: mailboxes.backends, streamReplies: streamReplies)
        let services = configuration.services.map { ProxyService($0) }
        supervisor = Supervisor(
            backends: running.processes.map { SupervisedBackend($0, as: $1) }
                + zip(running.services, services).compactMap { SupervisedBackend($0.0, as: $0.1, $1.gate) },
            runner: CommandRunner(
                reactor: reactor, log: log, trees: ProcessTrees(reactor: reactor, log: log), replies: commandReplies,
                streams: streamRequests, work: mailboxes.backends),
            replies: replies)
        supervisor.setEnvironment(configuration.environment)
        let reports = configuration.threads > 1 ? ThreadSafeQueue<WorkerEvent>(wakeup: try kernel.openWakeup()) : nil
        proxy = Proxy(services: services, reactor: reactor, log: log, mailboxes: mailboxes, reports: reports)
        cableServer.use(proxy.services)
        workers = try Self.workers(configuration.threads - 1, reporting: reports, to: proxy)
        listeners = ListenerSet(kernel: kernel, log: log, manager: manager, table: proxy.listeners)
        backends = BackendRegistry(running, proxy: proxy, supervisor: supervisor, cableServer: cableServer)
        rules = EndpointRules(proxy: proxy, supervisor: supervisor, cableServer: cableServer)
        reloader = Reloader(
            load: loadConfiguration, log: logOutput, listeners: listeners, backends: backends, rules: rules)
        historyFile = HistoryFile(kernel: kernel, log: log, supervisor: supervisor, services: proxy.services)
        snapshots = SnapshotBuilder(proxy: proxy, supervisor: supervisor, cableServer: cableServer, began: began)
        try begin()
    }

    /// Opens all sockets, and starts what is always on.
    private func begin() throws(SystemError) {
        for orphan in kernel.killOrphans(within: Limits.orphanTimeout) {
            log(.orphanKilled, LogField("pid", orphan.process.number), LogField("process", orphan.name))
        }
        for sentence in kernel.processTreeLimits { log(.processTreeLimited, LogField("detail", sentence)) }
        try kernel.watch(signals, for: .readable, as: Token(DaemonToken.signals, index: 0, generation: 0))
        rules.updateEndpoints(of: running, from: Configuration())
        try listeners.openAll(configuration.listenerSpecs)
        rules.updateRules(of: running)
        try supervisor.openSockets()
        historyFile.restore(to: running)
        supervisor.begin()
        saveHistory()
        manager.ready()
        notifyStatus()
    }

    /// Creates the workers that relay tunnels on other threads.
    private static func workers(
        _ count: Int, reporting reports: ThreadSafeQueue<WorkerEvent>?, to proxy: Proxy<K>
    ) throws(SystemError) -> [Worker<K>] {
        guard let reports else { return [] }
        let kernel = proxy.kernel
        try kernel.watch(reports.wakeup, for: .edges, as: Token(ProxyToken.workerEvents, index: 0, generation: 0))
        var workers: [Worker<K>] = []
        for number in 0..<count {
            let worker = try Worker(
                services: proxy.relay.services, kernel: try kernel.forWorkerThread(), number: number, reports: reports)
            proxy.workers.add(worker.requests, worker.counters)
            workers.append(worker)
        }
        return workers
    }

    // MARK: Running

    func run() {
        kernel.trimMemoryWithData()
        while !hasExited { reactor.runOnce(self) }
    }

    func relayRun(from first: Int, of count: Int) -> Int { proxy.relayRun(from: first, of: count) }

    func ready(_ token: Token, _ readiness: Readiness) {
        switch token.owner {
        case .connections: proxy.ready(token, readiness)
        case .proxy: proxy.ownReady(token)
        case .supervisor: supervisor.ready(token, readiness)
        case .commandRunner: supervisor.runner.terminalReady(token)
        case .cableServer: cableServer.ready(token, readiness)
        case .fabric: cableServer.redisReady(token, readiness)
        case .daemon: ownReady(token)
        default: preconditionFailure("the kernel returned an unknown token")
        }
    }

    private func ownReady(_ token: Token) {
        switch DaemonToken(token) {
        case .signals: takeSignals()
        case .messages: break  // Every turn delivers them.
        }
    }

    func timerFired(_ key: TimerKey) {
        switch key.owner {
        case .connections: proxy.connectionTimerFired(key)
        case .proxy: proxy.timerFired(key)
        case .supervisor: supervisor.timerFired(key)
        case .commandRunner: supervisor.runner.timerFired(key)
        case .cableServer: cableServer.timerFired(key)
        case .fabric: cableServer.redisTimerFired(key)
        case .systemd: manager.notifyWatchdog()
        case .daemon: ownTimerFired(key)
        default: preconditionFailure("a timer without an owner")
        }
    }

    private func ownTimerFired(_ key: TimerKey) {
        switch DaemonTimer(key) {
        case .logRetry: logOutput.retry()
        case .shutdown: shutdownTimerFired()
        }
    }

    /// Delivers messages between the drivers until all mailboxes are empty. The end of a delivery and the steps of a
    /// shutdown may post further ones: the event loop does not sleep before they are delivered.
    func iterationEnded() {
        var mayHavePosted = hasMessages
        if mayHavePosted { exchangeMessages() }
        if backends.iterationEnded() { mayHavePosted = true }
        if !isRunning {
            proceedWithShutdown()
            mayHavePosted = true
        }
        if mayHavePosted, hasMessages { reactor.resumeLater(Token(DaemonToken.messages, index: 0, generation: 0)) }
        logOutput.iterationEnded()
        if dueTrim != .none { trimMemory() }
    }

    /// A message in another mailbox is announced in one of these.
    @inline(__always)
    private var hasMessages: Bool { !mailboxes.backends.isEmpty || !replies.isEmpty }

    /// The messages that were delivered in an iteration.
    private struct Delivered {
        var hasChanged = false
        var hasCableWork = false
        var hasCommandWork = false
        /// Requests for the daemon itself wait.
        var hasDaemonWork = false
    }

    /// Delivers the drivers' messages until none is left. Apart from `iterationEnded`, which every message passes.
    @inline(never)
    private func exchangeMessages() {
        var delivered = Delivered()
        repeat {
            deliverAll(&delivered)
            if delivered.hasDaemonWork { serveDaemonRequests(&delivered) }
        } while delivered.hasDaemonWork
        if delivered.hasChanged {
            notifyStatus()
            trimIfAsleep()
            historyFile.saveIfDue(running)
        }
        if delivered.hasCableWork {
            cableServer.iterationEnded()
            cableReplies.takeAll().forEach(proxy.handle)
        }
        if delivered.hasCommandWork, supervisor.runner.takeBecameIdle() { trimIfAsleep() }
    }

    private func deliverAll(_ delivered: inout Delivered) {
        while hasMessages {
            for request in mailboxes.backends.takeAll() {
                switch request {
                case .cableWork: delivered.hasCableWork = true
                case .commandWork: delivered.hasCommandWork = true
                case .daemonWork: delivered.hasDaemonWork = true
                case .wanted, .listenerMissing, .abandoned, .lastLeaseReturned, .tunnelsDrained, .operation:
                    supervisor.handle(request)
                }
            }
            if delivered.hasCommandWork { exchangeCommandMessages() }
            if delivered.hasCableWork {
                mailboxes.cables.takeAll().forEach(cableServer.handle)
                cableReplies.takeAll().forEach(proxy.handle)
            }
            for reply in replies.takeAll() {
                deliver(reply)
                guard case .stateChanged = reply else { continue }
                delivered.hasChanged = true
            }
        }
    }

    /// The response to a request leaves before the output that it causes.
    private func exchangeCommandMessages() {
        mailboxes.commands.takeAll().forEach(supervisor.runner.handle)
        commandReplies.takeAll().forEach(proxy.handle)
        streamRequests.takeAll().forEach(cableServer.handle)
        streamReplies.takeAll().forEach(supervisor.runner.handle)
    }

    /// Tickets tell which driver has asked; the end of a backend is told to both.
    private func deliver(_ reply: BackendReply) {
        switch reply {
        case .admitted(_, let ticket, _) where ticket.isOfCableSession: cableServer.handle(reply)
        case .refused(let ticket, _, _) where ticket.isOfCableSession: cableServer.handle(reply)
        case .admitted, .refused, .operationEnded, .printed: proxy.handle(reply)
        case .closeTunnels, .generationEnded, .stateChanged:
            // The upstreams of cable sessions are counted before the proxy looks whether any is left.
            cableServer.handle(reply)
            cableReplies.takeAll().forEach(proxy.handle)
            proxy.handle(reply)
        }
    }

    // MARK: The daemon's own messages

    /// Nothing else is on its way: a snapshot shows the result of all messages, and a reload finds no driver in a step.
    private func serveDaemonRequests(_ delivered: inout Delivered) {
        delivered.hasDaemonWork = false
        for request in mailboxes.daemon.takeAll() {
            serve(request)
            deliverAll(&delivered)
        }
    }

    private func serve(_ request: DaemonRequest) {
        switch request {
        case .snapshot(let view, let requester): proxy.handle(.snapshot(snapshot(), view, requester: requester))
        case .event: proxy.handle(.event(snapshot()))
        case .history(let requester):
            proxy.handle(.history(historyFile.history(of: running), requester: requester))
        case .output(let id, let count, let follows, let requester):
            let lines = Array(supervisor.lastOutput(of: id).suffix(count))
            proxy.handle(.output(id, lines, follows: follows, requester: requester))
        case .reload(let requester?): proxy.handle(.reloaded(reload(), requester: requester))
        case .reload(nil): if reload() == .tooLate { log(.signalIgnored, LogField("signal", "HUP")) }
        }
    }

    /// By SIGHUP.
    func requestReload() { mailboxes.post(.reload(requester: nil)) }

    @discardableResult
    func reload() -> ReloadOutcome {
        guard isRunning else { return .tooLate }
        manager.reloading()
        defer { manager.ready() }
        var next = running
        let outcome = reloader.reload(&next)
        running = next
        trimIfAsleep(.ofStartup)
        return outcome
    }

    func snapshot() -> Snapshot {
        snapshots.snapshot(of: running, reloads: reloader.counts, isShuttingDown: !isRunning)
    }

    func saveHistory() { historyFile.save(running) }

    // MARK: Quiet times

    /// Memory that is returned to the system at the end of this turn, before a long sleep.
    enum Trim {
        case none
        case ofSleep
        /// Also what only the reading of a configuration needed.
        case ofStartup
    }

    /// At the end of the turn, because what the rest of the turn needs would come back.
    func trimIfAsleep(_ trim: Trim = .ofSleep) {
        if supervisor.isAllAsleep, dueTrim != .ofStartup { dueTrim = trim }
    }

    private func trimMemory() {
        let trim = dueTrim
        dueTrim = .none
        proxy.relay.trimBuffers()
        if trim == .ofStartup { kernel.trimMemoryWithData() } else { kernel.trimMemory() }
    }

    private func notifyStatus() {
        let all = supervisor.inOrder
        let awake = all.count { if case .awake = $0.machine.state { true } else { false } }
        manager.status("\(awake) of \(all.count) backends awake")
    }
}
