/// Relays open tunnels on a thread of its own, with a reactor and a proxy without listeners or HTTP sessions.
///
/// Unchecked: only the creating thread touches it before its thread runs, afterwards only that thread. The thread-safe
/// queues and the shared counters are safe by themselves.
final class Worker<K: Kernel>: EventHandler, @unchecked Sendable {
    let reactor: Reactor<K>
    let proxy: Proxy<K>
    let commands: ThreadSafeQueue<WorkerCommand>
    private(set) var hasEnded = false

    /// `proxy` is the main proxy, `kernel` the worker's own.
    init(
        besides proxy: Proxy<K>, kernel: K, number: Int, reports: ThreadSafeQueue<WorkerEvent>
    ) throws(SystemError) {
        reactor = Reactor(kernel: kernel)
        commands = ThreadSafeQueue(wakeup: try kernel.openWakeup())
        let counters = SharedCounters()
        let reporting = WorkerContext(worker: number, queue: reports, counters: counters)
        let log = Log { event, fields in
            reports.post(WorkerEvent(worker: number, content: .log(event, fields)), through: kernel)
        }
        // Only HTTP sessions use the sources of status and control, and a worker has none.
        self.proxy = Proxy(
            upstreams: proxy.upstreams, reactor: reactor, log: log, requests: Mailbox(), status: proxy.status,
            controlSource: proxy.controlSource, reporting: reporting)
        try kernel.watch(commands.wakeup, for: .edges, as: Token(WorkerToken.commands, index: 0, generation: 0))
        proxy.workers.append(.init(commands: commands, counters: counters))
    }

    func run() {
        while !hasEnded { reactor.runOnce(self) }
    }

    func relayRun(from first: Int, of count: Int) -> Int { proxy.relayRun(from: first, of: count) }

    func ready(_ token: Token, _ readiness: Readiness) {
        switch token.owner {
        case .connections: proxy.ready(token, readiness)
        case .worker: commands.takeAll().forEach(perform)
        default: preconditionFailure("a worker watches only tunnels")
        }
    }

    func timerFired(_ key: TimerKey) { proxy.connectionTimerFired(key) }

    func iterationEnded() { proxy.enterTraffic() }

    private func perform(_ command: WorkerCommand) {
        switch command {
        case .tunnel(let transfer): proxy.takeOver(transfer.connection, announcedClient: transfer.announcedClient)
        case .register(let id, let name, let gate, let limits):
            // The address only matters for connects, and a worker makes none.
            let upstream = Proxy<K>.Upstream(name: name, address: .unix(path: ""), gate: gate, limits: limits)
            proxy.register(upstream, at: id)
        case .closeTunnels(let lease, let code, let window): proxy.closeTunnels(of: lease, code, over: window)
        case .generationEnded(let lease): proxy.endLinks(of: lease)
        case .close(let id, let generation): proxy.close(id, sparing: generation)
        case .closeEverything: proxy.closeEverything()
        case .end:
            proxy.closeEverything()
            hasEnded = true
        }
    }
}

/// The socket of a worker, apart from those of its tunnels.
enum WorkerToken: UInt8, OwnedKind {
    case commands

    static var owner: Owner { .worker }
}

extension Owner {
    static var worker: Owner { Owner(number: 8) }
}
