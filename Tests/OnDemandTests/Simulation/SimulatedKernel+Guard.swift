@testable import OnDemand

/// The guard process that kills the process trees when the daemon dies, as the daemon sees it: its commands and its
/// exit.
final class SimulatedGuard {
    let id: Int32
    /// By launch.
    var families: Set<UInt64> = []

    init(id: Int32) { self.id = id }
}

extension SimulatedKernel {
    func startGuard() throws(SystemError) -> (process: ProcessID, channel: Descriptor) {
        progressed()
        guard hasRoom, !fails("startGuard") else {
            throw SystemError(call: "socketpair", code: .tooManyFiles, subject: "for the guard")
        }
        if children.processGuard != nil { complain("a second guard is started") }
        let guardian = SimulatedGuard(id: children.freeID(&dice, isBackend: false))
        children.processGuard = guardian
        trace.note("guard", Int(guardian.id), at: clock)
        if let delay = guardDeaths.popLast() {
            scenario(after: delay) { [weak self, weak guardian] in
                if let guardian { self?.endGuard(guardian, .signal(9)) }
            }
        }
        return (ProcessID(number: guardian.id), insert(.guardChannel(guardian)))
    }

    func tellGuard(
        _ channel: Descriptor, of leader: ProcessID, steps: [(signal: StopSignal, timeout: Duration)]?
    ) -> Bool {
        guard case .guardChannel(let guardian) = file(channel, "tellGuard") else { return false }
        progressed()
        guard children.processGuard === guardian, !fails("tellGuard") else { return false }
        if steps == nil {
            guardian.families.remove(leader.launch)
        } else {
            guardian.families.insert(leader.launch)
        }
        return true
    }

    /// The daemon has closed its end, which means that it is dead: a real guard would kill its process trees now.
    func guardChannelClosed(_ guardian: SimulatedGuard) {
        for process in children.all where process.isRunning && guardian.families.contains(process.launch) {
            guard !isShuttingDown, children.processGuard === guardian else { break }
            complain("the guard was dropped while process \(process.id) lives")
            break
        }
        endGuard(guardian, .status(0))
    }

    private func endGuard(_ guardian: SimulatedGuard, _ exit: Exit) {
        guard children.processGuard === guardian else { return }
        children.processGuard = nil
        children.endedGuards.append((guardian.id, exit))
        raise(.childChanged)
    }

    /// At rest, each live process tree is known to a live guard, and no guard exists without a process tree.
    func judgeGuard() {
        let living = Set(children.all.filter(\.isRunning).map(\.launch))
        let told = children.processGuard?.families ?? []
        if failedVerb == nil, !living.isSubset(of: told) { complain("a backend is alive that no guard was told of") }
        if living.isEmpty, children.processGuard != nil { complain("a guard exists although no process is alive") }
    }
}
