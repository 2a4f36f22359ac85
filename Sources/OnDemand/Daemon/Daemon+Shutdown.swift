/// The shutdown: signals, the drain, the stop of all backends, and the end.
extension Daemon {
    func takeSignals() {
        while let signal = kernel.nextSignal(from: signals) {
            switch signal {
            case .childChanged:
                supervisor.reapChildren()
                // The guard may have been the last child.
                trimIfAsleep()
            case .terminate, .interrupt: apply(.signal)
            case .hangUp: requestReload()
            case .reopenLog: logOutput.reopen()
            }
        }
    }

    var isRunning: Bool { shutdown.isRunning }
    var hasExited: Bool { shutdown.hasExited }

    func shutdownTimerFired() { apply(.timeReached) }

    func proceedWithShutdown() {
        if shutdown.state == .draining { advanceDrain() }
        supervisor.proceedWithShutdown()
        if supervisor.isShutDown, supervisor.runner.isIdle, proxy.workers.connectionCount == 0 { apply(.stopped) }
    }

    private func apply(_ event: ShutdownMachine.Event) {
        for effect in shutdown.apply(event) {
            switch effect {
            case .drain: drain()
            case .stop:
                supervisor.runner.killAll()
                proxy.closeEverything()
                cableServer.closeEverything()
                supervisor.shutDown()
            case .force:
                log(.forcedShutdown)
                supervisor.forceShutdown()
            case .killAll:
                supervisor.killAll()
                supervisor.runner.killAll()
            case .finish: finish()
            case .arm(let limit): reactor.arm(TimerKey(DaemonTimer.shutdown), at: kernel.now() + time(of: limit))
            }
        }
    }

    private func time(of limit: ShutdownMachine.Limit) -> Duration {
        switch limit {
        case .drain: configuration.drainTimeout
        case .stop: max(configuration.longestStop, supervisor.longestStop) + Limits.shutdownGrace
        case .kill: Limits.killGrace
        }
    }

    private func drain() {
        log(.shuttingDown, LogField("open", proxy.connectionCount + cableServer.sessions.count))
        drainEnd = kernel.now() + configuration.drainTimeout
        manager.stopping()
        proxy.drain(over: configuration.closeJitter)
        // Cables follow at the end of this turn: a run that has ended may just have posted its last messages.
        stopRuns()
    }

    private func advanceDrain() {
        drainCables()
        if supervisor.runner.isIdle, proxy.isDrained, cableServer.isDrained { apply(.drained) }
    }

    /// Runs end within the drain time, and early enough for their last messages.
    private func stopRuns() { supervisor.runner.shutDown(killAt: drainEnd + (.zero - runKillLead)) }

    private var runKillLead: Duration { min(Limits.runKillLead, configuration.drainTimeout / 4) }

    /// Disconnects the clients of the cables that no run has messages for any more. Undelivered messages have the first
    /// half of the time behind the end of all runs, and the clients' close frames the second one.
    private func drainCables() {
        for cable in cableServer.cables.all.map(\.cable) {
            guard !cable.isDraining, !supervisor.runner.uses(cable: cable.name) else { continue }
            let bound = drainEnd + (.zero - runKillLead / 2)
            cableServer.cables.drain(cable.id, over: configuration.closeJitter, waitingUntil: bound)
        }
    }

    private func finish() {
        proxy.closeEverything()
        cableServer.closeEverything()
        proxy.workers.send(.end)
        saveHistory()
        supervisor.closeSockets()
        supervisor.trees.letGuardGo()
        proxy.listeners.closeAll()
        supervisor.finishOutput()
        log(.exited)
        logOutput.close()
    }
}
