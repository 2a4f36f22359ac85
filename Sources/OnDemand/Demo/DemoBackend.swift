/// The demo's backend: serves its connections until a signal ends the process.
final class DemoBackend<K: Kernel>: EventHandler {
    private struct Connection {
        let descriptor: Descriptor
        var conversation = DemoConversation()
        var unsent: [UInt8] = []
        var hasEnded = false
    }

    private let kernel: K
    private let reactor: Reactor<K>
    private let listener: Descriptor
    private var connections: [Token: Connection] = [:]
    private var accepted = 0
    private var buffers = Array(repeating: UInt8(0), count: Limits.demoMessageBytes)

    /// Listens after `Limits.demoStartup`, like a server that loads an application.
    init(kernel: K, address: SocketAddress) throws(SystemError) {
        self.kernel = kernel
        reactor = Reactor(kernel: kernel)
        let end = kernel.now() + Limits.demoStartup
        _ = kernel.log(Array("booting, as an application would\n".utf8).span)
        while kernel.now() < end { _ = kernel.wait(until: end) }
        listener = try kernel.listen(at: address).descriptor
        try watchListener()
        _ = kernel.log(Array("listening on \(address)\n".utf8).span)
    }

    func run() -> Never {
        while true { reactor.runOnce(self) }
    }

    func ready(_ token: Token, _: Readiness) {
        if DemoToken(token) == .listener { accept() } else { serve(token) }
    }

    func timerFired(_ key: TimerKey) {
        switch DemoTimer(key) {
        case .client: deadlineReached(Token(DemoToken.client, index: key.index, generation: 0))
        case .acceptPause: resumeAccepting()
        }
    }

    func iterationEnded() {}

    // MARK: Accepting

    private func watchListener() throws(SystemError) {
        try kernel.watch(listener, for: .readable, as: Token(DemoToken.listener, index: 0, generation: 0))
    }

    private func accept() {
        for _ in 0..<Limits.acceptsPerTurn {
            switch kernel.accept(from: listener) {
            case .accepted(let descriptor, _): admit(descriptor)
            case .wouldBlock: return
            case .ended: return kernel.unwatch(listener)
            case .failed:
                kernel.unwatch(listener)
                return reactor.arm(TimerKey(DemoTimer.acceptPause), at: kernel.now() + Limits.acceptPause)
            }
        }
    }

    private func resumeAccepting() {
        do throws(SystemError) {
            try watchListener()
        } catch {
            reactor.arm(TimerKey(DemoTimer.acceptPause), at: kernel.now() + Limits.acceptPause)
        }
    }

    private func admit(_ descriptor: Descriptor) {
        guard connections.count < Limits.demoConnections else {
            let refusal = LocalReply(status: 503, body: "The demo has too many connections.")
            _ = kernel.send(refusal.rendered(keepAlive: false, headOnly: false).span, to: descriptor)
            return kernel.close(descriptor)
        }
        accepted += 1
        let token = Token(DemoToken.client, index: accepted & 0xffff_ffff, generation: 0)
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .edges, as: token)
        } catch {
            return kernel.close(descriptor)
        }
        connections[token] = Connection(descriptor: descriptor)
        reactor.arm(TimerKey(DemoTimer.client, of: token), at: kernel.now() + Limits.headerTimeout)
        serve(token)
    }

    // MARK: Exchanges

    /// Reads only after all output is sent, so a client that does not read costs one response.
    private func serve(_ token: Token) {
        for _ in 0..<Limits.readsPerTurn {
            guard flush(token), let connection = connections[token] else { return }
            switch kernel.receive(from: connection.descriptor, into: &buffers) {
            case .bytes(let count): hear(Array(buffers[..<count]), token)
            case .wouldBlock: return
            case .ended, .failed: return close(token)
            }
        }
        reactor.resumeLater(token)
    }

    private func hear(_ bytes: [UInt8], _ token: Token) {
        guard var connection = connections[token] else { return }
        let before = connection.conversation.phase
        connection.unsent += connection.conversation.hear(bytes)
        connections[token] = connection
        switch connection.conversation.phase {
        case before: break
        case .webSocket: reactor.arm(TimerKey(DemoTimer.client, of: token), at: kernel.now() + Limits.demoPing)
        case .head, .over: reactor.arm(TimerKey(DemoTimer.client, of: token), at: kernel.now() + Limits.lingerTimeout)
        }
    }

    /// Returns false if nothing is to be done at the moment.
    private func flush(_ token: Token) -> Bool {
        guard var connection = connections[token] else { return false }
        while !connection.unsent.isEmpty {
            switch kernel.send(connection.unsent.span, to: connection.descriptor) {
            case .bytes(let count): connection.unsent.removeFirst(count)
            case .wouldBlock:
                connections[token] = connection
                return false
            case .failed:
                close(token)
                return false
            }
        }
        if connection.conversation.phase == .over, !connection.hasEnded {
            kernel.endSending(on: connection.descriptor)
            connection.hasEnded = true
        }
        connections[token] = connection
        return true
    }

    /// Closes a connection after a header timeout, a close timeout or a stall. Otherwise sends a ping.
    private func deadlineReached(_ token: Token) {
        guard let connection = connections[token] else { return }
        guard connection.conversation.phase == .webSocket, connection.unsent.isEmpty else { return close(token) }
        connections[token]?.unsent = connection.conversation.ping(at: kernel.wallClock().seconds)
        reactor.arm(TimerKey(DemoTimer.client, of: token), at: kernel.now() + Limits.demoPing)
        _ = flush(token)
    }

    private func close(_ token: Token) {
        guard let connection = connections.removeValue(forKey: token) else { return }
        reactor.disarm(TimerKey(DemoTimer.client, of: token))
        kernel.close(connection.descriptor)
    }
}
