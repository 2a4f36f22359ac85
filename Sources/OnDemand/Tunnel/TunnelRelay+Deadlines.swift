/// The timers of open tunnels: half-closed tunnels, stalled clients, close handshakes, message rate.
extension TunnelRelay {
    /// Handles a timer of a connection. Returns false if there is no tunnel at its slot.
    func timerFired(_ key: TimerKey) -> Bool {
        guard table.tunnels.contains(index: key.index, generation: key.generation) else { return true }
        switch ConnectionTimer(key) {
        case .deadline:
            guard table.tunnels.peek(at: key.index, for: { $0.isOpen }) else { return false }
            deadlineFired(key.index)
        case .rateLimiter: resumeReading(key.index)
        }
        return true
    }

    func armDeadline(of index: Int) {
        guard let (wanted, token) = table.deadlineToArm(of: index) else { return }
        reactor.arm(.connection(token), at: kernel.now() + limit(of: wanted, index))
    }

    private func limit(of deadline: Tunnel.Deadline, _ index: Int) -> Duration {
        switch deadline {
        case .closeDelay, .closeHandshake: Limits.closeTimeout
        case .progress, .stall:
            services[table.tunnels.peek(at: index) { $0.lease.backend.index }].limits.sendTimeout
        }
    }

    private func deadlineFired(_ index: Int) {
        guard let armed = table.tunnels[index].armed else { return }
        table.tunnels[index].armed = nil
        let hasMoved = table.tunnels[index].moved(for: armed) != table.tunnels[index].movedWhenArmed
        switch (armed, table.tunnels[index].closeHandshake) {
        case (.closeDelay, .scheduled(let code)): closeTunnel(index, code)
        case (.closeHandshake, _): close(index, .closeHandshake)
        case (.progress, .none) where !hasMoved: close(index, .noProgress)
        case (.stall, .none) where !hasMoved && !table.tunnels[index].down.pending.isEmpty: close(index, .stalled)
        case (.closeDelay, _), (.progress, _), (.stall, _): armDeadline(of: index)
        }
    }

    /// Stops reading from the client until the rate limit allows the next message. TCP flow control then slows the
    /// client.
    func armRateLimit(of index: Int) {
        guard let moment = table.tunnels[index].rateLimiter?.next(after: kernel.now()) else {
            return resumeReading(index)
        }
        reactor.arm(.rateLimiter(table.token(of: index)), at: moment)
    }

    private func resumeReading(_ index: Int) {
        table.tunnels[index].up.resume()
        reactor.resumeLater(table.token(of: index))
    }
}
