import Testing

@testable import OnDemand

/// The messages to the service manager (sd_notify(3)), and the sockets that it opened.
struct SystemdNotifierTests {
    private let kernel = SimulatedKernel(seed: 1)

    private func manager() -> (manager: SystemdNotifier<SimulatedKernel>, reactor: Reactor<SimulatedKernel>) {
        let reactor = Reactor(kernel: kernel)
        return (SystemdNotifier(reactor: reactor), reactor)
    }

    private func address(_ port: UInt16) -> SocketAddress { .ipv4(octets: [127, 0, 0, 1], port: port) }

    private func socket(_ raw: Int32, _ name: String, _ address: SocketAddress?) -> InheritedListener {
        InheritedListener(descriptor: Descriptor(raw: raw), name: name, address: address)
    }

    @Test("each change of the daemon is notified in the protocol's words")
    func words() {
        let (manager, reactor) = manager()
        kernel.clock = Instant(nanoseconds: 5_000_001_999)
        manager.ready()
        manager.reloading()
        manager.stopping()
        #expect(kernel.managerHeard == ["READY=1", "RELOADING=1\nMONOTONIC_USEC=5000001", "STOPPING=1"])
        #expect(!reactor.hasTimers, "without a watchdog nothing ever wakes the daemon")
    }

    @Test("a status line is sent when it has changed")
    func status() {
        let (manager, _) = manager()
        for line in ["0 of 1", "0 of 1", "1 of 1", "0 of 1"] { manager.status(line) }
        #expect(kernel.managerHeard == ["STATUS=0 of 1", "STATUS=1 of 1", "STATUS=0 of 1"])
    }

    @Test("the watchdog gets two messages per interval")
    func watchdog() {
        kernel.watchdogInterval = .seconds(10)
        let (manager, reactor) = manager()
        manager.ready()
        #expect(kernel.managerHeard == ["READY=1", "WATCHDOG=1"])
        let handler = WatchdogHandler(manager: manager)
        let begun = kernel.now()
        for _ in 0..<3 { reactor.runOnce(handler) }
        #expect(kernel.managerHeard.count == 5)
        #expect(kernel.now() - begun >= .seconds(15) && kernel.now() - begun < .milliseconds(15_001))
    }

    @Test("a socket is found by its exact address or its name, once; the others remain")
    func sockets() {
        kernel.inherited = [
            socket(3, "web", address(80)), socket(4, "web", address(81)), socket(5, "other", address(82)),
            socket(6, "web", nil), socket(7, "", address(83)),
        ]
        let (manager, _) = manager()
        #expect(manager.takeListener(at: address(83))?.descriptor.raw == 7)
        #expect(manager.takeListener(at: address(83)) == nil)
        #expect(manager.takeListener(at: .ipv4(octets: [0, 0, 0, 0], port: 80)) == nil)
        #expect(manager.takeListeners(named: "web").map(\.descriptor.raw) == [3, 4])
        #expect(manager.takeListeners(named: "web").isEmpty)
        #expect(manager.takeRest().map(\.descriptor.raw) == [5, 6])
        #expect(manager.takeRest().isEmpty)
    }
}

private final class WatchdogHandler: EventHandler {
    private let manager: SystemdNotifier<SimulatedKernel>

    init(manager: SystemdNotifier<SimulatedKernel>) { self.manager = manager }

    func ready(_ token: Token, _ readiness: Readiness) {}
    func timerFired(_ key: TimerKey) { if SystemdTimer(key) == .watchdog { manager.notifyWatchdog() } }
    func iterationEnded() {}
}
