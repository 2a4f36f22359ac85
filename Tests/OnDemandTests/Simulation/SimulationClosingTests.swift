import Testing

@testable import OnDemand

private let key = MaskingKey(1, 2, 3, 4)
private let hello = FrameWriter.text("hello", key: key)

/// How the daemon ends tunnels, and how soon it closes one side after the other side has ended.
@Suite("Simulation: how connections end")
struct SimulationClosingTests {
    // MARK: Frames in one piece with the heads

    private static var limits: ServiceLimits {
        var limits = ServiceLimits()
        limits.maximumMessageBytes = 1000
        limits.maximumBackendMessageBytes = 1000
        return limits
    }

    private static let ofClients: [(FrameViolation, [UInt8])] = [
        (.unmaskedFromClient, FrameWriter.text("plain")), (.reservedBits, [0xc1] + hello.dropFirst()),
        (.fragmentedControlFrame, [0x09, 0x80, 1, 2, 3, 4]),
        (.messageTooBig, FrameWriter.binary(Array(repeating: 7, count: 1001), key: key)),
    ]
    private static let ofBackends: [(FrameViolation, [UInt8])] = [
        (.maskedFromServer, hello), (.unknownOpcode, [0x83, 1, 7]),
        (.messageTooBig, FrameWriter.binary(Array(repeating: 7, count: 1001))),
    ]

    /// Expects a close frame as the last bytes to the client, then the end at once. An inactive client is closed
    /// together with its backend.
    private func expectFailed(
        _ bench: DaemonBench, _ client: DaemonBench.Peer, _ backend: DaemonBench.Peer, _ code: CloseCode, _ what: String
    ) {
        let began = bench.kernel.now()
        bench.run(for: .seconds(30)) { client.isClosed && backend.isClosed }
        #expect(client.isClosed && backend.isClosed, "\(what): both connections are closed")
        #expect(bench.kernel.now() - began <= Limits.closeTimeout + .milliseconds(10), "\(what)")
        let reason = client.heard.lastRange(of: [UInt8(code.number >> 8), UInt8(code.number & 0xff)])
        #expect(reason != nil, "\(what): the client is told \(code)")
        #expect(client.heardEndAt.map { $0 - began < .milliseconds(10) } ?? false, "\(what): the end comes at once")
        #expect(bench.connectionCount == 0, "\(what)")
    }

    @Test(
        "a client's forbidden frame behind its upgrade ends the tunnel, however it is split"
    )
    func eager() throws {
        let bench = try DaemonBench(limits: Self.limits)
        for (violation, frame) in Self.ofClients {
            let frames = hello + frame
            for cut in [1, 2, 6, hello.count, hello.count + 1, hello.count + 2, hello.count + 4, frames.count]
            where cut <= frames.count {
                let (client, backend) = try bench.openTunnel(eager: Array(frames[..<cut]))
                client.send(Array(frames[cut...]))
                expectFailed(bench, client, backend, violation.closeCode, "\(violation) cut at \(cut)")
                #expect(backend.heard.contains(hello), "\(violation) cut at \(cut): the valid bytes arrive")
            }
        }
    }

    @Test(
        "a backend's forbidden frame behind its 101 ends the tunnel, however much of it arrives together with the head")
    func early() throws {
        let bench = try DaemonBench(limits: Self.limits)
        let valid = FrameWriter.text("good")
        for (violation, frame) in Self.ofBackends {
            let frames = valid + frame
            for cut in [1, 2, valid.count, valid.count + 1, frames.count] {
                // If the second read completes an invalid header, its first part is already forwarded: no close frame
                // is possible.
                guard cut <= valid.count || cut == frames.count else { continue }
                let (client, backend) = try bench.openTunnel(early: Array(frames[..<cut]))
                backend.send(Array(frames[cut...]))
                expectFailed(bench, client, backend, .internalError, "\(violation) cut at \(cut)")
                #expect(client.heard.contains(valid), "\(violation) cut at \(cut): the valid bytes arrive")
            }
        }
    }

