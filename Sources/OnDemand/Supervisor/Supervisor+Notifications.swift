/// Receives READY=1 on the notify sockets of backends (sd_notify(3)).
extension Supervisor {
    func notificationReady(_ token: Token) {
        guard let backend = backends[BackendID(index: token.index)], let child = backend.child,
            backend.machine.generation.number & 0xff_ffff == token.generation, let socket = child.notifySocket
        else { return }
        var share = WorkShare(
            items: Limits.notificationsPerTurn, time: Limits.notificationTimePerTurn, from: kernel.now(),
            itemsPerLook: 1)
        while share.takeItem(kernel.now) {
            guard let (count, sender) = kernel.nextNotification(from: socket, into: &buffers) else { return }
            // Any local user may send to this socket. The cheapest check comes first: need, text, then the sender's
            // process.
            guard backend.probe.awaitsNotification, Notification.saysReady(buffers.span.extracting(0..<count)) else {
                continue
            }
            guard let sender, isOfTree(sender, of: backend, child) else {
                logForeignNotification(from: sender, of: backend)
                continue
            }
            acceptNotification(of: backend)
        }
    }

    /// A foreign sender is not looked up again in this start.
    private func isOfTree(
        _ sender: ProcessID, of backend: SupervisedBackend, _ child: SupervisedBackend.Child
    ) -> Bool {
        // The pid of the leader cannot be reused before the daemon reaps it.
        if child.exit == nil, sender.number == child.process.number { return true }
        guard !backend.probe.isKnownForeigner(sender) else { return false }
        if kernel.process(sender, belongsToTreeOf: child.process) { return true }
        backend.probe.noteForeignSender(sender)
        return false
    }
}
