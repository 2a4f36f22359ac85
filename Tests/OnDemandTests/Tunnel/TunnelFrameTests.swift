import Testing

@testable import OnDemand

private let key = MaskingKey(1, 2, 3, 4)
private let hello = FrameWriter.text("hello", key: key)
private let goodbye = FrameWriter.close(.goingAway, key: MaskingKey(0, 0, 0, 0))

/// How a tunnel handles frames that violate the protocol.
struct TunnelFrameTests {
    /// Everything that RFC 6455 forbids to a client and that is visible without the payload.
    private static let violations: [(FrameViolation, [UInt8])] = [
        (.unmaskedFromClient, FrameWriter.text("plain")), (.reservedBits, [0xc1] + hello.dropFirst()),
        (.unknownOpcode, [0x83] + hello.dropFirst()), (.fragmentedControlFrame, [0x09, 0x80, 1, 2, 3, 4]),
        (.longControlFrame, [0x89, 0xfe, 0, 126, 1, 2, 3, 4]), (.closeBodyOfOneByte, [0x88, 0x81, 1, 2, 3, 4, 9]),
        (.continuationWithoutStart, [0x80, 0x80, 1, 2, 3, 4]),
        (.lengthOutOfRange, [0x82, 0xff, 0x80, 0, 0, 0, 0, 1, 0, 0, 1, 2, 3, 4]),
        (.lengthNotMinimal, [0x82, 0xfe, 0, 5, 1, 2, 3, 4, 1, 2, 3, 4, 5]),
        (.messageTooBig, [0x82, 0xff, 0, 0, 0, 0, 0, 2, 0, 1, 1, 2, 3, 4]),
    ]

    private static var limits: ServiceLimits {
        var limits = ServiceLimits()
        limits.maximumMessageBytes = 128 * 1024
        return limits
    }

