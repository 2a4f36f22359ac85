@testable import OnDemand

/// A daemon with cables, on a simulated kernel. The test controls clients, publishers and Redis, and time is virtual.
final class CableBench {
    /// A client of a cable, at the far end of its socket.
    final class Client {
        let peer: DaemonBench.Peer
        private let bench: CableBench
        private let isTurbo: Bool

        init(_ peer: DaemonBench.Peer, _ bench: CableBench, isTurbo: Bool) {
            (self.peer, self.bench, self.isTurbo) = (peer, bench, isTurbo)
        }

        private var headEnd: Int? {
            let bytes = peer.heard
            return bytes.indices.first { bytes[$0...].starts(with: [13, 10, 13, 10]) }.map { $0 + 4 }
        }

        /// The status of the response to the upgrade; nil before it.
        var status: Int? {
            headEnd.flatMap { _ in Int(String(decoding: peer.heard.dropFirst(9).prefix(3), as: UTF8.self)) }
        }

        /// Texts of all frames, with `close CODE` for a close frame.
        var frames: [String] { headEnd.map { FrameTexts.all(in: Array(peer.heard[$0...])) } ?? [] }

        /// The same without welcome, pings and confirmations.
        var news: [String] {
            frames.filter { text in
                let words = ["welcome", "ping", "confirm_subscription", "subscribed"]
                return !words.contains { text.contains("\"type\":\"\($0)\"") }
            }
        }

        var pings: Int { frames.count { $0.contains("\"type\":\"ping\"") } }

        /// The numbers in all messages, in order.
        var numbers: [Int] {
            news.compactMap { text in
                guard let key = text.ranges(of: isTurbo ? "\"data\":" : "\"message\":").last else { return nil }
                return Int(text[key.upperBound...].dropLast())
            }
        }

        func confirmations(of stream: String) -> Int {
            frames.count { isConfirmation($0) && $0.contains(isTurbo ? "\"\(stream)\"" : "\\\"\(stream)\\\"") }
        }

        private func isConfirmation(_ text: String) -> Bool {
            text.contains(isTurbo ? "\"type\":\"subscribed\"" : "\"type\":\"confirm_subscription\"")
        }

        func send(_ bytes: [UInt8]) {
            peer.send(bytes)
            bench.run(for: .milliseconds(5))
        }

        func send(_ text: String) { send(FrameWriter.text(text, key: CableBench.mask)) }

        func subscribe(_ stream: String, _ command: String = "subscribe") {
            send(CableBench.command(command, stream, isTurbo: isTurbo))
        }

        func close() {
            peer.socket.close()
            bench.run(for: .milliseconds(5))
        }
    }

    static let key = "0123456789abcdef"
    static let mask = MaskingKey(9, 8, 7, 6)

    let kernel: SimulatedKernel
    let redis: SimulatedRedis
    /// Set in `init`, for good.
    private(set) var daemon: Daemon<SimulatedKernel>!
    /// The content of the configuration file.
    var configuration: Configuration
    private let descriptors: Int

    init(seed: UInt64 = 1, hasRedis: Bool = false, _ adjust: (inout Configuration) -> Void = { _ in }) throws {
        kernel = SimulatedKernel(seed: seed)
        redis = SimulatedRedis(kernel)
        configuration = Configuration(listen: [Scenario.publicAddress], cables: [try Self.cable()])
        configuration.closeJitter = .zero
        configuration.log.level = .debug
        if hasRedis {
            redis.start()
            configuration.cables[0].redis = .init(url: try RedisURL("redis://127.0.0.1:6379"))
        }
        adjust(&configuration)
        // The daemon reads the file again through a box, because it must not own the bench.
        let file = File(configuration)
        daemon = try Daemon(configuration, kernel: kernel) { .success(file.content) }
        self.file = file
        descriptors = kernel.files.count
    }

    private final class File {
        var content: Configuration
        init(_ content: Configuration) { self.content = content }
    }

    private let file: File

    deinit { kernel.dismantle() }

    static func cable(_ name: String = "cable") throws -> Configuration.Cable {
        var cable = Configuration.Cable(name: name, paths: [try PathPattern(parsing: "/\(name)")])
        cable.streams.publicStreams = .all
        cable.broadcast = .init(
            path: try PathPattern(parsing: "/\(name)/broadcast"), key: BearerToken.accessKey(key))
        return cable
    }

