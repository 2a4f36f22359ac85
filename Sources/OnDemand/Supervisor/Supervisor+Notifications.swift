/// Listening to what children say through their notify sockets (sd_notify(3)).
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
            // Any user of this machine may send here, so what costs least is asked first: whether an answer would
            // change anything, then the text, then whose process it is.
            guard backend.probe.awaitsWord, Notification.saysReady(buffers.span.extracting(0..<count)) else { continue }
            guard let sender, isOfFamily(sender, of: backend, child) else {
                logForeignNotification(from: sender, of: backend)
                continue
            }
            acceptNotification(of: backend)
        }
    }

    /// A process that has spoken in the backend's place is not looked up again.
    private func isOfFamily(
        _ sender: ProcessID, of backend: SupervisedBackend, _ child: SupervisedBackend.Child
    ) -> Bool {
        // A leader's number is its own until the daemon reaps it.
        if child.exit == nil, sender.number == child.process.number { return true }
        guard !backend.probe.foreignSenders.contains(sender) else { return false }
        if kernel.process(sender, belongsToFamilyOf: child.process) { return true }
        if backend.probe.foreignSenders.count >= Limits.foreignSendersKept {
            backend.probe.foreignSenders.removeFirst()
        }
        backend.probe.foreignSenders.append(sender)
        return false
    }

    /// It is ready as far as it can tell; whether it can be reached where it should be is seen as for the others.
    private func acceptNotification(of backend: SupervisedBackend) {
        guard backend.probe.awaitsWord else { return }
        backend.probe.isNotified = true
        if let event = attemptProbe(of: backend) { dispatch(backend, event) }
    }
}