    @Test("a tunnel is one element of a slab and nothing else, so this is the cost of an idle WebSocket")
    func size() { #expect(MemoryLayout<Tunnel>.stride <= 200) }

    private func close(_ violation: FrameViolation) -> [UInt8] {
        FrameWriter.close(violation.closeCode, reason: violation.reason)
    }

    @Test("a client's forbidden frame is not forwarded: the client gets the reason, the backend 1001")
    func fromClient() {
        for (violation, frame) in Self.violations {
            let bench = TunnelHarness(Self.limits)
            bench.clientSays(hello + frame + hello)
            #expect(bench.heardByBackend == hello + goodbye, "\(violation)")
            #expect(bench.heardByClient == close(violation), "\(violation)")
            #expect(bench.tunnel.protocolViolation == .init(side: .client, violation: violation))
            #expect(bench.tunnel.closeHandshake == .failed(discarded: 0))
            #expect(bench.client.peerHasEnded, "the server ends first, right behind its close frame: \(violation)")
        }
    }

    @Test("no payload of the forbidden frame is forwarded, however the bytes are split, and nothing after it")
    func splits() {
        for (violation, frame) in Self.violations {
            for pieces in Splits.all(of: hello + frame) {
                let bench = TunnelHarness(Self.limits)
                for piece in pieces { bench.clientSays(piece) }
                bench.clientSays(hello)
                let heard = bench.heardByBackend
                let valid = heard.starts(with: hello) ? heard.dropFirst(hello.count) : []
                #expect(heard.starts(with: hello), "\(violation)")
                let isPartOfHeader = valid.count < 14 && frame.starts(with: valid)
                #expect(Array(valid) == goodbye || isPartOfHeader, "\(violation): \(valid)")
                #expect(bench.heardByClient == close(violation), "\(violation)")
            }
        }
    }

    @Test("the client gets the close frame only after the backend's own frame is complete")
    func boundary() {
        let bench = TunnelHarness()
        let frame = FrameWriter.text("a frame in two pieces")
        bench.backendSays(Array(frame[..<4]))
        bench.clientSays(FrameWriter.text("plain"))
        #expect(bench.heardByClient == Array(frame[..<4]))
        #expect(bench.tunnel.closeHandshake == .pending(.protocolError) && !bench.client.peerHasEnded)
        bench.backendSays(Array(frame[4...]))
        #expect(bench.heardByClient == Array(frame[4...]) + close(.unmaskedFromClient))
        #expect(bench.tunnel.closeHandshake == .failed(discarded: 0) && bench.client.peerHasEnded)
    }

    @Test("bytes of a client after its close frame are discarded until it closes")
    func afterwards() {
        let bench = TunnelHarness()
        bench.clientSays(FrameWriter.text("plain") + hello)
        bench.clientSays(hello + hello)
        #expect(bench.heardByBackend == goodbye)
        bench.client.end()
        #expect(bench.run() == .over(.closeHandshake))
    }

    @Test("a violation by the backend is an internal error to its client, after its last whole frame")
    func fromBackend() {
        let bench = TunnelHarness()
        let good = FrameWriter.text("good")
        bench.backendSays(good + FrameWriter.text("masked", key: key))
        #expect(bench.heardByClient == good + FrameWriter.close(.internalError))
        #expect(bench.tunnel.protocolViolation == .init(side: .upstream, violation: .maskedFromServer))
    }

    @Test("a violation in a header that is half sent resets the client's connection")
    func fromBackendHalfSent() {
        let bench = TunnelHarness()
        bench.backendSays([0x81])
        _ = bench.backend.send([0x85][...])
        #expect(bench.run() == .over(.upstreamReset))
    }

    @Test("frames together with the handshake are checked like all later ones")
    func eager() {
        let client = TunnelHarness(eager: hello + FrameWriter.text("plain"))
        client.run()
        #expect(client.heardByBackend == hello + goodbye && client.heardByClient == close(.unmaskedFromClient))
        let backend = TunnelHarness(early: FrameWriter.text("hi") + [0x83])
        backend.run()
        #expect(backend.heardByClient == FrameWriter.text("hi") + FrameWriter.close(.internalError))
    }

    @Test("a negotiated extension gives the reserved bits a meaning")
    func extensions() {
        let bench = TunnelHarness(extensions: true)
        let compressed = [0xc1] + hello.dropFirst()
        bench.clientSays(compressed)
        #expect(bench.heardByBackend == compressed && bench.tunnel.protocolViolation == nil)
    }

    @Test("a message has the size of its fragments together, without the control frames between them")
    func messageSize() {
        var limits = ServiceLimits()
        limits.maximumMessageBytes = 10
        let five = FrameWriter.frame(.text, [1, 2, 3, 4, 5], isFinal: false, key: key)
        let more = FrameWriter.frame(.continuation, [1, 2, 3, 4, 5], key: key)
        let ping = FrameWriter.ping([9, 9, 9], key: key)
        let bench = TunnelHarness(limits)
        bench.clientSays(five + ping + more + hello)
        #expect(bench.heardByBackend == five + ping + more + hello && bench.tunnel.protocolViolation == nil)
        bench.clientSays(five + ping + FrameWriter.frame(.continuation, [1, 2, 3, 4, 5, 6], key: key))
        #expect(bench.heardByBackend == five + ping + goodbye, "a close frame is allowed between two fragments")
        #expect(bench.heardByClient == close(.messageTooBig))
    }

    @Test("a backend may send messages of any size unless a limit is set")
    func backendMessageSize() {
        let large = FrameWriter.binary(Array(repeating: 7, count: 200_000))
        var limits = ServiceLimits()
        limits.maximumBackendMessageBytes = 1000
        for (limits, arrives) in [(ServiceLimits(), true), (limits, false)] {
            let bench = TunnelHarness(limits)
            bench.backendSays(Array(large[..<60_000]))
            let heard = bench.heardByClient
            #expect(heard == (arrives ? Array(large[..<60_000]) : FrameWriter.close(.internalError)))
        }
    }

    @Test("an abort by the backend is an internal error to a client at a frame boundary")
    func brokenBackend() {
        let bench = TunnelHarness()
        bench.backendSays(FrameWriter.text("good"))
        bench.backend.reset()
        bench.run()
        #expect(bench.heardByClient == FrameWriter.text("good") + FrameWriter.close(.internalError))
        let inFrame = TunnelHarness()
        inFrame.backendSays([0x81, 5, 1])
        inFrame.backend.reset()
        #expect(inFrame.run() == .over(.upstreamReset))
    }

    @Test("a backend that ends between two frames gets its close frame sent, and the other direction continues")
    func silentEnd() {
        let bench = TunnelHarness()
        bench.backendSays(FrameWriter.text("good"))
        bench.backend.end()
        bench.run()
        #expect(bench.heardByClient == FrameWriter.text("good") + FrameWriter.close(.internalError))
        #expect(bench.client.peerHasEnded && bench.tunnel.closeHandshake == .none)
        bench.clientSays(hello)
        #expect(bench.heardByBackend == hello, "a direction that is open stays open")
        bench.tunnel.backendIsGone = true
        #expect(bench.run() == .rest && bench.tunnel.closeHandshake == .sent, "its client has a moment to answer")
        _ = bench.client.send(FrameWriter.close(.internalError, key: key)[...])
        #expect(bench.run() == .over(.closeHandshake) && bench.heardByClient == [])
        let inFrame = TunnelHarness()
        inFrame.backendSays([0x81, 5, 1])
        inFrame.backend.end()
        inFrame.run()
        #expect(inFrame.heardByClient == [0x81, 5, 1] && inFrame.client.peerHasEnded, "there nothing can be said")
    }

    @Test("an end that the client has requested, by a close frame or an end, is forwarded as it is")
    func askedForEnd() {
        let goodbye = TunnelHarness()
        goodbye.clientSays(FrameWriter.close(.normal, key: key))
        goodbye.backend.end()
        goodbye.run()
        #expect(goodbye.heardByClient == [] && goodbye.client.peerHasEnded)
        let ended = TunnelHarness()
        ended.client.end()
        ended.run()
        ended.backendSays(FrameWriter.text("last"))
        ended.backend.end()
        #expect(ended.run() == .over(.done) && ended.heardByClient == FrameWriter.text("last"))
    }

    @Test("bytes on their way to a broken backend do not cost the client its close frame")
    func breaksMeanwhile() {
        for breaks in [SimulatedSocket.reset, SimulatedSocket.close] {
            let bench = TunnelHarness()
            _ = bench.backend.send(FrameWriter.text("last")[...])
            breaks(bench.backend)()
            bench.clientSays(hello)
            bench.kernel.runWithoutDaemon()
            bench.run()
            #expect(bench.heardByClient == FrameWriter.text("last") + FrameWriter.close(.internalError))
        }
    }

    @Test("a backend that ends while its tunnels are to be closed has that reason in its close frames")
    func plannedGoodbye() {
        let bench = TunnelHarness()
        bench.tunnel.closeHandshake = .scheduled(.serviceRestart)
        bench.backend.end()
        bench.run()
        #expect(bench.heardByClient == FrameWriter.close(.serviceRestart))
        bench.tunnel.closeTunnel(.serviceRestart)
        bench.run()
        #expect(bench.heardByClient == [] && bench.tunnel.closeHandshake == .sent, "once is enough")
    }

    @Test("a backend's own close frame is forwarded, and no second one is sent")
    func ownGoodbye() {
        let bench = TunnelHarness()
        bench.backendSays(FrameWriter.close(CloseCode(4000), reason: "own"))
        bench.backend.reset()
        bench.run()
        #expect(bench.heardByClient == FrameWriter.close(CloseCode(4000), reason: "own"))
    }

    @Test("both directions are counted: bytes, frames, messages, pings, pongs and close codes")
    func traffic() {
        let bench = TunnelHarness(early: FrameWriter.ping())
        bench.clientSays(hello + FrameWriter.pong(key: key) + FrameWriter.close(CloseCode(4001), key: key))
        bench.backendSays(FrameWriter.text("a") + FrameWriter.close(.normal))
        let said = hello.count + FrameWriter.pong(key: key).count + FrameWriter.close(.normal, key: key).count
        #expect(
            bench.traffic.fromClients
                == .init(bytes: UInt64(said), frames: 3, messages: 1, pings: 0, pongs: 1))
        #expect(bench.traffic.fromBackend == .init(bytes: 9, frames: 3, messages: 1, pings: 1, pongs: 0))
        #expect(bench.traffic.closeCodes == [.init(code: 4001, count: 1), .init(code: 1000, count: 1)])
        #expect(bench.traffic.tunnels == 1)
    }

