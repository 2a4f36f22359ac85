@testable import OnDemand

/// A process of the simulation: runs its script, serves accepted connections, and is a zombie until it is reaped.
final class SimulatedProcess {
    enum Life: Equatable {
        case running
        case zombie(Exit)
    }

    unowned let kernel: SimulatedKernel
    let id: Int32
    /// The leader of its process group.
    let group: Int32
    /// The launch from which it descends, in whatever group it is now.
    let launch: UInt64
    /// nil: the daemon, which also adopts orphans.
    weak var parent: SimulatedProcess?
    let service: Int
    let script: ChildScript
    /// The address on which it listens, its own or its ancestor's.
    private(set) var address: SocketAddress?
    /// It has left the group of its birth.
    var isDetached = false
    private(set) var life = Life.running
    private(set) var heardTerminate = false
    private(set) var listener: SimulatedListener?
    /// The inherited listener, until the process accepts from it.
    var inherited: SimulatedListener?
    /// The notify socket for its readiness.
    var notifyName: String?
    /// Variables of the program of a command.
    var environment: [LaunchCommand.Variable] = []
    var conversations: [BackendConversation] = []
    private var requests = 0
    private var actions = 0
    /// Its flap is over.
    private var hasSettled = false
    private let pipes: [SimulatedPipe]
    private let startupTimeout: Duration
    private let bornAt: Instant

    /// Whether it responds positively to a readiness probe.
    var isUp: Bool { kernel.clock - bornAt >= script.isUpAfter }
    var isLeader: Bool { id == group && !isDetached }
    var isSpoilt: Bool { script.trouble(startupTimeout: startupTimeout) != nil }
    var isRunning: Bool { life == .running }

    init(
        kernel: SimulatedKernel, id: Int32, group: Int32, launch: UInt64, parent: SimulatedProcess?, service: Int,
        script: ChildScript, pipes: [SimulatedPipe], startupTimeout: Duration
    ) {
        self.kernel = kernel
        self.id = id
        self.group = group
        self.launch = launch
        self.parent = parent
        self.service = service
        self.script = script
        self.pipes = pipes
        self.startupTimeout = startupTimeout
        bornAt = kernel.clock
        for pipe in pipes { pipe.writers += 1 }
    }

    // MARK: The script

    func begin(at address: SocketAddress) {
        self.address = address
        if let trouble = script.trouble(startupTimeout: startupTimeout) {
            kernel.troubles.begin(.script(trouble), of: service, process: id, at: kernel.clock)
        }
        if let delay = script.listensAfter { whileRunning(after: delay) { $0.openListener(at: address) } }
        if let flap = script.flap, let delay = script.listensAfter {
            whileRunning(after: delay + flap.listens) { $0.closeListener() }
            whileRunning(after: delay + flap.listens + flap.gap) {
                $0.hasSettled = true
                $0.openListener(at: address)
            }
        }
        if let delay = script.notifiesAfter { whileRunning(after: delay) { $0.say("STATUS=up\nREADY=1") } }
        if let (delay, text) = script.foreignMessage {
            kernel.scenario(after: delay) { [kernel, notifyName] in
                notifyName.flatMap { kernel.notifySockets[$0] }?.messages.append((text, 7))
            }
        }
        if let delay = script.exitsAfter { whileRunning(after: delay) { $0.end($0.script.exit) } }
        for output in script.output { whileRunning(after: output.after) { $0.pipes.first?.write(output.bytes) } }
        if let grandchild = script.grandchild {
            whileRunning(after: grandchild.bornAfter) { $0.fork(grandchild) }
        }
    }

    private func whileRunning(after delay: Duration, _ action: @escaping (SimulatedProcess) -> Void) {
        kernel.scenario(after: delay) { [weak self] in
            if let self, self.isRunning { action(self) }
        }
    }

    private func say(_ text: String) {
        notifyName.flatMap { kernel.notifySockets[$0] }?.messages.append((text, id))
    }

