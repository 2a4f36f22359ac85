import Foundation
import Testing

@testable import OnDemand

struct LinuxKernelSocketTests {
    private let bench: KernelHarness
    private var kernel: LinuxKernel { bench.kernel }
    private let client = Token(ConnectionToken.client, index: 1, generation: 1)
    private let server = Token(ConnectionToken.upstream, index: 2, generation: 1)

    init() throws { bench = try KernelHarness() }

    /// A unique path for a socket file.
    private func path() -> String { "/tmp/ondemandd-\(UUID().uuidString.prefix(8)).sock" }

    @Test("port 0 becomes a port that accepts connections")
    func portZero() throws {
        let listener = try kernel.listen(at: KernelHarness.anyPort)
        defer { kernel.close(listener.descriptor) }
        #expect(listener.address.port != 0)
        #expect(listener.address.host == "127.0.0.1")
        let connection = try #require(bench.connection(to: listener.address))
        let accepted = try #require(bench.accept(from: listener.descriptor))
        #expect(accepted.peer.host == "127.0.0.1")
        kernel.close(connection)
        kernel.close(accepted.descriptor)
    }

    @Test("IPv6 works the same, where the machine has it")
    func ipv6() throws {
        let loopback = SocketAddress.ipv6(octets: Array(repeating: 0, count: 15) + [1], port: 0)
        guard let listener = try? kernel.listen(at: loopback) else { return }
        defer { kernel.close(listener.descriptor) }
        let connection = try #require(bench.connection(to: listener.address))
        let accepted = try #require(bench.accept(from: listener.descriptor))
        #expect(accepted.peer.host == "::1")
        kernel.close(connection)
        kernel.close(accepted.descriptor)
    }

    @Test("a used port fails with an error that names its address")
    func addressInUse() throws {
        let listener = try kernel.listen(at: KernelHarness.anyPort)
        defer { kernel.close(listener.descriptor) }
        let error = #expect(throws: SystemError.self) { try kernel.listen(at: listener.address) }
        #expect(error?.code == .addressInUse)
        #expect(error?.subject == listener.address.description)
    }

    @Test("a connect without a listener is refused, not pending")
    func connectionRefused() throws {
        let listener = try kernel.listen(at: KernelHarness.anyPort)
        kernel.close(listener.descriptor)
        #expect(bench.connection(to: listener.address) == nil)
    }

    @Test("an accept with an empty queue would block")
    func nobodyWaits() throws {
        let listener = try kernel.listen(at: KernelHarness.anyPort)
        #expect(kernel.accept(from: listener.descriptor) == .wouldBlock)
        kernel.close(listener.descriptor)
    }

    @Test("bytes arrive as they were sent, and the end of one direction leaves the other open")
    func halfClose() throws {
        let (client, server, _) = try bench.pair()
        #expect(bench.send("question", to: client) == .bytes(8))
        kernel.endSending(on: client)
        let question = bench.readToEnd(server)
        #expect(question.bytes == Array("question".utf8) && question.ended)
        #expect(bench.send("answer", to: server) == .bytes(6))
        kernel.close(server)
        let answer = bench.readToEnd(client)
        #expect(answer.bytes == Array("answer".utf8) && answer.ended)
        kernel.close(client)
    }