    @Test("a tunnel ends when both sides send a forbidden frame together with their heads")
    func both() throws {
        let bench = try DaemonBench(limits: Self.limits)
        for (_, eager) in Self.ofClients {
            for (_, early) in Self.ofBackends {
                let (client, backend) = try bench.openTunnel(eager: hello + eager, early: early)
                expectFailed(bench, client, backend, .internalError, "both")
            }
        }
    }

    @Test("a client that closes behind a forbidden frame is closed at once")
    func eagerAndGone() throws {
        let bench = try DaemonBench(limits: Self.limits)
        let (client, backend) = try bench.openTunnel(eager: hello + FrameWriter.text("plain"))
        client.socket.end()
        bench.run(for: .milliseconds(10))
        #expect(client.isClosed && backend.isClosed && bench.connectionCount == 0)
    }

    @Test("fifty inactive clients of failed connections do not delay a shutdown")
    func shutdown() throws {
        let bench = try DaemonBench(limits: Self.limits)
        let tunnels = try (0..<50).map { _ in try bench.openTunnel(eager: FrameWriter.text("plain")) }
        let began = bench.kernel.now()
        bench.kernel.raise(.terminate)
        bench.run(for: .seconds(20)) { bench.daemon.hasExited }
        #expect(bench.kernel.now() - began < .milliseconds(100))
        #expect(tunnels.allSatisfy { $0.client.isClosed && $0.backend.isClosed })
    }

    @Test("a failed connection discards a bounded number of bytes from a fast client")
    func flood() throws {
        let bench = try DaemonBench(limits: Self.limits)
        let (client, _) = try bench.openTunnel(eager: FrameWriter.text("plain"))
        let began = bench.kernel.now()
        var sent = 0
        while !client.isClosed, sent < 64 * 1024 * 1024 {
            if case .bytes(let count) = client.socket.send(Array(repeating: 7, count: 65_536)[...]) { sent += count }
            bench.run(for: .microseconds(100))
        }
        // The remaining bytes in transit then fit in the socket's own buffer.
        let limit = Limits.discardedKibibytes * 1024
        #expect((limit / 2...limit + 1_100_000).contains(sent), "\(sent)")
        #expect(bench.kernel.now() - began < .seconds(1))
    }

    // MARK: One side has ended

    enum Ending: CaseIterable {
        case clientEnds, clientCloses, backendEnds, clientSaysClose, backendSaysClose, floodsAndCloses
    }

    @Test(
        "the daemon closes the other side of a half-ended tunnel when no more bytes move",
        arguments: Ending.allCases)
    func ended(ending: Ending) throws {
        let bench = try DaemonBench()
        let (client, backend) = try bench.openTunnel()
        let began = bench.kernel.now()
        switch ending {
        case .clientEnds: client.socket.end()
        case .clientCloses: client.socket.close()
        case .backendEnds: backend.socket.end()
        case .clientSaysClose: client.send(FrameWriter.close(.normal, key: key))
        case .backendSaysClose: backend.send(FrameWriter.close(.normal))
        case .floodsAndCloses:
            backend.isDeaf = true
            for _ in 0..<100 {
                client.send(FrameWriter.binary(Array(repeating: 7, count: 60_000), key: key))
                bench.run(for: .milliseconds(1))
            }
            client.socket.end()
        }
        bench.run(for: Limits.sendTimeout - .milliseconds(500))
        #expect(!backend.isClosed, "it has its time")
        bench.run(for: .milliseconds(800))
        #expect(client.isClosed && backend.isClosed && bench.connectionCount == 0)
        #expect(bench.kernel.now() - began < Limits.sendTimeout + .seconds(1))
        #expect(bench.kernel.logged(.connectionAborted).contains { $0.contains("reason=no_progress ") })
    }

    @Test("a half-ended tunnel stays open while its other side receives bytes", arguments: [true, false])
    func progress(clientEnds: Bool) throws {
        let bench = try DaemonBench()
        let (client, backend) = try bench.openTunnel()
        let (ends, goesOn) = clientEnds ? (client, backend) : (backend, client)
        ends.socket.end()
        let frame = clientEnds ? FrameWriter.text("more") : hello
        for _ in 0..<10 {
            bench.run(for: Limits.sendTimeout * 3 / 4)
            goesOn.send(frame)
        }
        bench.run(for: .milliseconds(10))
        #expect(!client.isClosed && !backend.isClosed)
        #expect(ends.heard.count >= 10 * frame.count)
        goesOn.socket.end()
        bench.run(for: .milliseconds(10))
        #expect(client.isClosed && backend.isClosed)
    }

