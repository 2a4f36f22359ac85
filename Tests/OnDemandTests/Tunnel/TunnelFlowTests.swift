import Testing

@testable import OnDemand

/// Bytes that one loop iteration relays, and the buffer for a slower side.
struct TunnelFlowTests {
    private static let flow = FrameWriter.binary(Array(repeating: 7, count: 900_000))
    private static let ordinaryShare = Limits.ordinaryReadsPerTurn * Limits.readBufferBytes

    /// Runs one iteration in which the client accepts this many bytes.
    private func bench(clientRoom: Int) -> TunnelHarness {
        let bench = TunnelHarness(clientCapacity: clientRoom, backendCapacity: 1_000_000)
        _ = bench.backend.send(Self.flow[...])
        bench.relayOnce()
        return bench
    }

    @Test("a flow that is accepted at once uses larger reads, and other tunnels get their turn in between")
    func large() {
        let bench = bench(clientRoom: 1_000_000)
        let first = bench.heardByClient.count
        #expect((Self.ordinaryShare + Limits.largeReadBytes..<Self.flow.count).contains(first))
        #expect(bench.tunnel.down.pending.isEmpty)
        bench.run()
        #expect(first + bench.heardByClient.count == Self.flow.count)
    }

    @Test("a slow reader causes a buffer of at most one ordinary read, however many bytes follow")
    func slow() {
        for room in [1, 5000, Limits.readBufferBytes + 1, Self.ordinaryShare - 1] {
            let bench = bench(clientRoom: room)
            #expect((1..<Limits.readBufferBytes).contains(bench.tunnel.down.pending.count), "room for \(room)")
            #expect(bench.heardByClient.count == room)
        }
    }

    @Test("a reader that stops during a flow causes no larger buffer, and loses nothing")
    func stopped() {
        let bench = bench(clientRoom: Self.ordinaryShare + 1)
        #expect(bench.tunnel.down.pending.count == Limits.readBufferBytes - 1)
        var heard: [UInt8] = []
        while true {
            let more = bench.heardByClient
            guard !more.isEmpty else { break }
            heard += more
            bench.run()
            #expect(bench.tunnel.down.pending.count <= Limits.readBufferBytes)
        }
        #expect(heard == Self.flow)
    }

    @Test("the head of a frame, its rest, and half of another are relayed as they arrive")
    func pieces() {
        let frames = FrameWriter.text("one") + FrameWriter.text("two")
        for cut in 1..<frames.count {
            let bench = TunnelHarness()
            bench.backendSays(Array(frames[..<cut]))
            #expect(bench.heardByClient == Array(frames[..<cut]))
            bench.backendSays(Array(frames[cut...]))
            #expect(bench.heardByClient == Array(frames[cut...]))
            #expect(bench.traffic.fromBackend.messages == 2)
        }
    }
}
