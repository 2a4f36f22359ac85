/// The listening sockets that backends inherit (`readiness` of `socket`).
///
/// The daemon opens them at its start and owns them until a backend is removed or its target changes, so that no other
/// process can take their addresses. A socket that cannot be opened is opened by the next start.
final class InheritedSockets<K: Kernel> {
    private let kernel: K
    private let log: Log
    private var sockets: [BackendID: (descriptor: Descriptor, address: SocketAddress)] = [:]

    init(kernel: K, log: Log) {
        self.kernel = kernel
        self.log = log
    }

    subscript(id: BackendID) -> Descriptor? { sockets[id]?.descriptor }

    /// Opens the socket of a backend, and returns its address. nil: it is open.
    func open(for id: BackendID, name: String, at target: SocketAddress) throws(SystemError) -> SocketAddress? {
        guard sockets[id] == nil else { return nil }
        let listening = try kernel.listenForChild(at: target)
        sockets[id] = listening
        log(.listening, LogField("address", listening.address.description), LogField("for", name))
        return listening.address
    }

    /// Closes the connections that an ended generation has not accepted: the next one must not get them.
    func drain(_ id: BackendID) {
        if let socket = sockets[id] { kernel.drainAcceptQueue(of: socket.descriptor, limit: Limits.queueLeftovers) }
    }

    func close(_ id: BackendID) {
        guard let socket = sockets.removeValue(forKey: id) else { return }
        kernel.stopListening(socket.descriptor, at: socket.address)
    }
}