    @Test("a client above its message rate is not read until its next allowance, and loses nothing")
    func rateLimiter() {
        var limits = ServiceLimits()
        limits.maximumMessageRate = 2
        let bench = TunnelHarness(limits)
        bench.clientSays(hello + hello)
        #expect(!bench.tunnel.up.isPaused)
        bench.clientSays(hello + hello)
        #expect(bench.tunnel.up.isPaused && bench.heardByBackend == hello + hello + hello + hello)
        bench.clientSays(hello)
        #expect(bench.heardByBackend.isEmpty)
        bench.backendSays(FrameWriter.text("still here"))
        #expect(bench.heardByClient == FrameWriter.text("still here"), "the other direction is as fast as ever")
        #expect(bench.tunnel.rateLimiter?.next(after: bench.kernel.now()) == bench.kernel.now() + .seconds(1))
        bench.tunnel.up.resume()
        bench.run()
        #expect(bench.heardByBackend == hello)
    }

    @Test("after one read with many small frames an iteration relays few of them, and larger ones restore large reads")
    func floodOfSmallFrames() {
        let bench = TunnelHarness(clientCapacity: 1 << 20, backendCapacity: 1 << 20)
        let ping: [UInt8] = [0x89, 0x80, 1, 2, 3, 4]
        _ = bench.client.send(Array(repeating: ping, count: 60_000).joined().map(\.self)[...])
        bench.relayOnce()
        var most: UInt64 = 0
        var (turns, last) = (0, bench.traffic.fromClients.frames)
        while bench.relayOnce() == .more, turns < 1000 {
            most = max(most, bench.traffic.fromClients.frames - last)
            last = bench.traffic.fromClients.frames
            turns += 1
        }
        #expect(bench.traffic.fromClients.pings == 60_000 && bench.heardByBackend.count == 360_000)
        #expect(most <= 2 * UInt64(Limits.smallReadBytes / ping.count + 1), "\(most) frames in one turn")
        #expect(bench.tunnel.up.readsSmall)
        let large = FrameWriter.text(String(repeating: "x", count: 30_000), key: key)
        for _ in 0..<3 { bench.clientSays(large) }
        #expect(!bench.tunnel.up.readsSmall && bench.heardByBackend.count == 3 * large.count)
    }

    @Test("a tunnel that has used up its share is relayed again when it is resumed, and not for an event")
    func busyTunnel() {
        let bench = TunnelHarness()
        bench.run()
        bench.tunnel.isBusy = true
        _ = bench.client.send(hello[...])
        let token = Token(ConnectionToken.client, index: 0, generation: bench.tunnel.generation)
        bench.take([.readable], for: token)
        #expect(bench.heardByBackend == [])
        bench.take([], for: token)
        #expect(bench.heardByBackend == hello && !bench.tunnel.isBusy)
    }
}
