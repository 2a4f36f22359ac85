import Glibc
import Testing

@testable import OnDemand

/// A kernel with a few sockets, and the timeouts that a test with real ones needs.
final class KernelHarness {
    let kernel: LinuxKernel

    init() throws { kernel = try LinuxKernel(ownProgram: Executable.path) }

    /// Number of open descriptors, counted without opening one. The test runner opens and closes a few of its own in
    /// the meantime; a leak per repetition is larger.
    static var descriptorCount: Int { (0..<1024).count { fcntl($0, F_GETFD) != -1 } }

    static let anyPort = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 0)

    /// Waits up to two seconds for events; returns the union of the events per token.
    func events(until enough: ([Token: Readiness]) -> Bool) -> [Token: Readiness] {
        var seen: [Token: Readiness] = [:]
        let deadline = kernel.now() + .seconds(2)
        while !enough(seen), kernel.now() < deadline {
            for position in 0..<kernel.wait(until: deadline) {
                let event = kernel.event(at: position)
                seen[event.token, default: []].formUnion(event.readiness)
            }
        }
        return seen
    }

    /// Returns both ends of a TCP connection, and the address of the client as the listener sees it.
    func pair(
        at address: SocketAddress = KernelHarness.anyPort
    ) throws -> (client: Descriptor, server: Descriptor, peer: SocketAddress) {
        let listener = try kernel.listen(at: address)
        defer { kernel.close(listener.descriptor) }
        let client = try #require(connection(to: listener.address))
        let accepted = try #require(accept(from: listener.descriptor))
        return (client, accepted.descriptor, accepted.peer)
    }

    func connection(to address: SocketAddress) -> Descriptor? {
        switch kernel.connect(to: address) {
        case .connected(let descriptor): return descriptor
        case .inProgress(let descriptor):
            let token = Token(ConnectionToken.upstream, index: 99, generation: 0)
            guard (try? kernel.watch(descriptor, for: .edges, as: token)) != nil else { return nil }
            _ = events { $0[token]?.isEmpty == false }
            kernel.unwatch(descriptor)
            return kernel.connectFailure(of: descriptor) == nil ? descriptor : nil
        case .failed: return nil
        }
    }

    func accept(from listener: Descriptor) -> (descriptor: Descriptor, peer: SocketAddress)? {
        let token = Token(ProxyToken.listener, index: 98, generation: 0)
        guard (try? kernel.watch(listener, for: .readable, as: token)) != nil else { return nil }
        _ = events { $0[token] != nil }
        kernel.unwatch(listener)
        guard case .accepted(let descriptor, let peer) = kernel.accept(from: listener) else { return nil }
        return (descriptor, peer)
    }

    /// Reads up to the end, or for two seconds.
    func readToEnd(_ descriptor: Descriptor, asPipe: Bool = false) -> (bytes: [UInt8], ended: Bool) {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        let token = Token(SupervisorToken.output, index: 97, generation: 0)
        guard (try? kernel.watch(descriptor, for: .readable, as: token)) != nil else { return ([], false) }
        defer { kernel.unwatch(descriptor) }
        let deadline = kernel.now() + .seconds(5)
        while kernel.now() < deadline {
            let result =
                asPipe
                ? kernel.read(fromPipe: descriptor, into: &buffer) : kernel.receive(from: descriptor, into: &buffer)
            switch result {
            case .bytes(let count): bytes += buffer[..<count]
            case .wouldBlock: _ = kernel.wait(until: deadline)
            case .ended: return (bytes, true)
            case .failed: return (bytes, false)
            }
        }
        return (bytes, false)
    }

    func send(_ text: String, to descriptor: Descriptor) -> WriteResult {
        kernel.send(Array(text.utf8).span, to: descriptor)
    }
}
