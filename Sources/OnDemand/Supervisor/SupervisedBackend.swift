/// One backend as the supervisor sees it: its machine, its gate, and the process that is alive for it, if any.
final class SupervisedBackend {
    let id: BackendID
    let name: String
    let address: SocketAddress
    let command: LaunchCommand
    let gate: BackendGate
    var machine: BackendMachine
    var child: Child?
    var probe = Probe()
    var history = History()

    struct Child {
        let process: ProcessID
        let spawnedAt: Instant
        var output: OutputPipe
        var errors: OutputPipe
        /// Set once it was reaped; others of its group may live on.
        var exit: Exit?
        var lastSignal: StopSignal?
        /// What had been sent when it ended; nil when it ended by itself.
        var endedBy: StopSignal?
    }

    struct OutputPipe {
        /// nil once it ended.
        var descriptor: Descriptor?
        var lines = OutputLines()
    }

    /// A connection attempt, or the pause before the next one.
    struct Probe {
        enum Purpose { case checkAddress, readiness }
        var purpose: Purpose?
        var descriptor: Descriptor?
        /// Counts attempts, so that a late answer of an earlier one finds nobody.
        var attempt: UInt32 = 0
        /// Told once per start.
        var sawStranger = false
    }

    /// For people who ask later.
    struct History {
        var starts = 0
        var stateSince = Instant(nanoseconds: 0)
        var lastBoot: Duration?
        var boots = BootTimes()
        var lastExit: String?
        var lastFailure: String?
    }

    init(
        id: BackendID, name: String, address: SocketAddress, command: LaunchCommand, policy: BackendPolicy,
        gate: BackendGate
    ) {
        self.id = id
        self.name = name
        self.address = address
        self.command = command
        self.gate = gate
        machine = BackendMachine(policy: policy)
    }
}
