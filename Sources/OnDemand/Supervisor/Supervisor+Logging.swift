/// Log lines and history entries for the state changes of a backend.
extension Supervisor {
    func note(_ event: BackendMachine.Event, from before: BackendState, of backend: SupervisedBackend) {
        logFailure(event, before, backend)
        switch event {
        case .spawned: logStarted(backend)
        case .treeGone: logStopped(backend)
        case .gateClosed: log(.idle, service(backend), generation(backend))
        case .wanted, .wantedIfAwake, .abandoned, .listenerMissing, .startRequested, .dependenciesReady,
            .dependencyRefused, .dependenciesChanged, .addressFree, .addressTaken, .spawnFailed, .probeSucceeded,
            .lastLeaseReturned, .gateBusy, .clientDataSeen, .tunnelsDrained, .timerFired, .exited, .command,
            .shutdownRequested, .shutdownForced:
            break
        }
        noteOverdueStop(backend)
        recordState(of: backend)
        let after = backend.machine.state.name
        guard after != before else { return }
        if before == .starting { reactor.disarm(.startupSlow(backend.id)) }
        backend.history.stateSince = kernel.now()
        if before == .awake, after == .starting { noteLostListener(backend) } else { recordWake(of: backend) }
        if after == .awake { logReady(backend) }
        if after == .awake || after == .stopping, let child = backend.child { trees.changed(child.process) }
        if case .stopping(let stop) = backend.machine.state { backend.history.stopCause = stop.cause }
        if after == .stopping, let child = backend.child, child.exit == nil {
            backend.history.memory.recordResidentBytes(kernel.residentBytes(of: child.process))
            log(.stopping, service(backend), generation(backend), LogField("pid", child.process.number))
        }
        if case .backoff(let rest) = backend.machine.state {
            let left = (rest.until - kernel.now()).wholeMilliseconds
            log(.backoff, service(backend), LogField("reason", rest.reason), LogField("backoff_ms", left))
        }
        replies.post(.stateChanged(backend.id))
    }

    /// The clock is read only after a change.
    func recordState(of backend: SupervisedBackend) {
        let state = backend.publicState
        guard backend.history.day.intervals.last?.state != state else { return }
        backend.history.day.entered(state, at: kernel.wallClock().seconds)
    }

    /// Records the cause of a start that may follow.
    func recordStartCause(of cause: WakeCause, by visitor: ClientInfo? = nil, for backend: SupervisedBackend) {
        let wake = SupervisedBackend.Wake(cause: cause, visitor: visitor, at: kernel.now())
        switch backend.machine.state {
        case .asleep, .stopping: backend.history.nextWake = backend.history.nextWake ?? wake
        case .backoff where cause == .operator: backend.history.nextWake = wake  // Other causes do not end a backoff.
        case .backoff(let rest) where rest.queues(at: wake.at):
            backend.history.nextWake = backend.history.nextWake ?? wake
        case .starting, .awake, .backoff, .shuttingDown: break
        }
    }

    /// Records the cause of the start. A start without a recorded cause is always-on or pinned.
    private func recordWake(of backend: SupervisedBackend) {
        if case .starting = backend.machine.state {
            let itself: WakeCause = backend.machine.standing == .pinned ? .operator : .alwaysOn
            let wake = backend.history.nextWake ?? .init(cause: itself, visitor: nil, at: kernel.now())
            backend.history.wakes[wake.cause] += 1
            backend.history.lastWake = wake
        }
        // A cause counts for the start that it led to.
        if backend.machine.state.name != .stopping, backend.machine.queueLength == 0 || backend.isStarting {
            backend.history.nextWake = nil
        }
    }

    /// Logs a denied signal once per generation. A stop may send many.
    func noteRefusedSignal(_ signal: StopSignal, _ code: Errno, _ backend: SupervisedBackend) {
        guard let child = backend.child, !child.refusesSignals else { return }
        backend.child?.refusesSignals = true
        log(
            .signalRefused, service(backend), generation(backend), LogField("pid", child.process.number),
            LogField("signal", signal.name), LogField("detail", "\(code)"))
    }

    /// Updates the remaining processes of an overdue stop at each retry, and logs them once.
    private func noteOverdueStop(_ backend: SupervisedBackend) {
        guard backend.machine.isStopOverdue, let child = backend.child else { return }
        let remaining = kernel.members(ofTreeOf: child.process, atMost: Limits.namedProcesses)
        backend.child?.remaining = remaining
        guard child.remaining == nil else { return }
        log(
            .stopTimedOut, service(backend), generation(backend),
            LogField("remaining", remaining.map(\.shown).joined(separator: ", ")))
        replies.post(.stateChanged(backend.id))
    }

