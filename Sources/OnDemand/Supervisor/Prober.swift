/// Performs the probes of backends: lookups, connections, timers and notify sockets. `ProbeMachine` decides.
///
/// - Input: events of the supervisor (`apply`), readiness of the probes' connections and of notify sockets, timers.
/// - Output: the result of a probe as an event of the backend's machine, and log lines about foreign processes.
///
/// Invariants: a backend has at most one connection and one notify socket. The notify socket belongs to one generation.
final class Prober<K: Kernel> {
    /// What a probe knows of its backend: the address and process of this start.
    struct Subject {
        let id: BackendID
        let name: String
        let address: SocketAddress?
        let process: ProcessID?
        /// The leader is not reaped: its pid is its own.
        let isLed: Bool
        let facts: ProbeMachine.Facts
    }

    private struct Connection {
        let descriptor: Descriptor
        var isWatched = false
        /// Bytes that the socket has not taken yet.
        var unsent: ArraySlice<UInt8> = []
    }

    private struct Probe {
        var machine = ProbeMachine()
        /// nil: there is none.
        var connection: Connection?
        /// nil: the generation has no notify socket.
        var notifySocket: (descriptor: Descriptor, generation: UInt32)?
    }

    private let reactor: Reactor<K>
    private let log: Log
    private var probes: [BackendID: Probe] = [:]

    private var kernel: K { reactor.kernel }

    init(reactor: Reactor<K>, log: Log) {
        self.reactor = reactor
        self.log = log
    }

    // MARK: Questions

    /// Why the last attempt with a result failed, in this start. nil: no result yet.
    func lastResult(of id: BackendID) -> String? { probes[id]?.machine.lastResult }

    func isPausing(_ id: BackendID) -> Bool { probes[id]?.machine.isPausing == true }

    /// Forgets a backend without a process.
    func forget(_ id: BackendID) { probes[id] = nil }

    // MARK: Events

    /// Applies an event and performs its effects. Returns the result of the probe, if this is its end.
    func apply(_ event: ProbeMachine.Event, to subject: Subject) -> BackendMachine.Event? {
        var (events, result) = ([event], BackendMachine.Event?.none)
        while !events.isEmpty {
            for effect in probes[subject.id, default: Probe()].machine.apply(events.removeFirst(), subject.facts) {
                if case .report(let event) = effect { result = event }
                if let event = perform(effect, subject) { events.append(event) }
            }
        }
        return result
    }

    /// Handles an event of the probe's socket. Calls `report` with each result. `subject`: as it is at each event.
    func ready(
        _ token: Token, _ subject: () -> Subject, report: (BackendMachine.Event) -> Void
    ) {
        let id = BackendID(index: token.index)
        guard let probe = probes[id], let connection = probe.connection,
            probe.machine.attempt & 0xff_ffff == token.generation
        else { return }
        func tell(_ event: ProbeMachine.Event) {
            if let result = apply(event, to: subject()) { report(result) }
        }
        guard !probe.machine.isConnecting else {
            let isConnected = kernel.connectFailure(of: connection.descriptor) == nil
            return tell(isConnected ? .connected : .connectionFailed(nil))
        }
        sendUnsent(of: id)
        var buffer: [UInt8] = Array(repeating: 0, count: Limits.probeReadBytes)
        // A probe's response is shorter than this; further bytes in a close handshake are cut off by its time limit.
        for _ in 0..<Limits.readsPerTurn {
            guard probes[id]?.connection?.descriptor == connection.descriptor else { return }
            switch kernel.receive(from: connection.descriptor, into: &buffer) {
            case .bytes(let count): tell(.received(buffer[..<count]))
            case .wouldBlock: return
            case .ended, .failed: return tell(.ended)
            }
        }
    }

    // MARK: Effects

    /// Performs one effect. Returns the event that it reports at once, if any.
    private func perform(_ effect: ProbeMachine.Effect, _ subject: Subject) -> ProbeMachine.Event? {
        let id = subject.id
        switch effect {
        case .lookUp:
            guard let address = subject.address, let process = subject.process else {
                return .lookedUp(.unsupported)
            }
            return .lookedUp(kernel.lookUpSocket(at: address, forTreeOf: process))
        case .connect: return connect(subject)
        case .identifyOwner:
            guard let address = subject.address, let process = subject.process else {
                return .ownerFound(.unsupported)
            }
            let connection = probes[id]?.connection?.descriptor
            return .ownerFound(kernel.listener(at: address, accepting: connection, belongsToTreeOf: process))
        case .converse:
            guard let address = subject.address else { return nil }
            let host = address.port == nil ? "localhost" : address.description
            let conversation = ProbeConversation(subject.facts.check, host: host, dice: kernel.random)
            return conversation.map { .conversation($0) }
        case .send(let bytes):
            probes[id]?.connection?.unsent = bytes[...]
            sendUnsent(of: id)
        case .endSending: if let connection = probes[id]?.connection { kernel.endSending(on: connection.descriptor) }
        case .watch: return watch(id)
        case .close:
            if let connection = probes[id]?.connection { kernel.close(connection.descriptor) }
            probes[id]?.connection = nil
        case .arm(let pause): reactor.arm(.probe(id), at: kernel.now() + pause)
        case .disarm: reactor.disarm(.probe(id))
        case .removeStaleSocket: if let address = subject.address { kernel.removeStaleSocket(at: address) }
        case .logConflict: recordConflict(subject)
        case .report: break
        }
        return nil
    }

