/// The guard of the families: started with the first backend, let go with the last, told of each family, and replaced
/// when it ends on its own. What it does when the daemon dies: Kernel/FamilyGuard.swift.
///
/// The channel is closed only once every family was told to have ended: its end means that the daemon is dead.
struct FamilyGuardState {
    enum Phase: Equatable {
        case none
        case running(ProcessID, channel: Descriptor, since: Instant)
        /// It was let go and has not ended yet.
        case leaving(ProcessID)
    }

    var phase = Phase.none
    /// A failure was logged, and none is again before a guard has run.
    var hasComplained = false

    var process: ProcessID? {
        switch phase {
        case .none: nil
        case .running(let process, _, _), .leaving(let process): process
        }
    }
}

extension Supervisor {
    /// It was started, or more of its processes may be known by now. The guard is started or told `guardDelay` later,
    /// so that no client waits for that.
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
            // It ends what it believes to be there only when the daemon dies, and finds nothing then.
            armGuard(after: Limits.guardPause)
        }
        let isLast = !inOrder.contains { $0 !== backend && $0.child != nil }
        if isLast { reactor.arm(.familyGuard, at: kernel.now()) }
    }

    private func armGuard(after delay: Duration) {
        guard !reactor.isArmed(.familyGuard) else { return }
        reactor.arm(.familyGuard, at: kernel.now() + delay)
    }

    /// Starts it, tells it what is new, or lets it go.
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

    /// Unless there is something left for it to end when this process does.
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
        let steps = backend.machine.policy.stopPlan.steps.map { (signal: $0.signal, patience: $0.patience) }
        guard kernel.tellGuard(channel, of: process, steps: steps) else { return false }
        backend.child?.isNewsForGuard = false
        return true
    }

    /// It was let go, or something has ended it.
    func guardEnded(_ exit: Exit) {
        defer { if inOrder.contains(where: { $0.child != nil }) { armGuard(after: Limits.guardDelay) } }
        guard case .running(let process, let channel, let since) = familyGuard.phase else {
            familyGuard.phase = .none
            return
        }
        familyGuard.phase = .none
        kernel.close(channel)
        log(.guardFailed, LogField("pid", process.number), LogField("exit", exit.word))
        // One that cannot live is not started again and again.
        if kernel.now() - since < Limits.guardPause { armGuard(after: Limits.guardPause) }
    }
}
