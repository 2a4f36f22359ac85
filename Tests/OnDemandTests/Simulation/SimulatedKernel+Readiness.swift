@testable import OnDemand

/// Readiness as in epoll(7): an edge queues a descriptor, and a wait reports its state at that time.
extension SimulatedKernel {
    func watch(_ descriptor: Descriptor, for interest: Interest, as token: Token) throws(SystemError) {
        try (first ?? self).watch(descriptor, for: interest, as: token, from: view)
    }

    private func watch(
        _ descriptor: Descriptor, for interest: Interest, as token: Token, from view: Int
    ) throws(SystemError) {
        guard file(descriptor, "watch") != nil else { return }
        if watches[descriptor.raw] != nil { complain("descriptor \(descriptor.raw) is watched twice") }
        guard !fails("watch"), !dice.chance(faults.failingWatches) else {
            noteExhaustion(token)
            throw SystemError(call: "epoll_ctl", code: failure(.outOfMemory), subject: "descriptor \(descriptor.raw)")
        }
        progressed()
        trace.note("watch", Int(descriptor.raw), Int(truncatingIfNeeded: token.rawValue), at: clock)
        watches[descriptor.raw] = Watch(token: token, interest: interest, view: view)
        switch interest {
        case .readable: levels.append(descriptor.raw)
        case .edges: if !readiness(of: descriptor.raw).isEmpty { ready.append(descriptor.raw) }
        }
    }

    func unwatch(_ descriptor: Descriptor) {
        if first != nil { preconditionFailure("what a further thread watches it keeps") }
        guard file(descriptor, "unwatch") != nil else { return }
        guard watches[descriptor.raw]?.view == view else {
            return complain("descriptor \(descriptor.raw) is unwatched and was not watched")
        }
        progressed()
        forget(descriptor.raw)
    }

    /// A socket without events of this service may cause a refusal.
    private func noteExhaustion(_ token: Token) {
        noteOfAll(.exhaustion)
    }

    func forget(_ raw: Int32) {
        if let watch = watches.removeValue(forKey: raw) { seen(from: watch.view).lastClosedToken = watch.token }
        ready.removeAll { $0 == raw }
        levels.removeAll { $0 == raw }
    }

    /// Reports a change of the daemon's socket.
    func edge(on socket: SimulatedSocket) {
        guard let raw = socket.descriptor, watches[raw]?.interest == .edges, !ready.contains(raw) else { return }
        ready.append(raw)
    }

    func readiness(of raw: Int32) -> Readiness {
        switch files[raw] {
        case .socket(let socket): socket.readiness
        case .listener(let listener):
            listener.isShutDown ? [.readable, .broken] : listener.queue.isEmpty ? [] : .readable
        case .pipe(let pipe): pipe.readiness
        case .notify(let socket): socket.messages.isEmpty ? [] : .readable
        case .signals: pendingSignals.isEmpty ? [] : .readable
        case .wakeup(let wakeup): wakeup.hasRung ? .readable : []
        case .logFile, .guardChannel, nil: []
        }
    }

    func collectEvents(for viewer: SimulatedKernel) {
        viewer.events.removeAll(keepingCapacity: true)
        collectEdges(for: viewer)
        for raw in levels {
            let state = readiness(of: raw)
            guard !state.isEmpty, let watch = watches[raw], watch.view == viewer.view else { continue }
            if dice.chance(faults.lateEvents) {
                scenario(after: dice.duration(.microseconds(100) ... .milliseconds(3))) {}
            } else {
                viewer.events.append(ReadinessEvent(token: watch.token, readiness: state))
            }
        }
        guard !viewer.events.isEmpty else { return }
        if let token = viewer.lastClosedToken, dice.chance(faults.staleEvents) {
            viewer.events.append(ReadinessEvent(token: token, readiness: [.readable, .writable]))
        }
        if dice.chance(faults.shuffledEvents) { viewer.events.shuffle(using: &dice) }
    }

    private func collectEdges(for viewer: SimulatedKernel) {
        guard !ready.isEmpty else { return }
        var kept: [Int32] = []
        let told = ready.filter { watches[$0].map { $0.view == viewer.view } ?? true }
        ready.removeAll { told.contains($0) }
        for raw in told {
            let state = readiness(of: raw)
            guard !state.isEmpty, let watch = watches[raw] else { continue }  // epoll drops it, too.
            if dice.chance(faults.lateEvents), case .socket(let socket) = files[raw] {
                scenario(after: dice.duration(.microseconds(100) ... .milliseconds(5))) { [weak self] in
                    self?.edge(on: socket)
                }
                continue
            }
            if case .wakeup = files[raw], dice.chance(faults.lateEvents) {
                scenario(after: dice.duration(.microseconds(100) ... .milliseconds(5))) { [weak self] in
                    self?.signalWakeup(Descriptor(raw: raw))
                }
                continue
            }
            viewer.events.append(ReadinessEvent(token: watch.token, readiness: state))
            if dice.chance(faults.duplicateEvents) { kept.append(raw) }
        }
        ready += kept
    }
}
