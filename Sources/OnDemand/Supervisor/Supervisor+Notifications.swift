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
            guard backend.probe.awaitsWord, Notification.saysReady(buffers.span.extracting(0..<count)) else { continue }
            guard let sender, isOfFamily(sender, of: backend, child) else {
                logForeignNotification(from: sender, of: backend)
                continue
            }
            acceptNotification(of: backend)
        }
    }

    /// A foreign sender is not looked up again in this start.
    private func isOfFamily(
        _ sender: ProcessID, of backend: SupervisedBackend, _ child: SupervisedBackend.Child
    ) -> Bool {
        // The pid of the leader cannot be reused before the daemon reaps it.
        if child.exit == nil, sender.number == child.process.number { return true }
        guard !backend.probe.foreignSenders.contains(sender) else { return false }
        if kernel.process(sender, belongsToFamilyOf: child.process) { return true }
        if backend.probe.foreignSenders.count >= Limits.foreignSendersKept {
            backend.probe.foreignSenders.removeFirst()
        }
        backend.probe.foreignSenders.append(sender)
        return false
    }

    /// The backend reports readiness. Its address is still probed.
    private func acceptNotification(of backend: SupervisedBackend) {
        guard backend.probe.awaitsWord else { return }
        backend.probe.isNotified = true
        if let event = attemptProbe(of: backend) { dispatch(backend, event) }
    }
}
