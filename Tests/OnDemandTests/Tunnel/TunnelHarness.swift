@testable import OnDemand

/// One open tunnel on a simulated kernel; the test controls both remote ends.
final class TunnelHarness {
    let kernel = SimulatedKernel(seed: 1)
    let client: SimulatedSocket
    let backend: SimulatedSocket
    /// The ends of the connection.
    private let near: (client: SimulatedSocket, backend: SimulatedSocket)
    var tunnel: Tunnel
    private var allTraffic = [Traffic()]
    var traffic: Traffic { allTraffic[0] }
    private var buffers = ReadBuffers()

    init(
        _ limits: ServiceLimits = ServiceLimits(), extensions: Bool = false, early: [UInt8] = [], eager: [UInt8] = [],
        clientCapacity: Int? = nil, backendCapacity: Int? = nil
    ) {
        let (nearClient, farClient) = SimulatedSocket.pair(kernel, capacity: clientCapacity)
        let (nearBackend, farBackend) = SimulatedSocket.pair(kernel, capacity: backendCapacity)
        (client, backend) = (farClient, farBackend)
        near = (nearClient, nearBackend)
        tunnel = Tunnel(
            client: .init(descriptor: kernel.insert(.socket(nearClient))),
            upstream: .init(descriptor: kernel.insert(.socket(nearBackend))),
            lease: Lease(backend: BackendID(index: 0), generation: Generation(number: 1)), admission: .none)
        let bytes = TunnelBytes(
            head: ByteQueue(), earlyFrames: early, restOfHead: ByteQueue(), toUpstream: eager)
        tunnel.generation = 1
        tunnel.open(bytes, extensionsNegotiated: extensions, limits: limits, &allTraffic[0])
    }

    /// Runs loop iterations until nothing is left to do.
    @discardableResult
    func run() -> RelayProgress {
        for _ in 0..<1000 {
            let progress = relayOnce()
            if progress != .more { return progress }
        }
        return .more
    }

    /// Runs one loop iteration with the readiness of both sockets.
    @discardableResult
    func relayOnce() -> RelayProgress {
        tunnel.client.learn(near.client.readiness)
        tunnel.upstream.learn(near.backend.readiness)
        return tunnel.relayOnce(through: kernel, buffers: &buffers, traffic: &allTraffic).progress
    }

    /// Handles an event of one of its sockets, or its resumption.
    func take(_ readiness: Readiness, for token: Token) {
        _ = tunnel.take(readiness, for: token, through: kernel, buffers: &buffers, traffic: &allTraffic)
    }

    func clientSays(_ bytes: [UInt8]) {
        _ = client.send(bytes[...])
        run()
    }

    func backendSays(_ bytes: [UInt8]) {
        _ = backend.send(bytes[...])
        run()
    }

    var heardByClient: [UInt8] { Array(client.take(.max)) }
    var heardByBackend: [UInt8] { Array(backend.take(.max)) }
}
