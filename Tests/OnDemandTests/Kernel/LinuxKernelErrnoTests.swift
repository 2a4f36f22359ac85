import Foundation
import Glibc
import Testing

@testable import OnDemand

/// errno values that other processes, administrators and seccomp filters can cause: each has a result, and none ends
/// the daemon.
struct LinuxKernelErrnoTests {
    /// All values of Linux (errno(3)), and a few more.
    private static let all: ClosedRange<Int32> = 1...140
    /// Errors that only a bug of the daemon causes: an invalid descriptor or pointer.
    private static let mistakes: Set<Int32> = [EBADF, EFAULT, ENOTSOCK]

    @Test("a read, a send and an accept have a result for each errno except those of the daemon's own bugs")
    func results() {
        for code in Self.all where !Self.mistakes.contains(code) {
            let accepted = AcceptResult(failure: code)
            let isNextTried = [EINTR, ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH].contains(
                code)
            #expect((accepted == nil) == isNextTried, "accept: \(code)")
            errno = code
            let read = ReadResult(count: -1)
            errno = code
            let written = WriteResult(count: -1)
            #expect((read == nil) == (code == EINTR) && (written == nil) == (code == EINTR), "\(code)")
        }
        #expect(AcceptResult(failure: EINVAL) == .ended && AcceptResult(failure: EAGAIN) == .wouldBlock)
        #expect(AcceptResult(failure: EMFILE) == .failed(.tooManyFiles))
    }

    @Test("each errno has a text that names it")
    func texts() {
        let texts = Self.all.map { Errno(number: $0).description }
        #expect(Set(texts).count == texts.count)
        let error = SystemError(call: "clone", code: .tryAgain, subject: "/usr/bin/puma")
        #expect(error.description.contains("too many processes"))
        #expect(SystemError(call: "posix_spawn", code: .tryAgain, subject: "x").description.contains("pids.max"))
        #expect(!SystemError(call: "read", code: .tryAgain, subject: "x").description.contains("processes"))
    }

    @Test("a temporary errno is exhaustion, and a refused connection is not")
    func exhaustion() {
        for code in [EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, ENOSPC] {
            #expect(Errno(number: code).isExhaustion, "\(code)")
        }
        for code in [ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, EACCES, EPERM] {
            #expect(!Errno(number: code).isExhaustion, "\(code)")
        }
    }

    @Test("a listener that was shut down from outside has ended, whatever its queue")
    func shutDownListener() throws {
        let bench = try KernelHarness()
        let listening = try bench.kernel.listen(at: KernelHarness.anyPort)
        defer { bench.kernel.stopListening(listening.descriptor, at: listening.address) }
        let token = Token(ProxyToken.listener, index: 1, generation: 0)
        try bench.kernel.watch(listening.descriptor, for: .readable, as: token)
        #expect(bench.kernel.accept(from: listening.descriptor) == .wouldBlock)
        shutdown(listening.descriptor.raw, Int32(SHUT_RDWR))
        #expect(bench.events { $0[token] != nil }[token] != nil, "the daemon hears of it")
        #expect(bench.kernel.accept(from: listening.descriptor) == .ended)
        bench.kernel.unwatch(listening.descriptor)
    }

    @Test("LISTEN_FDS with more descriptors than are open does not touch the daemon's own")
    func announcedDescriptors() async {
        await #expect(processExitsWith: .success) {
            // Descriptors of the test runner count as inherited.
            let open = (Int32(3)..<1000).prefix { fcntl($0, F_GETFD) >= 0 }.count
            unsafe setenv("LISTEN_PID", "\(getpid())", 1)
            unsafe setenv("LISTEN_FDS", "\(open + 50)", 1)
            let kernel = try LinuxKernel()
            let ownDescriptors = (Int32(3)..<1000).prefix { fcntl($0, F_GETFD) >= 0 }.count - open
            #expect(ownDescriptors > 0)
            #expect(kernel.inheritedListeners().count == open, "the others are the daemon's own")
            #expect(kernel.inheritedListeners().isEmpty, "told once")
        }
    }

    @Test("an inherited listener is the daemon's own, for both families where it accepts both, until it is closed")
    func inheritedListener() async {
        await #expect(processExitsWith: .success) {
            let raw = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
            var off: Int32 = 0
            let size = socklen_t(MemoryLayout<Int32>.size)
            #expect(unsafe setsockopt(raw, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &off, size) == 0)
            #expect(listen(raw, 5) == 0, "bound by the system, on all addresses")
            unsafe setenv("LISTEN_PID", "\(getpid())", 1)
            unsafe setenv("LISTEN_FDS", "\(raw - 2)", 1)
            let kernel = try LinuxKernel()
            let inherited = try #require(kernel.inheritedListeners().first { $0.descriptor.raw == raw })
            let address = try #require(inherited.address)
            let port = try #require(address.port)
            let loopback = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: port)
            let mapped = Array(repeating: 0, count: 10) + [255, 255, 127, 0, 0, 1] as [UInt8]
            for target in [address, loopback, .ipv6(octets: mapped, port: port)] {
                #expect(kernel.isOwnListener(target), "\(target)")
            }
            #expect(!kernel.isOwnListener(loopback.with(port: port ^ 1)))
            kernel.stopListening(inherited.descriptor, at: address)
            #expect(!kernel.isOwnListener(loopback))
        }
    }

    @Test("a log line continues after a partial write, and a log that is no regular file is never renamed")
    func logFiles() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "ondemandd-\(UUID().uuidString)").path()
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let kernel = try LinuxKernel()
        let (pipe, file) = ("\(folder)/pipe", "\(folder)/file")
        #expect(unsafe mkfifo(pipe, 0o600) == 0)
        let reader = unsafe open(pipe, O_RDONLY | O_NONBLOCK)
        defer { close(reader) }
        let manager = FileManager.default
        try Data("12345".utf8).write(to: URL(filePath: file))
        for (connection, target) in [
            ("to-pipe", "pipe"), ("to-file", "file"), ("to-link", "to-file"), ("stdout", "/dev/stdout"),
        ] {
            try manager.createSymbolicLink(atPath: "\(folder)/\(connection)", withDestinationPath: target)
        }
        for other in [pipe, "/dev/null", "\(folder)/to-pipe", "\(folder)/to-link"] {
            let opened = try kernel.openLogFile(other)
            #expect(opened.byteCount == nil, "\(other)")
            try kernel.moveLogFile(opened.descriptor, named: other, suffix: ".1")
            #expect(!manager.fileExists(atPath: "\(other).1"), "\(other)")
            kernel.close(opened.descriptor)
        }
        // The target of the link is renamed; the link stays and leads to the new file.
        let linked = try kernel.openLogFile("\(folder)/to-file")
        #expect(linked.byteCount == 5)
        try kernel.moveLogFile(linked.descriptor, named: "\(folder)/to-file", suffix: ".1")
        #expect(manager.fileExists(atPath: "\(file).1") && !manager.fileExists(atPath: file))
        let renewed = try kernel.openLogFile("\(folder)/to-file")
        #expect(renewed.byteCount == 0 && manager.fileExists(atPath: file))
        // Another program has created another file there.
        try manager.removeItem(atPath: file)
        try Data("theirs".utf8).write(to: URL(filePath: file))
        try kernel.moveLogFile(renewed.descriptor, named: file, suffix: ".1")
        #expect(manager.contents(atPath: file) == Data("theirs".utf8))
        for descriptor in [linked.descriptor, renewed.descriptor] { kernel.close(descriptor) }
    }
}