    private func connect(_ subject: Subject) -> ProbeMachine.Event {
        guard let address = subject.address else { preconditionFailure("a probe without an address") }
        // Before a start the daemon's own socket may be at this address. A running backend has proven its own.
        if subject.process == nil, kernel.isOwnListener(address) { return .isOwnListener }
        switch kernel.connectProbe(at: address) {
        case .connected(let descriptor):
            probes[subject.id]?.connection = Connection(descriptor: descriptor)
            return .connected
        case .inProgress(let descriptor):
            probes[subject.id]?.connection = Connection(descriptor: descriptor)
            return .connectionStarted
        case .failed(let code): return .connectionFailed(code)
        }
    }

    private func watch(_ id: BackendID) -> ProbeMachine.Event? {
        guard let probe = probes[id], let connection = probe.connection else {
            preconditionFailure("there is no probe to watch")
        }
        guard !connection.isWatched else { return nil }
        do throws(SystemError) {
            let token = Token(SupervisorToken.probe, index: id.index, generation: probe.machine.attempt)
            try kernel.watch(connection.descriptor, for: .edges, as: token)
            probes[id]?.connection?.isWatched = true
            return nil
        } catch {
            return .unwatchable
        }
    }

    /// A failed socket reports its error at the next read.
    private func sendUnsent(of id: BackendID) {
        guard let descriptor = probes[id]?.connection?.descriptor else { return }
        while let unsent = probes[id]?.connection?.unsent, !unsent.isEmpty {
            guard case .bytes(let count) = kernel.send(unsent.span, to: descriptor) else { return }
            probes[id]?.connection?.unsent.removeFirst(count)
        }
    }

    // MARK: Foreign processes

    /// Logs a foreign listener once per start.
    func logConflict(_ subject: Subject) {
        if probes[subject.id, default: Probe()].machine.noteConflict() { recordConflict(subject) }
    }

    private func recordConflict(_ subject: Subject) {
        let owner = subject.address.flatMap { kernel.listenerOwner(at: $0) }
        log.record(
            .addressConflict,
            [
                LogField("service", subject.name),
                LogField("address", subject.address?.description ?? "no address"),
            ] + about(owner))
    }

    private func about(_ process: ProcessDescription?) -> [LogField] {
        process.map { [LogField("pid", $0.process.number), LogField("process", $0.name)] } ?? []
    }

    // MARK: Notifications

    /// Receives READY=1 of a generation on this socket from now on (sd_notify(3)).
    func openNotifications(on socket: Descriptor, of id: BackendID, _ generation: Generation) {
        probes[id, default: Probe()].notifySocket = (socket, generation.number & 0xff_ffff)
        let token = Token(SupervisorToken.notification, index: id.index, generation: generation.number)
        do throws(SystemError) {
            try kernel.watch(socket, for: .readable, as: token)
        } catch {
            log(.systemError, LogField("detail", error.description))
        }
    }

    func closeNotifications(of id: BackendID) {
        if let socket = probes[id]?.notifySocket { kernel.close(socket.descriptor) }
        probes[id]?.notifySocket = nil
    }

    /// Reads messages to a notify socket within a share of this turn. Calls `report` with each result.
    func notificationReady(
        _ token: Token, _ subject: () -> Subject, report: (BackendMachine.Event) -> Void
    ) {
        let id = BackendID(index: token.index)
        var buffer: [UInt8] = Array(repeating: 0, count: Limits.notificationBytes)
        var share = WorkShare(
            items: Limits.notificationsPerTurn, time: Limits.notificationTimePerTurn, from: kernel.now(),
            itemsPerLook: 1)
        while let socket = probes[id]?.notifySocket, socket.generation == token.generation, share.takeItem(kernel.now) {
            guard let (count, sender) = kernel.nextNotification(from: socket.descriptor, into: &buffer) else { return }
            // Any local user may send to this socket. The cheapest check comes first: need, text, then the sender's
            // process.
            guard probes[id]?.machine.awaitsNotification == true,
                Notification.saysReady(buffer.span.extracting(0..<count))
            else { continue }
            let subject = subject()
            guard let sender, isOfTree(sender, of: subject) else {
                logForeignNotification(from: sender, of: subject)
                continue
            }
            if let result = apply(.notified, to: subject) { report(result) }
        }
    }

    /// A foreign sender is not looked up again in this start.
    private func isOfTree(_ sender: ProcessID, of subject: Subject) -> Bool {
        guard let leader = subject.process else { return false }
        // The pid of the leader cannot be reused before the daemon reaps it.
        if subject.isLed, sender.number == leader.number { return true }
        guard probes[subject.id]?.machine.isKnownForeigner(sender) == false else { return false }
        if kernel.process(sender, belongsToTreeOf: leader) { return true }
        probes[subject.id]?.machine.noteForeignSender(sender)
        return false
    }

    /// Logs READY=1 from a foreign process once per start, so that it cannot flood the log.
    private func logForeignNotification(from sender: ProcessID?, of subject: Subject) {
        guard probes[subject.id]?.machine.noteConflict() == true else { return }
        let fields = [LogField("service", subject.name), LogField("address", "NOTIFY_SOCKET")]
        log.record(.addressConflict, fields + about(sender.map { kernel.description(of: $0) }))
    }
}