    @Test("a quiet tunnel with both sides open stays open and causes no wakeup")
    func quiet() throws {
        let bench = try DaemonBench()
        let (client, backend) = try bench.openTunnel(eager: hello)
        bench.run(for: .seconds(3600))
        #expect(!client.isClosed && !backend.isClosed)
        #expect(bench.daemon.reactor.deadline == nil)
    }

    @Test("a tunnel stays open although an earlier request of its client lost its generation of the backend")
    func afterLostGeneration() throws {
        let bench = try DaemonBench()
        let client = bench.connect()
        client.send(Self.get)
        bench.run(for: .milliseconds(10))
        #expect(bench.accept() != nil)
        let proxy = bench.daemon.proxy
        let id = bench.daemon.running.backendIDs[0]
        proxy.handle(.generationEnded(id, proxy.services.all[id.index].unmanagedGeneration))
        bench.run(for: .milliseconds(10))
        #expect(String(decoding: client.heard, as: UTF8.self).hasPrefix("HTTP/1.1 502 ") && !client.isClosed)
        client.send(DaemonBench.upgrade)
        bench.run(for: .milliseconds(10))
        let backend = try #require(bench.accept())
        backend.send(DaemonBench.switching)
        bench.run(for: .seconds(10))
        backend.send(FrameWriter.text("later"))
        bench.run(for: .seconds(10))
        #expect(client.heard.suffix(7) == FrameWriter.text("later")[...] && !client.isClosed && !backend.isClosed)
    }

    // MARK: HTTP clients that leave

    private static let get = Array("GET /s0/page HTTP/1.1\r\nHost: example.test\r\n\r\n".utf8)
    private static let streamHead = Array("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".utf8)

    private func request(
        _ bench: DaemonBench, response: [UInt8]
    ) throws -> (client: DaemonBench.Peer, backend: DaemonBench.Peer) {
        let client = bench.connect()
        client.send(Self.get)
        bench.run(for: .milliseconds(10))
        let backend = try #require(bench.accept())
        backend.send(response)
        bench.run(for: .milliseconds(10))
        return (client, backend)
    }

    enum Leaving: CaseIterable { case end, close, reset }

    @Test(
        "the backend connection closes within 1 s when a client leaves during a pending or streaming response",
        arguments: Leaving.allCases, [false, true])
    func leaves(how: Leaving, isStreaming: Bool) throws {
        let bench = try DaemonBench()
        let (client, backend) = try request(bench, response: isStreaming ? Self.streamHead : [])
        bench.run(for: .seconds(30))
        #expect(!backend.isClosed, "a client that waits is no client that leaves")
        let began = bench.kernel.now()
        switch how {
        case .end: client.socket.end()
        case .close: client.socket.close()
        case .reset: client.socket.reset()
        }
        bench.run(for: .seconds(10)) { backend.isClosed }
        let took = bench.kernel.now() - began
        #expect(backend.isClosed && took <= Limits.departureTimeout + .milliseconds(10), "\(took)")
        #expect(how != .reset || took < .milliseconds(10))
        #expect(bench.connectionCount == 0 && bench.daemon.proxy.services.all[0].gate.leases == 0)
    }

    @Test("a half-closed client that still reads gets the whole response")
    func reads() throws {
        let bench = try DaemonBench()
        let (client, backend) = try request(bench, response: Self.streamHead)
        client.socket.end()
        for number in 0..<20 {
            bench.run(for: Limits.departureTimeout * 3 / 4)
            backend.send(Array("data: \(number)\n\n".utf8))
        }
        backend.socket.end()
        bench.run(for: .milliseconds(10))
        #expect(String(decoding: client.heard, as: UTF8.self).hasSuffix("data: 19\n\n"))
        #expect(client.isClosed && backend.isClosed)
    }