    private func service(_ backend: SupervisedBackend) -> LogField { LogField("service", backend.name) }

    private func generation(_ backend: SupervisedBackend) -> LogField {
        LogField("generation", backend.machine.generation.number)
    }

    private func logStarted(_ backend: SupervisedBackend) {
        guard let child = backend.child else { return }
        if let slow = backend.history.startups.slowAfter {
            reactor.arm(.startupSlow(backend.id), at: kernel.now() + slow)
        }
        log(
            .started, service(backend), generation(backend), LogField("pid", child.process.number),
            LogField("command", backend.launchCommand.shown))
    }

    func logSlowStartup(_ id: BackendID) {
        guard let backend = backends[id], let child = backend.child else { return }
        let elapsed = kernel.now() - child.spawnedAt
        log(
            .startupSlow, service(backend), generation(backend), LogField("so_far_ms", elapsed.wholeMilliseconds),
            LogField("median_ms", backend.history.startups.median?.wholeMilliseconds ?? 0))
    }

    private func noteLostListener(_ backend: SupervisedBackend) {
        guard let child = backend.child else { return }
        log(.listenerLost, service(backend), generation(backend), LogField("pid", child.process.number))
    }

    private func logReady(_ backend: SupervisedBackend) {
        guard let child = backend.child else { return }
        let startup = kernel.now() - (child.lostListenerAt ?? child.spawnedAt)
        if child.readyAt == nil {
            backend.child?.readyAt = kernel.now()
            backend.history.lastStartup = startup
            backend.history.startups.record(startup)
            backend.history.startupHistogram.record(startup)
        }
        backend.history.lastFailure = nil
        log(
            .ready, service(backend), generation(backend), LogField("pid", child.process.number),
            LogField("startup_ms", startup.wholeMilliseconds))
    }

    private func logStopped(_ backend: SupervisedBackend) {
        // A later effect clears the child.
        guard let child = backend.child, let exit = child.exit else { return }
        backend.history.lastExit = exit.description
        backend.history.lastExitCause = backend.history.stopCause?.word
        let uptime = kernel.now() - child.spawnedAt
        log(
            .stopped, service(backend), generation(backend), LogField("pid", child.process.number),
            LogField("exit", exit.word), LogField("how", child.endedBy?.name ?? "exited"),
            LogField("uptime_ms", uptime.wholeMilliseconds))
    }

    private func logFailure(_ event: BackendMachine.Event, _ before: BackendState, _ backend: SupervisedBackend) {
        switch event {
        case .addressTaken:
            logAddressConflict(backend)
            let what = backend.probe.lastResult ?? "another process accepts connections"
            failed(backend, .addressTaken, detail: "\(what) on \(addressText(backend))")
        case .dependencyRefused(let name, let refusal, _):
            guard before == .starting else { break }
            let refusal = Refusal.dependencyFailed(name, refusal)
            failed(backend, refusal, detail: refusal.sentence)
        case .spawnFailed(let error):
            failed(backend, .spawnFailed(error), detail: error.description + hint(about: error, backend))
        case .timerFired(.startup):
            let limit = backend.machine.policy.startupTimeout
            let why = backend.probe.lastResult.map { "; last probe: \($0)" }
            failed(
                backend, .startTimedOut(after: limit),
                detail: "did not \(backend.machine.policy.readiness.requirement(at: backend.address?.description))"
                    + " within \(limit.shortText)\(why ?? "")" + listenerHint(backend))
        case .exited(let exit): logExit(exit, before, backend)
        case .wanted, .wantedIfAwake, .abandoned, .listenerMissing, .startRequested, .dependenciesReady,
            .dependenciesChanged, .addressFree, .spawned, .probeSucceeded, .lastLeaseReturned, .gateClosed, .gateBusy,
            .clientDataSeen, .tunnelsDrained, .timerFired, .treeGone, .command, .shutdownRequested, .shutdownForced:
            break
        }
    }

    private func logExit(_ exit: Exit, _ before: BackendState, _ backend: SupervisedBackend) {
        switch before {
        case .starting where backend.child?.readyAt == nil:
            failed(
                backend, .exitedEarly(exit),
                detail: "ended with \(exit) before it accepted connections" + scriptHint(exit, backend)
                    + timeWaitHint(backend))
        case .awake where exit == .status(0) && !backend.machine.policy.restarts:
            break  // The process has finished its work. The `stopped` line reports it.
        case .awake, .starting:
            let report = report(of: backend, detail: "ended unexpectedly with \(exit)")
            backend.history.crashes += 1
            log.record(
                .crashed,
                [
                    service(backend), generation(backend), LogField("exit", exit.word),
                    LogField("open", backend.gate.leases),
                ] + evidence(report))
        case .asleep, .stopping, .backoff, .disabled, .unmanaged, .shuttingDown:
            break  // It was asked to end.
        }
    }

