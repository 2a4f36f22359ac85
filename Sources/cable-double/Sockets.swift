/// Sockets and other system calls: the only file of this target with unsafe code.
import Glibc

/// An open file of this process. The code that opened it closes it.
struct Descriptor: Hashable {
    let number: Int32
}

/// Requested readiness of a descriptor, and after the wait the actual one.
struct Interest {
    let descriptor: Descriptor
    var reads = false
    var writes = false
    var canRead = false
    var canWrite = false
}

enum Arrival { case bytes, nothingYet, ended }

struct SocketError: Error {
    let sentence: String

    init(_ call: String) { sentence = unsafe "\(call): \(String(cString: strerror(errno)))" }
}

enum Sockets {
    /// Enough for all clients of a test at once.
    private static let backlog: Int32 = 511

    /// Listens on the loopback address. Returns the port, which the kernel chose for 0.
    static func listen(port: UInt16) throws(SocketError) -> (Descriptor, UInt16) {
        let listener = try open(AF_INET)
        var one: Int32 = 1
        unsafe setsockopt(listener.number, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                guard unsafe bind(listener.number, address, length) == 0 else { return Int32(-1) }
                guard Glibc.listen(listener.number, backlog) == 0 else { return -1 }
                return unsafe getsockname(listener.number, address, &length)
            }
        }
        guard status == 0 else { throw SocketError("listen on 127.0.0.1:\(port)") }
        return (listener, UInt16(bigEndian: address.sin_port))
    }

    static func listen(unix path: String) throws(SocketError) -> Descriptor {
        let listener = try open(AF_UNIX)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8) + [0]
        let fits = unsafe withUnsafeMutableBytes(of: &address.sun_path) { room in
            guard bytes.count <= room.count else { return false }
            unsafe room.copyBytes(from: bytes)
            return true
        }
        errno = ENAMETOOLONG
        guard fits else { throw SocketError("listen on unix:\(path)") }
        remove(path)  // A socket file of an earlier process would make bind fail.
        let status = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe bind(listener.number, address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard status == 0, Glibc.listen(listener.number, backlog) == 0 else {
            throw SocketError("listen on unix:\(path)")
        }
        return listener
    }

    private static func open(_ family: Int32) throws(SocketError) -> Descriptor {
        let number = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        guard number >= 0 else { throw SocketError("socket") }
        prepare(number)
        return Descriptor(number: number)
    }

    /// Makes a socket non-blocking and close-on-exec.
    private static func prepare(_ number: Int32) {
        _ = fcntl(number, F_SETFL, fcntl(number, F_GETFL) | O_NONBLOCK)
        _ = fcntl(number, F_SETFD, FD_CLOEXEC)
    }

    static func accept(_ listener: Descriptor) -> Descriptor? {
        let number = Glibc.accept(listener.number, nil, nil)
        guard number >= 0 else { return nil }
        prepare(number)
        var one: Int32 = 1  // Fails on a Unix socket, which has no delay.
        unsafe setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
        return Descriptor(number: number)
    }

    static func receive(from socket: Descriptor, into queue: inout ByteQueue) -> Arrival {
        var count = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 64 * 1024) { room, used in
            count = unsafe recv(socket.number, room.baseAddress, room.count, 0)
            used = max(count, 0)
        }
        guard count >= 0 else { return errno == EAGAIN || errno == EINTR ? .nothingYet : .ended }
        guard count > 0 else { return .ended }
        queue.append(bytes)
        return .bytes
    }

    /// Sends the bytes that fit. Returns false if the peer is gone.
    static func send(_ queue: inout ByteQueue, to socket: Descriptor) -> Bool {
        while !queue.isEmpty {
            let count = unsafe queue.bytes.withUnsafeBytes { bytes in
                unsafe Glibc.send(socket.number, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            guard count >= 0 else { return errno == EAGAIN || errno == EINTR }
            queue.consume(count)
        }
        return true
    }

    static func close(_ descriptor: Descriptor) { _ = Glibc.close(descriptor.number) }

    static func remove(_ path: String) { _ = unsafe unlink(path) }

    /// Waits until an event or the timeout. nil: no timeout.
    static func wait(for interests: inout [Interest], timeout: Duration?) {
        var entries = interests.map { interest in
            let events = (interest.reads ? POLLIN : 0) | (interest.writes ? POLLOUT : 0)
            return pollfd(fd: interest.descriptor.number, events: Int16(events), revents: 0)
        }
        let status = unsafe poll(&entries, nfds_t(entries.count), milliseconds(timeout))
        for index in interests.indices {
            let happened = status > 0 ? Int32(entries[index].revents) : 0
            // A broken connection is detected by reading or writing, so POLLHUP counts as the requested event.
            let broken = happened & (POLLHUP | POLLERR | POLLNVAL) != 0
            interests[index].canRead = happened & POLLIN != 0 || broken
            interests[index].canWrite = happened & POLLOUT != 0 || (broken && interests[index].writes)
        }
    }

    private static func milliseconds(_ timeout: Duration?) -> Int32 {
        guard let timeout else { return -1 }
        let (seconds, attoseconds) = max(timeout, .zero).components
        let roundedUp = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        return Int32(clamping: seconds * 1000 + roundedUp)
    }
}

/// Writes complete texts to standard output and error. Unlike print(), no buffer is lost when the process dies.
enum Console {
    static let output = Descriptor(number: 1)
    static let errors = Descriptor(number: 2)

    static func say(_ line: String) { write(Array((line + "\n").utf8), to: output) }
    static func complain(_ line: String) { write(Array((line + "\n").utf8), to: errors) }

    static func write(_ bytes: [UInt8], to descriptor: Descriptor) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                unsafe Glibc.write(descriptor.number, bytes.baseAddress, bytes.count)
            }
            if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return }
        }
    }
}

