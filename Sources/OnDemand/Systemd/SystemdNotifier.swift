/// The interface to the service manager: notifications and inherited sockets.
///
/// systemd, or any program that sets its variables. Without them every call does nothing.
final class SystemdNotifier<K: Kernel> {
    private let reactor: Reactor<K>
    /// Inherited sockets that no listener has claimed.
    private var sockets: [InheritedListener]
    private var lastStatus = ""

    private var kernel: K { reactor.kernel }

    init(reactor: Reactor<K>) {
        self.reactor = reactor
        sockets = reactor.kernel.inheritedListeners()
    }

    // MARK: Notifications

    /// All listeners are open. Sent again after a reload.
    func ready() {
        kernel.notifyServiceManager("READY=1")
        notifyWatchdog()
    }

    /// A reload begins and ends with `ready` (sd_notify(3)).
    func reloading() {
        kernel.notifyServiceManager("RELOADING=1\nMONOTONIC_USEC=\(kernel.now().nanoseconds / 1000)")
    }

    func stopping() { kernel.notifyServiceManager("STOPPING=1") }

    /// Sends the status line of `systemctl status` if it has changed.
    func status(_ line: String) {
        guard line != lastStatus else { return }
        lastStatus = line
        kernel.notifyServiceManager("STATUS=\(line)")
    }

    /// Sends the watchdog signal at twice the required rate. Without a watchdog no timer is armed.
    func notifyWatchdog() {
        guard let interval = kernel.watchdogInterval else { return }
        kernel.notifyServiceManager("WATCHDOG=1")
        reactor.arm(TimerKey(SystemdTimer.watchdog), at: kernel.now() + interval / 2)
    }

    // MARK: Inherited sockets

    /// Claims the socket that listens at this address.
    func takeListener(at address: SocketAddress) -> InheritedListener? {
        sockets.firstIndex { $0.address == address }.map { sockets.remove(at: $0) }
    }

    /// Claims all sockets with this name. One socket unit may open several.
    func takeListeners(named name: String) -> [InheritedListener] {
        let isMeant = { (socket: InheritedListener) in socket.name == name && socket.address != nil }
        defer { sockets.removeAll(where: isMeant) }
        return sockets.filter(isMeant)
    }

    /// Claims the rest for closing. Left open, they would accept clients that no listener serves.
    func takeRest() -> [InheritedListener] {
        defer { sockets = [] }
        return sockets
    }
}
