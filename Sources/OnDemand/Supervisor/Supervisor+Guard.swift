/// The process that kills the process trees if the daemon dies. It runs while any backend has a process, knows every
/// tree, and is replaced after an unexpected exit. Its own side: Kernel/FamilyGuard.swift.
///
/// The channel is closed only after every tree was reported as ended: to the guard its end means that the daemon died.
struct FamilyGuardState {
    enum Phase: Equatable {
        case none
        case running(ProcessID, channel: Descriptor, since: Instant)
        /// Released and not yet exited.
        case leaving(ProcessID)
    }

    var phase = Phase.none
    /// A failure was logged. The next one is logged only after a guard has run.
    var hasComplained = false

    var process: ProcessID? {
        switch phase {
        case .none: nil
        case .running(let process, _, _), .leaving(let process): process
        }
    }
}

extension Supervisor {
    /// Schedules a message to the guard after a start or a change of the tree. The `guardDelay` keeps it off the path
    /// of a client.
    func noteForGuard(_ backend: SupervisedBackend) {
        guard backend.child != nil else { return }
        backend.child?.isNewsForGuard = true
        armGuard(after: Limits.guardDelay)
    }

    func tellGuardOfEnd(_ backend: SupervisedBackend) {
        guard let child = backend.child else { return }
        if case .running(_, let channel, _) = familyGuard.phase,
            !kernel.tellGuard(channel, of: child.process, steps: nil)
        {
            // The guard only kills processes that still exist.
            armGuard(after: Limits.guardPause)
        }
        let isLast = !inOrder.contains { $0 !== backend && $0.child != nil }
        if isLast { reactor.arm(.familyGuard, at: kernel.now()) }
    }

    private func armGuard(after delay: Duration) {
        guard !reactor.isArmed(.familyGuard) else { return }
        reactor.arm(.familyGuard, at: kernel.now() + delay)
    }

    /// Starts, informs or releases the guard.
    func settleGuard() {
        let families = inOrder.filter { $0.child != nil }
        switch familyGuard.phase {
        case .none where !families.isEmpty: startGuard()
        case .none, .leaving: return
        case .running where families.isEmpty: letGuardGo()
        case .running(_, let channel, _):
            for backend in families where backend.child?.isNewsForGuard == true {
                guard tellGuard(channel, of: backend) else { return armGuard(after: Limits.guardPause) }
            }
        }
    }

    /// Releases the guard if no process tree is left.
    func letGuardGo() {
        guard case .running(let process, let channel, _) = familyGuard.phase,
            !inOrder.contains(where: { $0.child != nil })
        else { return }
        kernel.close(channel)
        familyGuard.phase = .leaving(process)
    }

    private func startGuard() {
        do throws(SystemError) {
            let (process, channel) = try kernel.startGuard()
            familyGuard.phase = .running(process, channel: channel, since: kernel.now())
            familyGuard.hasComplained = false
            for backend in inOrder where backend.child != nil { backend.child?.isNewsForGuard = true }
            settleGuard()
        } catch {
            if !familyGuard.hasComplained { log(.guardFailed, LogField("detail", error.description)) }
            familyGuard.hasComplained = true
            armGuard(after: Limits.guardPause)
        }
    }

    private func tellGuard(_ channel: Descriptor, of backend: SupervisedBackend) -> Bool {
        guard let process = backend.child?.process else { return true }
        let steps = backend.machine.policy.stopPlan.steps.map { (signal: $0.signal, timeout: $0.timeout) }
        guard kernel.tellGuard(channel, of: process, steps: steps) else { return false }
        backend.child?.isNewsForGuard = false
        return true
    }

    /// Handles the exit of the guard.
    func guardEnded(_ exit: Exit) {
        defer { if inOrder.contains(where: { $0.child != nil }) { armGuard(after: Limits.guardDelay) } }
        guard case .running(let process, let channel, let since) = familyGuard.phase else {
            familyGuard.phase = .none
            return
        }
        familyGuard.phase = .none
        kernel.close(channel)
        log(.guardFailed, LogField("pid", process.number), LogField("exit", exit.word))
        // A guard that exits at once is restarted after a pause.
        if kernel.now() - since < Limits.guardPause { armGuard(after: Limits.guardPause) }
    }
}