/// This process: inheritance, signals, exit.
enum Process {
    static func exit(_ code: Int32) -> Never { Glibc.exit(code) }

    /// Exits as in a crash, regardless of signal handlers.
    static func crash() -> Never {
        signal(SIGABRT, SIG_DFL)
        abort()
    }

    static func ignoreTermination() { signal(SIGTERM, SIG_IGN) }

    /// Becomes readable when SIGTERM arrives, without a race between check and wait.
    static func watchTermination() throws(SocketError) -> Descriptor {
        var ends: [Int32] = [-1, -1]
        guard unsafe pipe(&ends) == 0 else { throw SocketError("pipe") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        unsafe terminationPipe = ends[1]
        signal(SIGTERM) { _ in
            var byte: UInt8 = 0
            _ = unsafe Glibc.write(terminationPipe, &byte, 1)
        }
        return Descriptor(number: ends[0])
    }

    /// Starts a program that inherits everything except the sockets. Returns its pid.
    static func spawn(_ program: String, _ arguments: [String], ownSession: Bool) -> Int32? {
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        // POSIX_SPAWN_SETSID, declared only with _GNU_SOURCE.
        if ownSession { unsafe posix_spawnattr_setflags(&attributes, 0x80) }

        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([program] + arguments).map { unsafe strdup($0) } + [nil]
        defer { for index in unsafe words.indices { unsafe free(words[index]) } }
        var number: pid_t = 0
        let status = unsafe posix_spawnp(&number, program, nil, &attributes, &words, environ)
        return status == 0 ? number : nil
    }

    static func environment(named name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }

    static var number: Int32 { getpid() }
    static var parent: Int32 { getppid() }
    static var group: Int32 { getpgrp() }
    static var session: Int32 { getsid(0) }

    static var unixSeconds: Int { time(nil) }
}

nonisolated(unsafe) private var terminationPipe: Int32 = -1

/// Small files, read and written as a whole.
enum Files {
    static func read(_ path: String) -> [UInt8]? {
        let file = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { _ = Glibc.close(file) }
        var content: [UInt8] = []
        while true {
            var piece = [UInt8](repeating: 0, count: 4096)
            let count = unsafe Glibc.read(file, &piece, piece.count)
            guard count > 0 else { return content }
            content += piece.prefix(count)
        }
    }

    /// Replaces a file atomically, so that a test may wait for it to exist.
    static func write(_ content: [UInt8], to path: String) -> Bool {
        let draft = path + ".draft"
        let file = unsafe open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { return false }
        Console.write(content, to: Descriptor(number: file))
        _ = Glibc.close(file)
        return unsafe rename(draft, path) == 0
    }

    static func target(ofLink path: String) -> String? {
        var room = [UInt8](repeating: 0, count: 4096)
        let count = unsafe room.withUnsafeMutableBytes { room in
            unsafe readlink(path, room.baseAddress!, room.count)
        }
        return count >= 0 ? String(decoding: room.prefix(count), as: UTF8.self) : nil
    }
}
