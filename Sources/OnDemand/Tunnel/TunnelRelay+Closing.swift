/// Ends tunnels: with a close frame at a frame boundary, spread over time; with their backend; at once.
extension TunnelRelay {
    /// Sends close frames to all tunnels, or to those of one generation, at random times within `window`. This spreads
    /// the clients' reconnects.
    func closeTunnels(of lease: Lease?, _ code: CloseCode, over window: Duration) {
        for index in table.indices {
            let (isClosing, held) = table.tunnels.peek(at: index) { ($0.closeHandshake != .none, $0.heldLease) }
            guard !isClosing, lease == nil || held == lease else { continue }
            let delay = window * (Double(kernel.random() >> 11) * 0x1p-53)
            guard delay > .zero else {
                closeTunnel(index, code)
                continue
            }
            table.tunnels[index].closeHandshake = .scheduled(code)
            table.tunnels[index].armed = .closeDelay
            reactor.arm(.connection(table.token(of: index)), at: kernel.now() + delay)
        }
    }

    func closeTunnel(_ index: Int, _ code: CloseCode) {
        table.tunnels[index].closeTunnel(code)
        relay(index)
    }

    /// Closes the tunnels of failed connections. Their clients already have their close frame, and a shutdown does not
    /// wait for their end.
    func closeDiscarding() {
        for index in table.indices where table.tunnels.peek(at: index, for: { $0.isDiscarding }) {
            close(index, .closeHandshake)
        }
    }

    /// All tunnels are closed, but for those of failed connections.
    var isDrained: Bool {
        table.indices.allSatisfy { table.tunnels.peek(at: $0) { $0.isDiscarding } }
    }

    /// Handles the end of a backend's generation. Its sockets have reported their end, or another process still holds
    /// them.
    func endTunnels(of lease: Lease) {
        for index in table.indices where table.tunnels.peek(at: index, for: { $0.heldLease }) == lease {
            table.tunnels[index].backendIsGone = true
            table.tunnels[index].upstream.readiness.insert(.readable)
            relay(index)
        }
    }

    /// Closes all tunnels of this service except those of one generation.
    func close(_ id: BackendID, sparing generation: Generation?) {
        for index in table.indices {
            guard let lease = table.tunnels.peek(at: index, for: { $0.heldLease }), lease.backend == id,
                lease.generation != generation
            else { continue }
            close(index, .shuttingDown)
        }
    }

    /// Closes all tunnels at once.
    func closeEverything() {
        for index in table.indices { close(index, .shuttingDown) }
    }
}
