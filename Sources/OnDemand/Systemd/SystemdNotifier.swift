/// The manager that started the daemon, if one did: what it is told and what it has opened for us.
///
/// systemd, or anybody who sets its variables; without them every call does nothing and costs nothing.
final class SystemdNotifier<K: Kernel> {
    private let reactor: Reactor<K>
    /// Nobody has taken these yet.
    private var sockets: [InheritedListener]
    private var lastStatus = ""

    private var kernel: K { reactor.kernel }

    init(reactor: Reactor<K>) {
        self.reactor = reactor
        sockets = reactor.kernel.inheritedListeners()
    }

    // MARK: What it is told

    /// Everything is open that clients can come in by; said again after a reload.
    func ready() {
        kernel.notifyServiceManager("READY=1")
        notifyWatchdog()
    }

    /// What comes until `ready` is not a hang, and not over (sd_notify(3)).
    func reloading() {
        kernel.notifyServiceManager("RELOADING=1\nMONOTONIC_USEC=\(kernel.now().nanoseconds / 1000)")
    }

    func stopping() { kernel.notifyServiceManager("STOPPING=1") }

    /// One line for `systemctl status`, when it is another one than the last.
    func status(_ line: String) {
        guard line != lastStatus else { return }
        lastStatus = line
        kernel.notifyServiceManager("STATUS=\(line)")
    }

    /// Said twice as often as it wants to be heard. Without a watchdog no timer is armed.
    func notifyWatchdog() {
        guard let interval = kernel.watchdogInterval else { return }
        kernel.notifyServiceManager("WATCHDOG=1")
        reactor.arm(.watchdog, at: kernel.now() + interval / 2)
    }

    // MARK: What it has opened

    /// The socket that listens at this very address.
    func takeListener(at address: SocketAddress) -> InheritedListener? {
        sockets.firstIndex { $0.address == address }.map { sockets.remove(at: $0) }
    }

    /// All that listen under this name; one socket unit may open several.
    func takeListeners(named name: String) -> [InheritedListener] {
        let isMeant = { (socket: InheritedListener) in socket.name == name && socket.address != nil }
        defer { sockets.removeAll(where: isMeant) }
        return sockets.filter(isMeant)
    }

    /// What nobody wants: left open, it would let clients in whom nobody ever serves.
    func takeRest() -> [InheritedListener] {
        defer { sockets = [] }
        return sockets
    }
}
