/// The listeners of the configuration: opens them, or takes those that the service manager has passed, and knows which
/// belong to which specification.
///
/// Invariant: `indices` has the listeners of every specification of the running configuration, in its order.
final class ListenerSet<K: Kernel> {
    private let kernel: K
    private let log: Log
    private let manager: SystemdNotifier<K>
    private let table: ProxyListeners<K>
    /// Listener indices of each specification. An inherited name may stand for several sockets.
    private(set) var indices: [[Int]] = []

    init(kernel: K, log: Log, manager: SystemdNotifier<K>, table: ProxyListeners<K>) {
        (self.kernel, self.log, self.manager, self.table) = (kernel, log, manager, table)
    }

    /// At the start of the daemon. Closes passed sockets that no specification names, also after a failure.
    func openAll(_ specs: [ListenerSpec]) throws(SystemError) {
        defer { closeUnused() }
        for spec in specs { indices.append(try open(spec)) }
    }

    /// Opens the listeners of a specification, without rules yet.
    private func open(_ spec: ListenerSpec) throws(SystemError) -> [Int] {
        switch spec.place {
        case .address(let address):
            if let socket = manager.takeListener(at: address) { return try open([socket], for: spec.purpose) }
            let listening = try kernel.listen(at: address, privately: spec.purpose == .control)
            let text = listening.address.description
            let index = try open(listening.descriptor, at: listening.address, for: spec.purpose)
            log(.listening, LogField("address", text), LogField("for", spec.purpose.word))
            return [index]
        case .inherited(let name):
            let sockets = manager.takeListeners(named: name)
            guard !sockets.isEmpty else {
                throw SystemError(
                    call: "listen", code: .noSuchFile, subject: "fd:\(name), not passed by the service manager")
            }
            return try open(sockets, for: spec.purpose)
        }
    }

    private func open(_ sockets: [InheritedListener], for purpose: ListenerSpec.Purpose) throws(SystemError) -> [Int] {
        var opened: [Int] = []
        for socket in sockets {
            guard let address = socket.address else { continue }
            opened.append(try open(socket.descriptor, at: address, for: purpose, isInherited: true))
            log(
                .listening, LogField("address", address.description), LogField("for", purpose.word),
                LogField("inherited", socket.name))
        }
        return opened
    }

    private func open(
        _ descriptor: Descriptor, at address: SocketAddress, for purpose: ListenerSpec.Purpose,
        isInherited: Bool = false
    ) throws(SystemError) -> Int {
        try table.open(
            Listener(
                descriptor: descriptor, address: address, purpose: purpose,
                rules: ExchangeRules(routes: RouteTable([]), services: []), isInherited: isInherited))
    }

    private func closeUnused() {
        for socket in manager.takeRest() {
            log(
                .socketUnused, LogField("name", socket.name), LogField("descriptor", socket.descriptor.raw),
                LogField("address", socket.address?.description ?? "not listening"))
            if let address = socket.address {
                kernel.stopListening(socket.descriptor, at: address)
            } else {
                kernel.close(socket.descriptor)
            }
        }
    }

    // MARK: Reload

    /// Opens the new listeners and returns all, by specification. On failure closes those it opened.
    func prepare(_ specs: [ListenerSpec], as plan: ListenerDiff) throws(SystemError) -> [[Int]] {
        var opened: [Int] = []
        do throws(SystemError) {
            var all: [[Int]] = []
            for (spec, source) in zip(specs, plan.sources) {
                if let source {
                    all.append(indices[source])
                } else {
                    all.append(try open(spec))
                    opened += all.last!
                }
            }
            return all
        } catch {
            opened.forEach(table.close)
            throw error
        }
    }

    /// Closes the listeners that are gone, and applies the purposes of the others.
    func change(to prepared: [[Int]], of specs: [ListenerSpec], as plan: ListenerDiff) {
        for position in plan.closed { indices[position].forEach(table.close) }
        indices = prepared
        for (spec, indices) in zip(specs, indices) {
            for index in indices { table.change(index, to: spec.purpose) }
        }
    }
}
