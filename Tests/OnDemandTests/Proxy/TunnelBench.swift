@testable import OnDemand

/// One open tunnel on a simulated kernel, with both of its far ends in the test's hands.
final class TunnelBench {
    let kernel = SimulatedKernel(seed: 1)
    let client: SimulatedSocket
    let backend: SimulatedSocket
    /// The ends that are the link's.
    private let near: (client: SimulatedSocket, backend: SimulatedSocket)
    var link: Link
    private var allTraffic = [Traffic()]
    var traffic: Traffic { allTraffic[0] }
    private var scratch = Scratch()

    init(
        _ limits: ServiceLimits = ServiceLimits(), extensions: Bool = false, early: [UInt8] = [], eager: [UInt8] = [],
        clientCapacity: Int? = nil, backendCapacity: Int? = nil
    ) {
        let (nearClient, farClient) = SimulatedSocket.pair(kernel, capacity: clientCapacity)
        let (nearBackend, farBackend) = SimulatedSocket.pair(kernel, capacity: backendCapacity)
        (client, backend) = (farClient, farBackend)
        near = (nearClient, nearBackend)
        link = Link(client: .init(descriptor: kernel.insert(.socket(nearClient))))
        link.upstream = .init(descriptor: kernel.insert(.socket(nearBackend)))
        let bytes = ExchangeMachine.TunnelBytes(
            head: ByteQueue(), earlyFrames: early, restOfHead: ByteQueue(), toUpstream: eager)
        link.openTunnel(bytes, extensionsNegotiated: extensions, limits: limits, &allTraffic[0])
        link.lease = .init(backend: BackendID(index: 0), generation: Generation(number: 1))
    }

    /// Turns until there is nothing more to do.
    @discardableResult
    func run() -> Link.Progress {
        for _ in 0..<1000 {
            let progress = turn()
            if progress != .more { return progress }
        }
        return .more
    }

    /// One, in which both sockets say what they have to say.
    @discardableResult
    func turn() -> Link.Progress {
        link.client.learn(near.client.readiness)
        link.upstream?.learn(near.backend.readiness)
        return link.turn(through: kernel, scratch: &scratch, traffic: &allTraffic).progress
    }

    /// An event of one of its sockets, or its resumption.
    func take(_ readiness: Readiness, for token: Token) {
        _ = link.take(readiness, for: token, through: kernel, scratch: &scratch, traffic: &allTraffic)
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