    private func openListener(at address: SocketAddress) {
        if let inherited {
            listener = inherited
            inherited.process = self
            for _ in inherited.queue { acceptLater() }
            return
        }
        guard kernel.listeners[address] == nil else {
            kernel.note(.addressInUse, of: service)
            pipes.last?.write(Array("address already in use\n".utf8))
            return end(.status(98))
        }
        let listener = SimulatedListener(address: address, limit: script.backlog)
        listener.process = self
        self.listener = listener
        kernel.listeners[address] = listener
    }

    private func fork(_ scenario: ChildScript.Grandchild) {
        var script = ChildScript(listensAfter: nil)
        script.ignoresTerminate = scenario.ignoresTerminate
        script.lingers = scenario.lingers
        let id = kernel.children.freeID(&kernel.dice)
        let grandchild = SimulatedProcess(
            kernel: kernel, id: id, group: scenario.isDetached ? id : group, launch: launch, parent: self,
            service: service,
            script: script, pipes: scenario.keepsPipes ? pipes : [], startupTimeout: startupTimeout)
        grandchild.isDetached = scenario.isDetached
        grandchild.address = address
        kernel.children.all.append(grandchild)
        if scenario.keepsPort { grandchild.inheritsListener(of: self) }
        if let duration = scenario.staysFor { grandchild.whileRunning(after: duration) { $0.end(.status(0)) } }
    }

    private weak var heir: SimulatedProcess?

    private func inheritsListener(of process: SimulatedProcess) { process.heir = self }

    // MARK: Serving

    /// Accepts the queued connections one after the other.
    func acceptLater() {
        guard script.accepts, hasSettled || script.flap?.serves ?? true else { return }
        whileRunning(after: kernel.drawLatency()) { process in
            guard let listener = process.listener, !listener.queue.isEmpty else { return }
            let socket = listener.queue.removeFirst()
            process.conversations.append(BackendConversation(process: process, socket: socket))
        }
    }

    /// Counts a whole request. Returns false when the process crashes at this one.
    func takesRequest() -> Bool {
        requests += 1
        guard requests == script.crashesAtRequest else { return true }
        end(.signal(11))
        return false
    }

    /// Counts an action. Returns false when the process crashes at this one.
    func takesAction() -> Bool {
        actions += 1
        guard actions == script.cable.crashesAtAction else { return true }
        end(.signal(11))
        return false
    }

    // MARK: The end

    func hear(_ signal: StopSignal) {
        guard isRunning else { return }
        switch signal {
        case .kill:
            heardTerminate = true
            guard !script.ignoresKill else { return }
            whileRunning(after: kernel.drawLatency()) { $0.end(.signal(9)) }
        case .terminate, .interrupt, .quit, .hangUp, .user1, .user2:
            heardTerminate = true
            for conversation in conversations { conversation.heardTerminate() }
            guard !script.ignoresTerminate else { return }
            if script.closesListenerAtOnce { closeListener() }
            whileRunning(after: script.lingers) { $0.end(.signal(signal.rawValue)) }
        }
    }

    private func closeListener() {
        guard let listener else { return }
        self.listener = nil
        guard !listener.isForChild else {
            listener.process = nil
            return
        }
        if let heir, heir.isRunning {
            heir.listener = listener
            listener.process = heir
            return
        }
        listener.close()
        kernel.listeners[listener.address] = nil
    }

    func end(_ exit: Exit) {
        guard isRunning else { return }
        life = .zombie(exit)
        kernel.troubles.ended(id, of: service, at: kernel.clock)
        kernel.trace.note("process ends", Int(id), at: kernel.clock)
        closeListener()
        for conversation in conversations { conversation.processEnded() }
        conversations = []
        for pipe in pipes { pipe.writers -= 1 }
        kernel.children.orphan(childrenOf: self, kernel)
        if let parent, parent.isRunning {
            kernel.children.remove(self)  // The simulated parent reaps at once.
        } else {
            parent = nil
            kernel.raise(.childChanged)
        }
    }
}
