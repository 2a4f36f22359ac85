/// Listening to what children say through their notify sockets (sd_notify(3)).
extension Supervisor {
    func notificationReady(_ token: Token) {
        guard let backend = backends[BackendID(index: token.index)], let child = backend.child,
            backend.machine.generation.number & 0xff_ffff == token.generation, let socket = child.notifySocket
        else { return }
        for _ in 0..<Limits.notificationsPerTurn {
            guard let (count, sender) = kernel.nextNotification(from: socket, into: &scratch) else { return }
            guard Notification.saysReady(scratch.span.extracting(0..<count)) else { continue }
            guard let sender, kernel.process(sender, belongsToFamilyOf: child.process) else {
                noteForeignWord(from: sender, of: backend)
                continue
            }
            takeWord(of: backend)
        }
    }

    /// It is ready as far as it can tell; whether it can be reached where it should be is seen as for the others.
    private func takeWord(of backend: SupervisedBackend) {
        guard backend.probe.purpose == .readiness, !backend.probe.hasWord else { return }
        backend.probe.hasWord = true
        if let event = attemptProbe(of: backend) { tell(backend, event) }
    }
}
