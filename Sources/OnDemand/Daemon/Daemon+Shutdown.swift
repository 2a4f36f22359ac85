/// The shutdown: signals, the drain, the stop of all backends, and the end.
extension Daemon {
    func takeSignals() {
        while let signal = kernel.nextSignal(from: signals) {
            switch signal {
            case .childChanged:
                supervisor.reapChildren()
                // The guard may have been the last child.
                if supervisor.isAllAsleep { trimMemory() }
            case .terminate, .interrupt: shutDown()
            case .hangUp:
                if reload() == .tooLate { log(.signalIgnored, LogField("signal", "HUP")) }
            case .reopenLog: reopenLog()
            }
        }
    }

    var isRunning: Bool { shutdownPhase == .running }

    /// The first signal starts the drain. The second does not wait for clients or for steps of stop plans. The third
    /// exits at once.
    private func shutDown() {
        switch shutdownPhase {
        case .running:
            shutdownPhase = .draining
            log(.shuttingDown, LogField("open", proxy.connectionCount + cableServer.sessions.count))
            manager.stopping()
            proxy.drain(over: configuration.closeJitter)
            cableServer.drain(over: configuration.closeJitter)
            reactor.arm(TimerKey(DaemonTimer.shutdown), at: kernel.now() + configuration.drainTimeout)
        case .draining:
            stopBackends()
            forceShutdown()
        case .stopping where !isForcingShutdown:
            forceShutdown()
        case .stopping:
            supervisor.killAll()
            finish()
        }
    }

    private func forceShutdown() {
        isForcingShutdown = true
        log(.forcedShutdown)
        supervisor.forceShutdown()
    }

    private func stopBackends() {
        shutdownPhase = .stopping
        proxy.closeEverything()
        cableServer.closeEverything()
        supervisor.shutDown()
        reactor.arm(
            TimerKey(DaemonTimer.shutdown),
            at: kernel.now() + max(configuration.longestStop, supervisor.longestStop) + Limits.shutdownGrace)
    }

    func shutdownTimerFired() {
        guard shutdownPhase == .stopping else { return stopBackends() }
        guard !isKilling else { return finish() }
        // The time is over, possibly at once after a jump of the clock. Killed processes are still reaped.
        isKilling = true
        supervisor.killAll()
        reactor.arm(TimerKey(DaemonTimer.shutdown), at: kernel.now() + Limits.killGrace)
    }

    /// Inlined because it runs for every message.
    @inline(__always)
    func advanceShutdown() {
        if shutdownPhase == .draining, proxy.isDrained, cableServer.isDrained { stopBackends() }
        supervisor.proceedWithShutdown()
        if shutdownPhase == .stopping, supervisor.isShutDown, proxy.workerConnectionCount == 0 { finish() }
    }

    func finish() {
        guard !hasExited else { return }
        hasExited = true
        proxy.closeEverything()
        cableServer.closeEverything()
        proxy.sendToWorkers(.end)
        saveHistory()
        supervisor.closeSockets()
        supervisor.letGuardGo()
        proxy.closeListeners()
        supervisor.finishOutput()
        log(.exited)
        log.flush()
        logOutput.close()
    }
}
