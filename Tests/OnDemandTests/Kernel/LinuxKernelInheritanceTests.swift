import Foundation
import Glibc
import Testing

@testable import OnDemand

/// Inherited sockets, notify sockets and free ports on a real system.
struct LinuxKernelInheritanceTests {
    @Test("a child has the listening socket as descriptor 3, blocking, without further descriptors, and its LISTEN_PID")
    func inheritance() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let listening = try bench.kernel.listenForChild(at: KernelHarness.anyPort)
            let script =
                "[ $LISTEN_PID = $$ ] && echo meant; for d in /proc/self/fd/*; do readlink $d; done; grep flags /proc/self/fdinfo/3"
            let command = LaunchCommand(command: "/bin/sh", arguments: ["-c", script], workingDirectory: "/")
            let spawned = try bench.kernel.spawn(command, inheriting: listening.descriptor)
            let output = String(decoding: bench.readToEnd(spawned.output, asPipe: true).bytes, as: UTF8.self)
            let lines = output.split(separator: "\n")
            #expect(lines.filter { $0.hasPrefix("socket:") }.count == 1, "\(output)")
            #expect(lines.first == "meant", "LISTEN_PID: \(output)")
            #expect(lines.last?.hasSuffix("02") == true, "O_RDWR and no O_NONBLOCK: \(output)")
            #expect(bench.reaped()?.exit == .status(0), "\(output)")
        }
    }

    @Test("drainAcceptQueue ends the queued connections, and the listener continues")
    func forgetting() throws {
        let bench = try KernelHarness()
        let listening = try bench.kernel.listenForChild(at: KernelHarness.anyPort)
        defer { bench.kernel.stopListening(listening.descriptor, at: listening.address) }
        let clients = (0..<3).compactMap { _ in bench.connection(to: listening.address) }
        #expect(clients.count == 3)
        #expect(bench.send("GET / HTTP/1.1\r\n\r\n", to: clients[0]) == .bytes(18))
        bench.kernel.drainAcceptQueue(of: listening.descriptor, limit: 100)
        #expect(bench.readToEnd(clients[1]).ended && bench.readToEnd(clients[2]).ended)
        #expect(bench.kernel.accept(from: listening.descriptor) == .wouldBlock, "no ghost is left")
        let next = try #require(bench.connection(to: listening.address))
        let accepted = try #require(bench.accept(from: listening.descriptor))
        for descriptor in clients + [next, accepted.descriptor] { bench.kernel.close(descriptor) }
    }

    @Test("a child that shuts the shared socket down does not take it from the next one")
    func shutDownByChild() throws {
        let bench = try KernelHarness()
        let listening = try bench.kernel.listenForChild(at: KernelHarness.anyPort)
        defer { bench.kernel.stopListening(listening.descriptor, at: listening.address) }
        StreamSocket.setBlocking(listening.descriptor, true)
        shutdown(listening.descriptor.raw, Int32(SHUT_RDWR))
        #expect(bench.connection(to: listening.address) == nil)
        bench.kernel.drainAcceptQueue(of: listening.descriptor, limit: 100)
        let client = try #require(bench.connection(to: listening.address))
        let accepted = try #require(bench.accept(from: listening.descriptor))
        for descriptor in [client, accepted.descriptor] { bench.kernel.close(descriptor) }
    }

    @Test("a free address has a port that is available at once")
    func freeAddress() throws {
        let bench = try KernelHarness()
        for _ in 0..<20 {
            // Another test may take it first, once.
            var listening: Descriptor?
            for _ in 0..<2 where listening == nil {
                let address = try bench.kernel.freeAddress(at: KernelHarness.anyPort)
                #expect((address.port ?? 0) > 0)
                listening = try? bench.kernel.listen(at: address).descriptor
            }
            bench.kernel.close(try #require(listening))
        }
    }

    @Test("a connect probe is refused without a listener, accepted by a listener, and leaves nothing open")
    func knocking() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let address = try bench.kernel.freeAddress(at: KernelHarness.anyPort)
            let before = KernelHarness.descriptorCount
            var refused = 0
            for _ in 0..<50 {
                switch bench.kernel.connectProbe(at: address) {
                case .failed(let code):
                    #expect(code == .connectionRefused, "refused")
                    refused += 1
                case .inProgress(let descriptor): bench.kernel.close(descriptor)  // On a loaded machine.
                case .connected: Issue.record("no listener")
                }
            }
            #expect(refused > 0, "an answer at once")
            let after = KernelHarness.descriptorCount
            #expect(after < before + 20, "descriptors")
            let listening = try bench.kernel.listen(at: address)
            switch bench.kernel.connectProbe(at: address) {
            case .connected, .inProgress: #expect(bench.accept(from: listening.descriptor) != nil, "accepted")
            case .failed: Issue.record("a listener")
            }
        }
    }

    @Test("a message to the notify socket has its sender's process number, and no descriptors")
    func notifications() async {
        await #expect(processExitsWith: .success) {
            let bench = try KernelHarness()
            let (socket, name) = try bench.kernel.openNotifySocket()
            let other = try bench.kernel.openNotifySocket()
            #expect(name.hasPrefix("@") && name != other.name, "\(name)")
            var buffer = [UInt8](repeating: 0, count: 4096)
            #expect(bench.kernel.nextNotification(from: socket, into: &buffer) == nil, "no message")
            send("READY=1", to: name)
            let message = try #require(bench.kernel.nextNotification(from: socket, into: &buffer))
            #expect(String(decoding: buffer[..<message.count], as: UTF8.self) == "READY=1", "the message")
            #expect(message.sender == ProcessID(number: getpid()), "the sender")
            let spawned = try bench.kernel.spawn(LaunchCommand(command: "sleep", arguments: ["60"]))
            let own = ProcessID(number: getpid())
            #expect(!bench.kernel.process(own, belongsToTreeOf: spawned.process), "we are not our child")
            #expect(bench.kernel.process(spawned.process, belongsToTreeOf: spawned.process), "a child is its own")
            bench.kernel.signal(treeOf: spawned.process, .kill)
            #expect(bench.reaped()?.exit == .signal(9), "killed")
        }
    }
}

/// Sends a datagram to an abstract socket.
private func send(_ text: String, to name: String) {
    let raw = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let path = [0] + Array(name.utf8.dropFirst())
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path) }
    let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
    let bytes = Array(text.utf8)
    _ = unsafe withUnsafeBytes(of: &address) { view in
        unsafe sendto(
            raw, bytes, bytes.count, 0, view.baseAddress!.assumingMemoryBound(to: sockaddr.self), length)
    }
    close(raw)
}
