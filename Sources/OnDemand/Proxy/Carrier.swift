/// Carries open tunnels on a thread of its own: a reactor, and a proxy that has neither listeners nor conversations.
///
/// Unchecked: until its thread runs only who made it touches it, from then on only that thread; the letterboxes and the
/// ledger, where others reach it, are safe by themselves.
final class Carrier<K: Kernel>: Tenant, @unchecked Sendable {
    let reactor: Reactor<K>
    let proxy: Proxy<K>
    let orders: Letterbox<CarrierOrder>
    private(set) var hasEnded = false

    /// `proxy` is the one that decides, `kernel` the carrier's own.
    init(
        besides proxy: Proxy<K>, kernel: K, number: Int, reports: Letterbox<CarrierReport>
    ) throws(SystemError) {
        reactor = Reactor(kernel: kernel)
        orders = Letterbox(bell: try kernel.openBell())
        let ledger = TrafficLedger()
        let reporting = Reporting(carrier: number, letterbox: reports, ledger: ledger)
        let log = Log { event, fields in
            reports.post(CarrierReport(carrier: number, news: .told(event, fields)), through: kernel)
        }
        // Of who knows the status and who is controlled only conversations ask, and there are none.
        self.proxy = Proxy(
            upstreams: proxy.upstreams, reactor: reactor, log: log, requests: Mailbox(), status: proxy.status,
            controlled: proxy.controlled, reporting: reporting)
        try kernel.watch(orders.bell, for: .edges, as: Token(.bell, index: 0, generation: 0))
        proxy.carriers.append(.init(orders: orders, ledger: ledger))
    }

    func run() {
        while !hasEnded { reactor.turn(self) }
    }

    func carry(from first: Int, of count: Int) -> Int { proxy.carry(from: first, of: count) }

    func ready(_ token: Token, _ readiness: Readiness) {
        switch token.role {
        case .client, .upstream: proxy.ready(token, readiness)
        case .bell: orders.takeAll().forEach(follow)
        case .listener, .childOutput, .childErrors, .probe, .notification, .signals:
            preconditionFailure("a carrier watches nothing but tunnels")
        }
    }

    func timerFired(_ key: TimerKey) {
        switch key {
        case .conversation(let token): proxy.deadlineFired(token)
        case .pace(let token): proxy.paceTimerFired(token)
        case .connectRetry, .acceptPause, .backend, .probe, .slowStart, .startDelay, .leave, .status, .crowdSettled,
            .logRetry, .watchdog, .shutdown, .familyGuard:
            preconditionFailure("a carrier has no timers but those of tunnels")
        }
    }

    func turnEnded() { proxy.enterTraffic() }

    private func follow(_ order: CarrierOrder) {
        switch order {
        case .adopt(let passage): proxy.adopt(passage.link, announcedClient: passage.announcedClient)
        case .seat(let id, let name, let gate, let limits):
            // Where it is only matters to who connects.
            let upstream = Proxy<K>.Upstream(name: name, address: .unix(path: ""), gate: gate, limits: limits)
            proxy.seat(upstream, at: id)
        case .takeLeave(let lease, let code, let window): proxy.takeLeave(of: lease, code, over: window)
        case .generationEnded(let lease): proxy.endLinks(of: lease)
        case .close(let id, let generation): proxy.close(id, sparing: generation)
        case .closeEverything: proxy.closeEverything()
        case .end:
            proxy.closeEverything()
            hasEnded = true
        }
    }
}
