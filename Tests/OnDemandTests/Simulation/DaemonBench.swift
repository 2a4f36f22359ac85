@testable import OnDemand

/// A daemon in front of one unmanaged service, on a simulated kernel. The test controls the client and the backend, and
/// time is virtual.
final class DaemonBench {
    /// One remote end: records the received bytes and when its connection ended.
    final class Peer: SocketOwner {
        let socket: SimulatedSocket
        private let kernel: SimulatedKernel
        private(set) var heard: [UInt8] = []
        /// Bytes that were read, those included that are not kept.
        private(set) var heardCount = 0
        /// Reads, and keeps nothing.
        var isForgetful = false
        /// When the daemon ended its sending direction or reset the connection.
        private(set) var heardEndAt: Instant?
        private(set) var isReset = false
        /// Reads nothing.
        var isDeaf = false

        init(_ socket: SimulatedSocket, _ kernel: SimulatedKernel) {
            (self.socket, self.kernel) = (socket, kernel)
            socket.owner = self
            inspect(socket)
        }

        /// The daemon has closed its descriptor of this connection.
        var isClosed: Bool { socket.peer == nil }

        func inspect(_ socket: SimulatedSocket) {
            if !isDeaf {
                let bytes = socket.take(.max)
                heardCount += bytes.count
                if !isForgetful { heard += bytes }
            }
            isReset = isReset || socket.isReset
            if socket.peerHasEnded || socket.isReset { heardEndAt = heardEndAt ?? kernel.clock }
        }

        func send(_ bytes: [UInt8]) { _ = socket.send(bytes[...]) }
    }

    let kernel: SimulatedKernel
    let daemon: Daemon<SimulatedKernel>
    private let listener = SimulatedListener(address: Scenario.address(of: 0), isForeign: true)
    /// Descriptors that the daemon holds without any connection.
    private let descriptors: Int

    init(seed: UInt64 = 1, limits: ServiceLimits = ServiceLimits()) throws {
        var scenario = Scenario()
        scenario.services[0].launches = false
        var configuration = try scenario.configuration
        configuration.services[0].limits = limits
        configuration.threads = 1
        kernel = SimulatedKernel(seed: seed)
        kernel.children.add([.healthy], BackendPolicy(), at: Scenario.address(of: 0))
        daemon = try Daemon(configuration, kernel: kernel) { [configuration] in .success(configuration) }
        kernel.listeners[Scenario.address(of: 0)] = listener
        descriptors = kernel.files.count
    }

    deinit { kernel.dismantle() }

    /// Connections of clients and to the backend that the daemon holds.
    var connectionCount: Int { kernel.files.count - descriptors }

    func connect() -> Peer {
        let (far, near) = SimulatedSocket.pair(kernel)
        kernel.listeners[Scenario.publicAddress]!.queue.append(near)
        return Peer(far, kernel)
    }

    /// The daemon's next connection to the backend; nil if there is none.
    func accept() -> Peer? { listener.queue.isEmpty ? nil : Peer(listener.queue.removeFirst(), kernel) }

    /// Runs for this time, or until a condition holds.
    func run(for duration: Duration, until isEnough: () -> Bool = { false }) {
        let end = kernel.now() + duration
        while kernel.now() < end, !isEnough() {
            let deadline = daemon.reactor.deadline
            guard deadline.map({ $0 <= kernel.now() }) ?? false || kernel.hasEvents(for: 0) else {
                kernel.sleep(until: [deadline, end].compactMap { $0 })
                continue
            }
            daemon.reactor.runOnce(daemon)
        }
    }

    static let upgrade = Array(
        """
        GET /s0/cable HTTP/1.1\r
        Host: example.test\r
        Connection: Upgrade\r
        Upgrade: websocket\r
        Sec-WebSocket-Version: 13\r
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r
        \r

        """.utf8)
    static let switching = Array(
        """
        HTTP/1.1 101 Switching Protocols\r
        Upgrade: websocket\r
        Connection: Upgrade\r
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r
        \r

        """.utf8)

    /// Opens a tunnel, with bytes that each side sends together with its head.
    func openTunnel(eager: [UInt8] = [], early: [UInt8] = []) throws -> (client: Peer, backend: Peer) {
        let client = connect()
        client.send(Self.upgrade + eager)
        run(for: .seconds(1)) { !listener.queue.isEmpty }
        guard let backend = accept() else { throw NoConnection() }
        run(for: .seconds(1)) { backend.heard.count > 4 }
        backend.send(Self.switching + early)
        run(for: .milliseconds(10))
        return (client, backend)
    }

    struct NoConnection: Error {}
}