    @Test("a half-closed client gets a response that begins within 1 s")
    func halfClosed() throws {
        let bench = try DaemonBench()
        let (client, backend) = try request(bench, response: [])
        client.socket.end()
        bench.run(for: Limits.departureTimeout - .milliseconds(50))
        backend.send(Array("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".utf8))
        bench.run(for: .milliseconds(10))
        #expect(String(decoding: client.heard, as: UTF8.self).hasSuffix("\r\n\r\nok"))
        #expect(client.isClosed)
    }

    // MARK: The log

    @Test("a close by the daemon is logged at info with service, client and reason")
    func told() throws {
        let bench = try DaemonBench(limits: Self.limits)
        func lines() -> [String] { bench.kernel.logged(.connectionAborted) }
        func expectLine(_ number: Int, _ parts: String...) {
            #expect(lines().count == number)
            for part in ["info", "service=s0", "client=192.0.2."] + parts {
                #expect(lines().last?.contains(part) ?? false, "\(part) in \(lines())")
            }
        }
        var (client, backend) = try bench.openTunnel(eager: FrameWriter.text("plain"))
        bench.run(for: .seconds(3))
        expectLine(1, "reason=protocol_violation close_code=1002 detail=\"A client must mask its frames.\"")
        (client, backend) = try bench.openTunnel(eager: FrameWriter.binary(Array(repeating: 7, count: 1001), key: key))
        bench.run(for: .seconds(3))
        expectLine(2, "reason=message_too_big close_code=1009")
        (client, backend) = try bench.openTunnel()
        backend.socket.reset()
        bench.run(for: .seconds(3))
        expectLine(3, "reason=backend_ended close_code=1011")
        (client, backend) = try bench.openTunnel(early: FrameWriter.text("half of it").dropLast())
        backend.socket.reset()
        bench.run(for: .seconds(3))
        expectLine(4, "reason=upstream_reset")
        (client, backend) = try bench.openTunnel()
        client.isDeaf = true
        let frame = FrameWriter.binary(Array(repeating: 7, count: 900))
        for _ in 0..<20_000 {
            guard backend.socket.roomToSend < frame.count else {
                backend.send(frame)
                continue
            }
            bench.run(for: .milliseconds(1))
        }
        bench.run(for: .seconds(60)) { lines().count > 4 }
        expectLine(5, "reason=stalled")
        (client, backend) = try bench.openTunnel(early: hello)
        bench.run(for: .seconds(3))
        let warnings = bench.kernel.logged(.upstreamError)
        #expect(warnings.count == 1 && warnings[0].contains("client=192.0.2.") && warnings[0].contains("=1011"))
        (client, backend) = try bench.openTunnel()
        client.send(FrameWriter.close(.normal, key: key))
        backend.send(FrameWriter.close(.normal))
        backend.socket.end()
        client.socket.end()
        bench.run(for: .seconds(3))
        (client, backend) = try bench.openTunnel()
        client.socket.reset()
        bench.run(for: .seconds(60))
        #expect(lines().count == 5, "what the sides end themselves is no news")
    }

    @Test("a flood of protocol violations is logged up to a limit and then counted")
    func logFlood() throws {
        let bench = try DaemonBench()
        for _ in 0..<200 {
            let (client, _) = try bench.openTunnel(eager: FrameWriter.text("plain"))
            client.socket.end()
        }
        let seconds = Int(bench.kernel.now().nanoseconds / 1_000_000_000)
        #expect(bench.kernel.logged(.connectionAborted).count <= Limits.linesPerSecond * (seconds + 2))
        bench.run(for: .seconds(5))
        _ = try bench.openTunnel(eager: FrameWriter.text("plain"))
        let lines = bench.kernel.logged(.connectionAborted)
        let leftOut = lines.reduce(0) { sum, line in
            sum + (line.firstMatch(of: #/left_out=([0-9]+)/#).flatMap { Int($0.1) } ?? 0)
        }
        #expect(leftOut >= 100 && lines.count + leftOut == 201, "\(lines.count) lines, \(leftOut) left out")
    }
}

extension [UInt8] {
    fileprivate func lastRange(of part: [UInt8]) -> Int? { indices.last { self[$0...].starts(with: part) } }

    fileprivate func contains(_ part: [UInt8]) -> Bool { indices.contains { self[$0...].starts(with: part) } }
}
