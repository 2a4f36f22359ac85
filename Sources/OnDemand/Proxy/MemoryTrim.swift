/// Decides when the proxy's thread returns memory to the system: after the last of many connections, after a status
/// request, and after many new tunnels, of which an open one does not need the pages that opening it used.
final class MemoryTrim<K: Kernel> {
    private let reactor: Reactor<K>
    /// The connection count reached `Limits.manyConnections`.
    private var hadManyConnections = false
    /// A status page or table was rendered: a sleeping daemon does not need that code.
    private var hasServedStatus = false
    /// Tunnels opened, and clients of cables that have come or left, since the last scheduled trim.
    private var changes = 0

    init(reactor: Reactor<K>) { self.reactor = reactor }

    func connected(_ count: Int) {
        if count == Limits.manyConnections { hadManyConnections = true }
    }

    func servedStatus() { hasServedStatus = true }

    /// A tunnel was opened, or a client of a cable has come or left.
    func connectionChanged() {
        changes += 1
        guard changes >= Limits.manyConnections else { return }
        changes = 0
        arm()
    }

    /// Trims after the last connection. Returns whether it was one of many: tables of connections may be freed, too.
    ///
    /// The trim after many connections is delayed until the end is reported everywhere, because reporting needs memory
    /// again.
    func lastConnectionEnded() -> Bool {
        guard hadManyConnections || hasServedStatus else { return false }
        defer { (hadManyConnections, hasServedStatus) = (false, false) }
        if hadManyConnections { arm() } else { reactor.kernel.trimMemory() }
        return hadManyConnections
    }

    /// After many connections: what one of them needs comes back with few faults, and serves the next ones too.
    func timerFired() { reactor.kernel.trimMemoryWithData() }

    private func arm() { reactor.arm(.memoryTrim, at: reactor.kernel.now() + Limits.memoryTrimPause) }
}