    /// Returns a hint why a command could not be executed. Empty: no hint.
    private func hint(about error: SystemError, _ backend: SupervisedBackend) -> String {
        guard error.code == .noSuchFile else { return "" }
        let hint =
            if error.call == "execve" {
                kernel.beginning(ofProgramOf: backend.command, atMost: Limits.scriptLineBytes)
                    .flatMap(LaunchHint.ofFile)
            } else {
                LaunchHint.ofCommand(backend.command.command)
            }
        return hint.map { ": \($0)" } ?? ""
    }

    /// What shells and env(1) exit with where they cannot run a command (POSIX, 2.8.2), and what else a file or its
    /// arguments show.
    private func scriptHint(_ exit: Exit, _ backend: SupervisedBackend) -> String {
        let isUnrunnable = exit == .status(126) || exit == .status(127)
        let script =
            isUnrunnable ? kernel.beginning(ofProgramOf: backend.command, atMost: Limits.scriptLineBytes) : nil
        let hint = script.flatMap(LaunchHint.ofScript) ?? LaunchHint.ofArguments(backend.command.arguments)
        return hint.map { "; \($0)" } ?? ""
    }

    /// It does listen, only elsewhere.
    private func listenerHint(_ backend: SupervisedBackend) -> String {
        guard let child = backend.child, let address = backend.address else { return "" }
        let places = kernel.listeningAddresses(ofTreeOf: child.process, atMost: Limits.namedProcesses)
            .filter { $0 != address }
        guard !places.isEmpty else { return "" }
        return "; it listens on \(places.map(\.description).joined(separator: ", ")), the target is \(address)"
    }

    private func timeWaitHint(_ backend: SupervisedBackend) -> String {
        guard let address = backend.address, address.port != nil,
            backend.tail.recentOutput.contains(where: { line in
                line.lowercased().pieces(between: "address already in use").count > 1
            }),
            kernel.listenerOwner(at: address) == nil, kernel.hasTimeWait(at: address)
        else { return "" }
        return "; no process listens at \(address), but earlier connections to it are in TIME_WAIT for up to 60 s: the"
            + " server must set SO_REUSEADDR"
    }

    private func failed(_ backend: SupervisedBackend, _ refusal: Refusal, detail: String) {
        let report = report(of: backend, detail: detail)
        backend.history.failedStarts[refusal.reason] += 1
        log.record(
            .startFailed,
            [service(backend), LogField("reason", refusal.word), LogField("detail", detail)] + evidence(report))
    }

    /// Creates the failure report and stores it for the status. Output of an earlier process is left out.
    private func report(of backend: SupervisedBackend, detail: String) -> FailureReport {
        let report = FailureReport(
            detail: detail, command: backend.launchCommand.shown, directory: backend.command.workingDirectory,
            exit: backend.child?.exit?.description, output: backend.child == nil ? [] : backend.tail.recentOutput)
        backend.history.lastFailure = report
        return report
    }

    private func evidence(_ report: FailureReport) -> [LogField] {
        let output = report.output.isEmpty ? [] : [LogField("output", report.output.joined(separator: "\n"))]
        return [LogField("command", report.command), LogField("directory", report.directory)] + output
    }

    private func addressText(_ backend: SupervisedBackend) -> String { backend.address?.description ?? "no address" }

    /// Logs a foreign listener once per start.
    func logAddressConflict(_ backend: SupervisedBackend) {
        if backend.probe.noteConflict() { recordAddressConflict(backend) }
    }

    func recordAddressConflict(_ backend: SupervisedBackend) {
        let owner = backend.address.flatMap { kernel.listenerOwner(at: $0) }
        log.record(
            .addressConflict,
            [service(backend), LogField("address", addressText(backend))]
                + (owner.map { [LogField("pid", $0.process.number), LogField("process", $0.name)] } ?? []))
    }

    /// Logs READY=1 from a foreign process once per start, so that it cannot flood the log.
    func logForeignNotification(from sender: ProcessID?, of backend: SupervisedBackend) {
        guard backend.probe.noteConflict() else { return }
        let description = sender.map { kernel.description(of: $0) }
        log.record(
            .addressConflict,
            [service(backend), LogField("address", "NOTIFY_SOCKET")]
                + (description.map { [LogField("pid", $0.process.number), LogField("process", $0.name)] } ?? []))
    }
}
