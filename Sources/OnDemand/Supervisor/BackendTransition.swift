/// One event of a backend's machine with the states before and after it, as a value: the log lines and the failure that
/// follow from it.
struct BackendTransition {
    struct Line: Equatable {
        let event: LogEvent
        let fields: [LogField]
    }

    let event: BackendMachine.Event
    let before: BackendState
    /// The machine after the event.
    let machine: BackendMachine
    /// The service or process.
    let name: String
    /// The address of this start.
    let address: SocketAddress?
    /// The command as it is configured, and the port that this start was told.
    let launch: LaunchCommand
    let port: UInt16?
    let child: SupervisedBackend.Child?
    /// Leases on this generation.
    let openLeases: Int
    /// Why the last probe failed. nil: no result yet.
    let lastProbe: String?
    let now: Instant

    var after: BackendState { machine.state.name }
    /// The command line of this start.
    var command: String { (port.map(launch.told) ?? launch).shown }
    var changesState: Bool { after != before }

    private var service: LogField { LogField("service", name) }
    private var generation: LogField { LogField("generation", machine.generation.number) }

    /// Time from the start, or from the loss of the listener, until now.
    var startup: Duration? { child.map { now - ($0.lostListenerAt ?? $0.spawnedAt) } }

    // MARK: Lines

    /// The line of the event itself.
    var eventLine: Line? {
        switch event {
        case .spawned:
            guard let child else { return nil }
            return line(event: .started, LogField("pid", child.process.number), LogField("command", command))
        case .treeGone:
            guard let child, let exit = child.exit else { return nil }
            return line(
                event: .stopped, LogField("pid", child.process.number), LogField("exit", exit.word),
                LogField("how", child.endedBy?.name ?? "exited"),
                LogField("uptime_ms", (now - child.spawnedAt).wholeMilliseconds))
        case .gateClosed: return line(event: .idle)
        case .wanted, .wantedIfAwake, .abandoned, .listenerMissing, .startRequested, .dependenciesReady,
            .dependencyRefused, .dependenciesChanged, .addressFree, .addressTaken, .spawnFailed, .probeSucceeded,
            .lastLeaseReturned, .gateBusy, .clientDataSeen, .tunnelsDrained, .timerFired, .exited, .operation,
            .shutdownRequested, .shutdownForced:
            return nil
        }
    }

    /// The line of the new state.
    var stateLine: Line? {
        guard changesState else { return nil }
        switch machine.state {
        case .starting:
            guard before == .awake, let child else { return nil }
            return line(event: .listenerLost, LogField("pid", child.process.number))
        case .awake:
            guard let child, let startup else { return nil }
            return line(
                event: .ready, LogField("pid", child.process.number), LogField("startup_ms", startup.wholeMilliseconds))
        case .stopping:
            guard let child, child.exit == nil else { return nil }
            return line(event: .stopping, LogField("pid", child.process.number))
        case .backoff(let rest):
            let left = LogField("backoff_ms", (rest.until - now).wholeMilliseconds)
            return Line(event: .backoff, fields: [service, LogField("reason", rest.reason), left])
        case .asleep, .shuttingDown: return nil
        }
    }

    private func line(event: LogEvent, _ fields: LogField...) -> Line {
        Line(event: event, fields: [service, generation] + fields)
    }

    /// The line of a failure, with the evidence of its report.
    func line(of failure: BackendFailure, _ report: FailureReport) -> Line {
        let output = report.output.isEmpty ? [] : [LogField("output", report.output.joined(separator: "\n"))]
        let evidence = [LogField("command", report.command), LogField("directory", report.directory)] + output
        switch failure.kind {
        case .start(let refusal):
            let fields = [service, LogField("reason", refusal.word), LogField("detail", report.detail)]
            return Line(event: .startFailed, fields: fields + evidence)
        case .crash(let exit):
            let fields = [service, generation, LogField("exit", exit.word), LogField("open", openLeases)]
            return Line(event: .crashed, fields: fields + evidence)
        }
    }

    // MARK: The failure

    /// nil: the event is no failure.
    var failure: BackendFailure? {
        switch event {
        case .addressTaken:
            let what = lastProbe ?? "another process accepts connections"
            return BackendFailure(.start(.addressTaken), "\(what) on \(address?.description ?? "no address")")
        case .dependencyRefused(let name, let refusal, _):
            guard before == .starting else { return nil }
            let refusal = Refusal.dependencyFailed(name, refusal)
            return BackendFailure(.start(refusal), refusal.sentence)
        case .spawnFailed(let error):
            return BackendFailure(.start(.spawnFailed(error)), error.description, .spawn(error))
        case .timerFired(.startup):
            let limit = machine.policy.startupTimeout
            let why = lastProbe.map { "; last probe: \($0)" } ?? ""
            return BackendFailure(
                .start(.startTimedOut(after: limit)),
                "did not \(machine.policy.readiness.requirement(at: address?.description))"
                    + " within \(limit.shortText)\(why)",
                .listener)
        case .exited(let exit): return failure(of: exit)
        case .wanted, .wantedIfAwake, .abandoned, .listenerMissing, .startRequested, .dependenciesReady,
            .dependenciesChanged, .addressFree, .spawned, .probeSucceeded, .lastLeaseReturned, .gateClosed, .gateBusy,
            .clientDataSeen, .tunnelsDrained, .timerFired, .treeGone, .operation, .shutdownRequested, .shutdownForced:
            return nil
        }
    }

    private func failure(of exit: Exit) -> BackendFailure? {
        switch before {
        case .starting where child?.readyAt == nil:
            return BackendFailure(
                .start(.exitedEarly(exit)), "ended with \(exit) before it accepted connections", .exit(exit))
        // The process has finished its work. The `stopped` line reports it.
        case .awake where exit == .status(0) && !machine.policy.restarts: return nil
        case .awake, .starting: return BackendFailure(.crash(exit), "ended unexpectedly with \(exit)")
        // It was asked to end.
        case .asleep, .stopping, .backoff, .disabled, .unmanaged, .shuttingDown: return nil
        }
    }
}

/// Why a start or a process of a backend has failed.
struct BackendFailure: Equatable {
    enum Kind: Equatable {
        case start(Refusal)
        case crash(Exit)
    }

    /// What the system may show about the cause.
    enum Question: Equatable {
        case spawn(SystemError)
        case exit(Exit)
        /// It does not listen at its address.
        case listener
    }

    let kind: Kind
    /// Without the name of the backend.
    let detail: String
    /// nil: the detail says everything.
    let question: Question?

    init(_ kind: Kind, _ detail: String, _ question: Question? = nil) {
        (self.kind, self.detail, self.question) = (kind, detail, question)
    }
}

extension BackendMachine.State {
    /// The state without its data.
    var name: BackendState {
        switch self {
        case .asleep: .asleep
        case .starting: .starting
        case .awake: .awake
        case .stopping: .stopping
        case .backoff: .backoff
        case .shuttingDown: .shuttingDown
        }
    }
}

extension BackendMachine.StopCause {
    /// For the status.
    var word: String {
        switch self {
        case .idle: "idle"
        case .operation: "command"
        case .shutdown: "shutdown"
        case .failure: "failure"
        }
    }
}