    static func command(_ command: String, _ stream: String, isTurbo: Bool) -> String {
        isTurbo
            ? "{\"type\":\"\(command)\",\"stream\":\"\(stream)\"}"
            : "{\"command\":\"\(command)\",\"identifier\":\(CableHarness.identifier(stream))}"
    }

    var server: CableServer<SimulatedKernel> { daemon.cableServer }
    /// Descriptors of clients, publishers and Redis connections.
    var connectionCount: Int { kernel.files.count - descriptors }

    func machine(_ name: String = "cable") -> CableMachine? {
        server.cables.id(named: name).flatMap { server.cables[$0]?.cable.machine }
    }

    // MARK: Time

    func run(for duration: Duration, until isEnough: () -> Bool = { false }) {
        let end = kernel.now() + duration
        while kernel.now() < end, !isEnough() {
            guard !daemon.hasExited else {
                // The bytes that the daemon sent last arrive after its exit.
                kernel.sleep(until: [end])
                continue
            }
            let deadline = daemon.reactor.deadline
            guard deadline.map({ $0 <= kernel.now() }) ?? false || kernel.hasEvents(for: 0) else {
                kernel.sleep(until: [deadline, end].compactMap { $0 })
                continue
            }
            daemon.reactor.runOnce(daemon)
        }
    }

    // MARK: Clients and publishers

    func connect(capacity: Int? = nil, to address: SocketAddress = Scenario.publicAddress) -> DaemonBench.Peer {
        let (far, near) = SimulatedSocket.pair(kernel, capacity: capacity)
        kernel.listeners[address]!.queue.append(near)
        return DaemonBench.Peer(far, kernel)
    }

    static func upgrade(_ name: String = "cable", isTurbo: Bool = false, with fields: [String] = []) -> [UInt8] {
        var lines = [
            "GET /\(name) HTTP/1.1", "Host: example.test", "Connection: Upgrade", "Upgrade: websocket",
            "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        if !isTurbo { lines.append("Sec-WebSocket-Protocol: actioncable-v1-json") }
        return Array(((lines + fields).joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    /// Opens a client, with frames that it sends together with its request.
    func open(
        _ name: String = "cable", isTurbo: Bool = false, with fields: [String] = [], capacity: Int? = nil,
        early: [UInt8] = []
    ) -> Client {
        let client = Client(connect(capacity: capacity), self, isTurbo: isTurbo)
        client.peer.send(Self.upgrade(name, isTurbo: isTurbo, with: fields) + early)
        run(for: .milliseconds(5))
        return client
    }

    /// A client that is subscribed to these streams.
    func subscribed(_ streams: String..., to name: String = "cable", isTurbo: Bool = false) -> Client {
        let client = open(name, isTurbo: isTurbo)
        for stream in streams { client.subscribe(stream) }
        return client
    }

    static func request(_ body: String, to name: String = "cable") -> [UInt8] {
        let head = [
            "POST /\(name)/broadcast HTTP/1.1", "Host: example.test", "Authorization: Bearer \(key)",
            "Content-Length: \(body.utf8.count)",
        ]
        return Array((head.joined(separator: "\r\n") + "\r\n\r\n\(body)").utf8)
    }

    /// Posts a body; returns the status, nil without a response.
    @discardableResult
    func post(_ body: String, to name: String = "cable", runs duration: Duration = .milliseconds(5)) -> Int? {
        let publisher = connect(capacity: 1_000_000)
        publisher.send(Self.request(body, to: name))
        run(for: .seconds(1)) { !publisher.heard.isEmpty }
        publisher.socket.close()
        run(for: duration)
        return Int(String(decoding: publisher.heard.dropFirst(9).prefix(3), as: UTF8.self))
    }

    @discardableResult
    func publish(_ number: Int, to stream: String = "s", of name: String = "cable") -> Int? {
        post("{\"stream\":\"\(stream)\",\"data\":\"\(number)\"}", to: name)
    }

    // MARK: The operator

    func reload(_ change: (inout Configuration) throws -> Void) rethrows {
        try change(&configuration)
        file.content = configuration
        kernel.raise(.hangUp)
        run(for: .milliseconds(5))
    }

    func shutDown() { kernel.raise(.terminate) }
}
