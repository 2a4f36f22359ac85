import CLinux
import Glibc

/// The calls on stream sockets. Every socket is created non-blocking and close-on-exec.
enum StreamSocket {
    static func open(for address: SocketAddress) throws(SystemError) -> Int32 {
        let raw = socket(
            address.family, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SystemError(call: "socket", code: .current, subject: "\(address)") }
        return raw
    }

    /// Detects a client that vanished without a FIN within 30 s, also with data in flight. The same limit ends a
    /// connection that accepts no data (tcp(7), TCP_USER_TIMEOUT).
    static func setStreamOptions(_ raw: Int32) {
        // Send small frames without delay.
        set(raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
        setKeepAlive(raw)
        set(raw, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, Int32(Limits.peerSilence.wholeMilliseconds))
    }

    /// Probes idle connections. A backend may stay silent for longer than a client, and its process is watched anyway.
    private static func setKeepAlive(_ raw: Int32) {
        let tcp = Int32(IPPROTO_TCP)
        set(raw, SOL_SOCKET, SO_KEEPALIVE, 1)
        set(raw, tcp, TCP_KEEPIDLE, Int32(Limits.keepAliveIdle.components.seconds))
        set(raw, tcp, TCP_KEEPINTVL, Int32(Limits.keepAliveInterval.components.seconds))
        set(raw, tcp, TCP_KEEPCNT, Limits.keepAliveProbes)
    }

    static func set(_ raw: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
        var value = value
        let status = unsafe setsockopt(raw, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        precondition(status == 0 || errno != EBADF, "setsockopt on a descriptor that is not ours")
    }

    /// Sets the mode of the socket, which all its holders share. Children expect a blocking socket (sd_listen_fds(3)).
    static func setBlocking(_ descriptor: Descriptor, _ blocks: Bool) {
        let flags = fcntl(descriptor.raw, F_GETFL)
        precondition(flags >= 0, "the mode of a descriptor that is not ours")
        _ = fcntl(descriptor.raw, F_SETFL, blocks ? flags & ~O_NONBLOCK : flags | O_NONBLOCK)
    }

    static func localAddress(of raw: Int32) -> SocketAddress? {
        unsafe SocketAddress.filled { unsafe getsockname(raw, $0, $1) }
    }

    static func listeningProcess(behind descriptor: Descriptor) -> ProcessID? {
        // struct ucred: pid, uid and gid.
        var credentials: [Int32] = [0, 0, 0]
        var length = socklen_t(credentials.count * MemoryLayout<Int32>.size)
        guard unsafe getsockopt(descriptor.raw, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0,
            credentials[0] > 0
        else { return nil }
        return ProcessID(number: credentials[0])
    }

    static func accept(from listener: Descriptor) -> AcceptResult {
        for _ in 0..<Limits.acceptsPerTurn {
            var raw: Int32 = -1
            let peer = unsafe SocketAddress.filled { address, length in
                raw = unsafe accept4(
                    listener.raw, address, length, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
                return raw
            }
            if raw >= 0 { return .accepted(Descriptor(raw: raw), from: peer ?? .unix(path: "")) }
            if let result = AcceptResult(failure: errno) { return result }
        }
        // Only aborted connections so far. The rest waits for the next turn.
        return .wouldBlock
    }

    static func connect(to address: SocketAddress) -> ConnectResult {
        let raw: Int32
        do throws(SystemError) { raw = try open(for: address) } catch { return .failed(error.code) }
        if address.port != nil { set(raw, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
        // A peer on the same machine cannot vanish silently.
        if address.port != nil, !address.isLoopback { setKeepAlive(raw) }
        return connect(raw, to: address)
    }

    /// Connects for a probe. On the loopback interface the result is available when connect returns, but not as its
    /// return value, so one poll decides.
    static func connectProbe(at address: SocketAddress) -> ConnectResult {
        let raw: Int32
        do throws(SystemError) { raw = try open(for: address) } catch { return .failed(error.code) }
        let result = connect(raw, to: address)
        guard case .inProgress(let descriptor) = result else { return result }
        var decided = pollfd(fd: raw, events: Int16(POLLOUT), revents: 0)
        guard unsafe poll(&decided, 1, 0) == 1 else { return .inProgress(descriptor) }
        guard let code = connectFailure(of: descriptor) else { return .connected(descriptor) }
        close(descriptor)
        return .failed(code)
    }

    private static func connect(_ raw: Int32, to address: SocketAddress) -> ConnectResult {
        while true {
            if unsafe address.withSockaddr({ unsafe Glibc.connect(raw, $0, $1) }) == 0 {
                return .connected(Descriptor(raw: raw))
            }
            switch errno {
            case EINTR: continue
            case EINPROGRESS: return .inProgress(Descriptor(raw: raw))
            default:
                let code = Errno.current
                _ = Glibc.close(raw)
                return .failed(code)
            }
        }
    }

    static func connectFailure(of descriptor: Descriptor) -> Errno? {
        var code: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(descriptor.raw, SOL_SOCKET, SO_ERROR, &code, &length)
        return code == 0 ? nil : Errno(number: code)
    }

    static func receive(from descriptor: Descriptor, into buffer: inout [UInt8], atMost limit: Int) -> ReadResult {
        while true {
            let count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(descriptor.raw, $0.baseAddress, min($0.count, limit), 0)
            }
            if let result = ReadResult(count: count) { return result }
        }
    }

    static func send(_ bytes: Span<UInt8>, to descriptor: Descriptor) -> WriteResult {
        while true {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                unsafe Glibc.send(descriptor.raw, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
            }
            if let result = WriteResult(count: count) { return result }
        }
    }

    static func roomToSend(on descriptor: Descriptor) -> Int {
        var memory = [UInt32](repeating: 0, count: SK_MEMINFO_VARS)
        var length = socklen_t(memory.count * MemoryLayout<UInt32>.size)
        guard unsafe getsockopt(descriptor.raw, SOL_SOCKET, SO_MEMINFO, &memory, &length) == 0 else { return 0 }
        // TCP counts queued bytes, a Unix socket allocated bytes.
        let taken = max(memory[SK_MEMINFO_WMEM_QUEUED], memory[SK_MEMINFO_WMEM_ALLOC])
        let limit = memory[SK_MEMINFO_SNDBUF]
        return Int(limit - min(limit, taken))
    }

    static func undeliveredBytes(to descriptor: Descriptor) -> Int {
        var count: Int32 = 0
        let status = unsafe ioctl(descriptor.raw, UInt(TIOCOUTQ), &count)
        precondition(status == 0 || errno != EBADF, "SIOCOUTQ on a descriptor that is not ours")
        return status == 0 ? Int(count) : 0
    }

    static func endSending(on descriptor: Descriptor) {
        // ENOTCONN: the peer has reset the connection.
        let status = shutdown(descriptor.raw, Int32(SHUT_WR))
        precondition(status == 0 || errno != EBADF, "shutdown on a descriptor that is not ours")
    }

    static func reset(_ descriptor: Descriptor) {
        var abruptly = linger(l_onoff: 1, l_linger: 0)
        unsafe setsockopt(
            descriptor.raw, SOL_SOCKET, SO_LINGER, &abruptly, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }

    static func close(_ descriptor: Descriptor) {
        let status = Glibc.close(descriptor.raw)
        precondition(status == 0 || errno != EBADF, "closed twice: \(descriptor.raw)")
    }

    /// Empties the accept queue and listens again. A child that shut the shared socket down has ended it for all
    /// processes, and listen(2) repairs that.
    static func drainAcceptQueue(of listener: Descriptor, limit: Int) {
        setBlocking(listener, false)
        for _ in 0..<limit {
            let raw = accept4(listener.raw, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
            if raw >= 0 { _ = Glibc.close(raw) } else if errno != EINTR, errno != ECONNABORTED { break }
        }
        _ = Glibc.listen(listener.raw, Int32(SOMAXCONN))
    }
}