    @Test(
        "the kernel knows of a closed connection whether the last bytes arrived and were read")
    func recentOutput() throws {
        var buffer = [UInt8](repeating: 0, count: 100)
        let (early, closed, _) = try bench.pair()
        kernel.close(closed)
        #expect(bench.send("question", to: early) == .bytes(8))
        #expect(kernel.receive(from: early, into: &buffer) == .ended && kernel.hasUndelivered(to: early))
        let (heard, reader, _) = try bench.pair()
        #expect(
            bench.send("question", to: heard) == .bytes(8) && kernel.receive(from: reader, into: &buffer) == .bytes(8))
        kernel.close(reader)
        #expect(kernel.receive(from: heard, into: &buffer) == .ended && !kernel.hasUndelivered(to: heard))
        let (ignored, deaf, _) = try bench.pair()
        #expect(bench.send("question", to: ignored) == .bytes(8))
        kernel.close(deaf)
        #expect(kernel.receive(from: ignored, into: &buffer) == .failed(.connectionReset))
        for descriptor in [early, heard, ignored] { kernel.close(descriptor) }
    }

    @Test("a full socket accepts a part, then nothing, and is writable again later")
    func backpressure() throws {
        let (client, server, _) = try bench.pair()
        try kernel.watch(client, for: .edges, as: self.client)
        let chunk = [UInt8](repeating: 0x61, count: 256 * 1024)
        var sent = 0
        while case .bytes(let count) = kernel.send(chunk.span, to: client) { sent += count }
        #expect(kernel.send(chunk.span, to: client) == .wouldBlock)
        while kernel.wait(until: kernel.now()) > 0 {}
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        var received = 0
        while received < sent, case .bytes(let count) = kernel.receive(from: server, into: &buffer) {
            received += count
        }
        let seen = bench.events { $0[self.client]?.contains(.writable) == true }
        #expect(seen[self.client]?.contains(.writable) == true)
        kernel.close(client)
        kernel.close(server)
    }

    @Test(
        "the space of a connection is approximate, and zero when it is full",
        arguments: [false, true])
    func roomToSend(isUnix: Bool) throws {
        let address = isUnix ? SocketAddress.unix(path: path()) : KernelHarness.anyPort
        let (client, server, _) = try bench.pair(at: address)
        let room = kernel.roomToSend(on: client)
        #expect(room > 10_000)
        let sent = kernel.send([UInt8](repeating: 0x61, count: room).span, to: client)
        guard case .bytes(let count) = sent else { throw SystemError(call: "send", code: .tryAgain, subject: "a test") }
        #expect(count > room / 2)
        let chunk = [UInt8](repeating: 0x61, count: 64 * 1024)
        while case .bytes = kernel.send(chunk.span, to: client) {}
        #expect(kernel.roomToSend(on: client) < Limits.readBufferBytes)
        if case .unix(let path) = address { try FileManager.default.removeItem(atPath: path) }
        kernel.close(client)
        kernel.close(server)
    }

    @Test("a send to a closed peer is an error, never a signal")
    func brokenPipe() throws {
        let (client, server, _) = try bench.pair()
        kernel.close(server)
        var results: [WriteResult] = []
        for _ in 0..<100 {
            results.append(bench.send("x", to: client))
            if case .failed = results.last { break }
            _ = kernel.wait(until: kernel.now() + .milliseconds(5))
        }
        guard case .failed = results.last else {
            Issue.record("\(results.count) sends to a closed peer succeeded")
            return
        }
        kernel.close(client)
    }

    @Test("each change causes one edge: bytes, then the end after the last byte")
    func edges() throws {
        let (client, server, _) = try bench.pair()
        try kernel.watch(server, for: .edges, as: self.server)
        #expect(bench.events { $0[self.server] != nil }[self.server] == .writable)
        #expect(kernel.wait(until: kernel.now()) == 0, "told once")
        _ = bench.send("a", to: client)
        #expect(bench.events { $0[self.server] != nil }[self.server]?.contains(.readable) == true)
        #expect(kernel.wait(until: kernel.now()) == 0, "told once, although nothing was read")
        kernel.endSending(on: client)
        let end = bench.events { $0[self.server]?.contains(.peerEnded) == true }
        #expect(end[self.server]?.contains([.readable, .peerEnded]) == true)
        #expect(end[self.server]?.contains(.broken) == false)
        kernel.close(client)
        #expect(kernel.wait(until: kernel.now() + .milliseconds(20)) <= 1)
        kernel.close(server)
    }

    @Test("a socket that is unwatched causes no events")
    func unwatch() throws {
        let (client, server, _) = try bench.pair()
        try kernel.watch(server, for: .readable, as: self.server)
        kernel.unwatch(server)
        _ = bench.send("a", to: client)
        #expect(kernel.wait(until: kernel.now() + .milliseconds(20)) == 0)
        kernel.close(client)
        kernel.close(server)
    }

    @Test("a level-triggered descriptor is reported until it is read")
    func levels() throws {
        let (client, server, _) = try bench.pair()
        try kernel.watch(server, for: .readable, as: self.server)
        _ = bench.send("a", to: client)
        for _ in 0..<3 { #expect(bench.events { $0[self.server] != nil }[self.server] == .readable) }
        kernel.close(client)
        kernel.close(server)
    }

    @Test("both ends have TCP_NODELAY, and the accepted one has keepalive and a user timeout")
    func options() throws {
        let (client, server, _) = try bench.pair()
        #expect(option(server, SOL_SOCKET, SO_KEEPALIVE) == 1)
        #expect(option(server, Int32(IPPROTO_TCP), TCP_KEEPIDLE) == 15)
        for descriptor in [client, server] {
            #expect(option(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY) == 1)
            #expect(fcntl(descriptor.raw, F_GETFD) & FD_CLOEXEC != 0)
            #expect(fcntl(descriptor.raw, F_GETFL) & O_NONBLOCK != 0)
        }
        #expect(option(server, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 30_000)
        #expect(option(client, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT) == 0, "a backend may be busy for longer")
        kernel.close(client)
        kernel.close(server)
    }

    @Test("a backend connection has keepalive unless the backend is on this machine")
    func probed() throws {
        let listener = try kernel.listen(at: .ipv4(octets: [0, 0, 0, 0], port: 0))
        let port = try #require(listener.address.port)
        // Any of these addresses is this machine; not all of them are recognisable.
        for (octets, isProbed) in [([127, 0, 0, 1], 0), ([0, 0, 0, 0], 1)] as [([UInt8], Int32)] {
            let descriptor = try #require(bench.connection(to: .ipv4(octets: octets, port: port)))
            #expect(option(descriptor, SOL_SOCKET, SO_KEEPALIVE) == isProbed)
            kernel.close(descriptor)
        }
        kernel.stopListening(listener.descriptor, at: listener.address)
    }

    private func option(_ descriptor: Descriptor, _ level: Int32, _ name: Int32) -> Int32 {
        var value: Int32 = -1
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor.raw, level, name, &value, &length)
        return value
    }

    // MARK: Unix sockets

    @Test("a Unix socket is a path, which is removed with its listener")
    func unixSocket() throws {
        let address = SocketAddress.unix(path: path())
        let listener = try kernel.listen(at: address)
        #expect(listener.address == address)
        let connection = try #require(bench.connection(to: address))
        let accepted = try #require(bench.accept(from: listener.descriptor))
        #expect(accepted.peer.host == "unix:")
        kernel.stopListening(listener.descriptor, at: address)
        #expect(bench.connection(to: address) == nil)
        kernel.close(connection)
        kernel.close(accepted.descriptor)
        let again = try kernel.listen(at: address)
        kernel.stopListening(again.descriptor, at: address)
    }

    @Test("a stale socket file of a crashed process is replaced")
    func staleSocket() throws {
        let address = SocketAddress.unix(path: path())
        // Closed without removing its file, as after a kill.
        kernel.close(try kernel.listen(at: address).descriptor)
        let listener = try kernel.listen(at: address)
        let connection = try #require(bench.connection(to: address))
        kernel.close(connection)
        kernel.stopListening(listener.descriptor, at: address)
    }

    @Test("a socket file with a listener stays")
    func livingSocket() throws {
        let address = SocketAddress.unix(path: path())
        let listener = try kernel.listen(at: address)
        let error = #expect(throws: SystemError.self) { try kernel.listen(at: address) }
        #expect(error?.code == .addressInUse)
        #expect(bench.connection(to: address) != nil)
        kernel.stopListening(listener.descriptor, at: address)
    }

    @Test("a file that is no socket is never removed, whatever the configuration")
    func ordinaryFile() throws {
        let path = path()
        try "precious".write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let error = #expect(throws: SystemError.self) { try kernel.listen(at: .unix(path: path)) }
        #expect(error?.code == .addressInUse)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }

    @Test("a missing directory is an error that names the path")
    func noDirectory() {
        let error = #expect(throws: SystemError.self) { try kernel.listen(at: .unix(path: "/nowhere/x.sock")) }
        #expect(error?.description == "bind unix:/nowhere/x.sock: no such file or directory")
    }

    @Test("a Unix listener of this process is recognised by its inode, whatever its path")
    func ownListener() throws {
        let (path, connection) = (path(), path())
        #expect(!kernel.isOwnListener(.unix(path: path)))
        let listener = try kernel.listen(at: .unix(path: path))
        try FileManager.default.createSymbolicLink(atPath: connection, withDestinationPath: path)
        defer { try? FileManager.default.removeItem(atPath: connection) }
        let name = path.split(separator: "/").last ?? ""
        for spelling in [path, connection, path.replacing("/\(name)", with: "/./\(name)")] {
            #expect(kernel.isOwnListener(.unix(path: spelling)), "\(spelling)")
        }
        #expect(!kernel.isOwnListener(.unix(path: path + ".other")))
        kernel.stopListening(listener.descriptor, at: .unix(path: path))
        #expect(!kernel.isOwnListener(.unix(path: connection)))
        // The same path, created by another process, is another file.
        let foreign = try LinuxKernel()
        let successor = try foreign.listen(at: .unix(path: path))
        #expect(!kernel.isOwnListener(.unix(path: path)))
        foreign.stopListening(successor.descriptor, at: .unix(path: path))
    }

    // MARK: The daemon's own TCP listeners

    /// An address of this machine that is not on the loopback, without its port; nil where there is none.
    private func otherLocalAddress(port: UInt16) -> SocketAddress? {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return nil }
        defer { unsafe freeifaddrs(list) }
        var next = unsafe list
        while let interface = unsafe next {
            unsafe next = unsafe interface.pointee.ifa_next
            guard let address = unsafe interface.pointee.ifa_addr, unsafe address.pointee.sa_family == AF_INET else {
                continue
            }
            let octets = unsafe address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) { address in
                unsafe withUnsafeBytes(of: address.pointee.sin_addr) { unsafe Array($0) }
            }
            if octets[0] != 127 { return .ipv4(octets: octets, port: port) }
        }
        return nil
    }

    @Test("a TCP listener of this process is recognised by its port and address, until it stops")
    func ownTCPListener() throws {
        let listener = try kernel.listen(at: KernelHarness.anyPort)
        let port = try #require(listener.address.port)
        let everywhere = SocketAddress.ipv4(octets: [0, 0, 0, 0], port: port)
        let mapped = Array(repeating: 0, count: 10) + [255, 255, 127, 0, 0, 1] as [UInt8]
        for address in [listener.address, everywhere, .ipv6(octets: mapped, port: port)] {
            #expect(kernel.isOwnListener(address), "\(address)")
        }
        #expect(!kernel.isOwnListener(listener.address.with(port: port ^ 1)))
        #expect(!kernel.isOwnListener(.ipv4(octets: [127, 0, 0, 2], port: port)))
        kernel.stopListening(listener.descriptor, at: listener.address)
        #expect(!kernel.isOwnListener(listener.address))
        // A socket that a backend inherits is a target like any other.
        let child = try kernel.listenForChild(at: listener.address)
        #expect(!kernel.isOwnListener(child.address))
        kernel.stopListening(child.descriptor, at: child.address)
    }

    @Test("a listener on all addresses is reached by those of this machine, and by no others")
    func ownWildcardListener() throws {
        let listener = try kernel.listen(at: .ipv4(octets: [0, 0, 0, 0], port: 0))
        let port = try #require(listener.address.port)
        defer { kernel.stopListening(listener.descriptor, at: listener.address) }
        #expect(kernel.isOwnListener(.ipv4(octets: [127, 0, 0, 1], port: port)))
        if let local = otherLocalAddress(port: port) { #expect(kernel.isOwnListener(local), "\(local)") }
        #expect(!kernel.isOwnListener(.ipv4(octets: [192, 0, 2, 1], port: port)), "TEST-NET-1 (RFC 5737)")
        let before = KernelHarness.descriptorCount
        for _ in 0..<200 { _ = kernel.isOwnListener(.ipv4(octets: [192, 0, 2, 1], port: port)) }
        #expect(KernelHarness.descriptorCount < before + 50, "a comparison leaves no descriptor open")
    }

    // MARK: Owners of listeners

    @Test("the owner of a listener is found by its port and by its path", arguments: [true, false])
    func listenerOwner(asksSystem: Bool) throws {
        let kernel = try LinuxKernel(asksSystem: asksSystem)
        let listener = try kernel.listen(at: KernelHarness.anyPort)
        let unix = SocketAddress.unix(path: path())
        let other = try kernel.listen(at: unix)
        for address in [listener.address, unix] {
            #expect(kernel.listenerOwner(at: address)?.process == ProcessID(number: getpid()))
            #expect(kernel.listenerOwner(at: address)?.name.isEmpty == false)
        }
        kernel.close(listener.descriptor)
        kernel.stopListening(other.descriptor, at: unix)
        #expect(kernel.listenerOwner(at: listener.address) == nil)
        #expect(kernel.listenerOwner(at: unix) == nil)
    }

    @Test("a listener on the same port of another address does not match", arguments: [true, false])
    func listenerOfAnotherAddress(asksSystem: Bool) throws {
        let kernel = try LinuxKernel(asksSystem: asksSystem)
        let listener = try kernel.listen(at: KernelHarness.anyPort)
        defer { kernel.close(listener.descriptor) }
        let port = try #require(listener.address.port)
        #expect(kernel.listenerOwner(at: .ipv4(octets: [127, 0, 0, 2], port: port)) == nil)
        let loopback6 = Array(repeating: UInt8(0), count: 15) + [1]
        #expect(kernel.listenerOwner(at: .ipv6(octets: loopback6, port: port)) == nil)
        let six = try kernel.listen(at: .ipv6(octets: loopback6, port: port))
        defer { kernel.close(six.descriptor) }
        #expect(kernel.listenerOwner(at: six.address)?.process == ProcessID(number: getpid()))
        let wildcard = try kernel.listen(at: .ipv4(octets: [0, 0, 0, 0], port: 0))
        defer { kernel.close(wildcard.descriptor) }
        let any = try #require(wildcard.address.port)
        #expect(kernel.listenerOwner(at: .ipv4(octets: [127, 0, 0, 1], port: any)) != nil, "it takes every address")
    }

    // MARK: Time and memory

    @Test("a wait with a deadline ends there: not before, and not much later")
    func waitPrecision() {
        for microseconds in [50, 500, 2_500, 10_000] {
            let deadline = kernel.now() + .microseconds(microseconds)
            #expect(kernel.wait(until: deadline) == 0)
            let late = kernel.now() - deadline
            #expect(late >= .zero)
            #expect(late < .milliseconds(50), "woken \(late) late")
        }
    }

    @Test("a deadline in the past does not wait")
    func pastDeadline() {
        let before = kernel.now()
        #expect(kernel.wait(until: Instant(nanoseconds: 0)) == 0)
        #expect(kernel.now() - before < .milliseconds(50))
    }

    @Test("a wait without a deadline lasts until an event")
    func noDeadline() throws {
        let (client, server, _) = try bench.pair()
        try kernel.watch(server, for: .readable, as: self.server)
        let raw = client.raw
        // Before the thread: on a loaded machine its sleep may be over when the wait begins.
        let before = kernel.now()
        Thread.detachNewThread {
            usleep(30_000)
            shutdown(raw, Int32(SHUT_WR))
        }
        #expect(kernel.wait(until: nil) == 1)
        #expect(kernel.now() - before >= .milliseconds(20))
        kernel.close(client)
        kernel.close(server)
    }

    @Test("the clock never runs backwards, and the time of day is the machine's")
    func clocks() {
        var last = kernel.now()
        for _ in 0..<10_000 {
            let now = kernel.now()
            #expect(now >= last)
            last = now
        }
        #expect(abs(Double(kernel.wallClock().seconds) - Date().timeIntervalSince1970) < 5)
    }

    @Test("a living process has a size, a missing one has none")
    func residentBytes() {
        let own = kernel.residentBytes(of: nil)
        #expect(own.map { $0 > 1 << 20 && $0 < 1 << 34 } == true)
        #expect(kernel.residentBytes(of: ProcessID(number: getpid())) != nil)
        #expect(kernel.residentBytes(of: ProcessID(number: Int32.max)) == nil)
    }

    @Test("a double close traps")
    func closedTwice() async {
        await #expect(processExitsWith: .failure) {
            let kernel = try LinuxKernel()
            let listener = try kernel.listen(at: KernelHarness.anyPort)
            kernel.close(listener.descriptor)
            kernel.close(listener.descriptor)
        }
    }
}
