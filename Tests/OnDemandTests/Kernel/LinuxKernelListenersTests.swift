import Glibc
import Testing

@testable import OnDemand

/// Socket lookups on a real system.
struct LinuxKernelListenersTests {
    private static let loopback6 = Array(repeating: UInt8(0), count: 15) + [1]
    private let leader = ProcessID(number: getpid())

    @Test("a lookup finds no listener at a free address, and the owner at a used one")
    func looking() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let listening = try bench.kernel.listenForChild(at: KernelHarness.anyPort)
            let command = LaunchCommand(command: "sleep", arguments: ["60"])
            let (heir, other) = (
                try bench.kernel.spawn(command, inheriting: listening.descriptor), try bench.kernel.spawn(command)
            )
            #expect(
                bench.kernel.lookUpSocket(at: listening.address, forTreeOf: heir.process) == .ownProcess, "the heir's"
            )
            #expect(
                bench.kernel.lookUpSocket(at: listening.address, forTreeOf: other.process) == .foreignProcess,
                "another's")
            for process in [heir, other] { bench.kernel.signal(treeOf: process.process, .kill) }
            #expect(bench.reaped() != nil && bench.reaped() != nil, "both ended")
            bench.kernel.stopListening(listening.descriptor, at: listening.address)
            #expect(
                bench.kernel.lookUpSocket(at: listening.address, forTreeOf: heir.process) == .noListener,
                "no listener")
        }
    }

    @Test("a lookup finds a descendant of the leader, as behind a shell or a process manager")
    func descendant() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let listening = try bench.kernel.listenForChild(at: KernelHarness.anyPort)
            // Only the shell's child keeps the socket.
            let script = "exec 4<&3 3<&-; sleep 60 3<&4 4<&- & exec 4<&-; echo up; wait"
            let command = LaunchCommand(command: "sh", arguments: ["-c", script])
            let spawned = try bench.kernel.spawn(command, inheriting: listening.descriptor)
            let token = Token(SupervisorToken.output, index: 0, generation: 1)
            try bench.kernel.watch(spawned.output, for: .readable, as: token)
            _ = bench.events { $0[token] != nil }
            #expect(bench.kernel.lookUpSocket(at: listening.address, forTreeOf: spawned.process) == .ownProcess)
            bench.kernel.signal(treeOf: spawned.process, .kill)
        }
    }

    @Test("a lookup matches like a connect: the exact address, the wildcard address, and both IP versions")
    func places() throws {
        let kernel = try LinuxKernel()
        let one = try kernel.listen(at: KernelHarness.anyPort)
        let every = try kernel.listen(at: .ipv4(octets: [0, 0, 0, 0], port: 0))
        let six = try kernel.listen(at: .ipv6(octets: Self.loopback6, port: 0))
        defer { for listener in [one, every, six] { kernel.close(listener.descriptor) } }
        func lookUpSocket(_ octets: [UInt8], _ port: UInt16?) -> SocketLookup {
            let address: SocketAddress =
                octets.count == 4 ? .ipv4(octets: octets, port: port ?? 0) : .ipv6(octets: octets, port: port ?? 0)
            return kernel.lookUpSocket(at: address, forTreeOf: leader)
        }
        #expect(lookUpSocket([127, 0, 0, 1], one.address.port) == .ownProcess)
        #expect(lookUpSocket([127, 0, 0, 2], one.address.port) == .noListener)
        #expect(lookUpSocket(Self.loopback6, one.address.port) == .noListener)
        #expect(lookUpSocket([127, 0, 0, 2], every.address.port) == .ownProcess)
        #expect(lookUpSocket(Self.loopback6, six.address.port) == .ownProcess)
        #expect(lookUpSocket([127, 0, 0, 1], six.address.port) == .noListener)
        // Both versions, as servers open it that listen on every address.
        let both = socket(AF_INET6, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(both) }
        let any = SocketAddress.ipv6(octets: Array(repeating: 0, count: 16), port: 0)
        #expect(unsafe any.withSockaddr { unsafe bind(both, $0, $1) } == 0 && Glibc.listen(both, 5) == 0)
        let port = StreamSocket.localAddress(of: both)?.port
        #expect(lookUpSocket([127, 0, 0, 1], port) == .ownProcess && lookUpSocket(Self.loopback6, port) == .ownProcess)
    }

    @Test("a connection to a port is not a listener")
    func connections() throws {
        let bench = try KernelHarness()
        let pair = try bench.pair()
        defer { for descriptor in [pair.client, pair.server] { bench.kernel.close(descriptor) } }
        let client = try #require(StreamSocket.localAddress(of: pair.client.raw))
        let server = try #require(StreamSocket.localAddress(of: pair.server.raw))
        #expect(bench.kernel.lookUpSocket(at: client, forTreeOf: leader) == .noListener)
        #expect(bench.kernel.lookUpSocket(at: server, forTreeOf: leader) == .noListener)
    }

    @Test("only a connect probe detects a full queue, a Unix socket and a remote address")
    func untold() throws {
        let bench = try KernelHarness()
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        defer { close(raw) }
        #expect(
            unsafe KernelHarness.anyPort.withSockaddr { unsafe bind(raw, $0, $1) } == 0 && Glibc.listen(raw, 0) == 0)
        let address = try #require(StreamSocket.localAddress(of: raw))
        #expect(bench.kernel.lookUpSocket(at: address, forTreeOf: leader) == .ownProcess)
        let client = try #require(bench.connection(to: address))
        defer { bench.kernel.close(client) }
        #expect(bench.kernel.lookUpSocket(at: address, forTreeOf: leader) == .unsupported)
        #expect(bench.kernel.lookUpSocket(at: .unix(path: "/tmp/x.sock"), forTreeOf: leader) == .unsupported)
        let foreign = SocketAddress.ipv4(octets: [192, 0, 2, 1], port: 80)
        #expect(bench.kernel.lookUpSocket(at: foreign, forTreeOf: leader) == .unsupported)
    }

    @Test("without sock_diag, connect probes are used and the tables in /proc are read")
    func silentSystem() throws {
        let kernel = try LinuxKernel(asksSystem: false)
        let listener = try kernel.listen(at: KernelHarness.anyPort)
        #expect(kernel.lookUpSocket(at: listener.address, forTreeOf: leader) == .unsupported)
        #expect(kernel.listenerOwner(at: listener.address)?.process == leader)
        kernel.close(listener.descriptor)
        #expect(kernel.listenerOwner(at: listener.address) == nil)
    }

    @Test("ten thousand lookups leave nothing open")
    func noLeak() async {
        await #expect(processExitsWith: .success) {
            let kernel = try LinuxKernel()
            let address = try kernel.freeAddress(at: KernelHarness.anyPort)
            let before = KernelHarness.descriptorCount
            for _ in 0..<10_000 {
                // The result does not matter: another process may take the port in the meantime.
                _ = kernel.lookUpSocket(at: address, forTreeOf: ProcessID(number: getpid()))
            }
            #expect(KernelHarness.descriptorCount < before + 10)
        }
    }
}
