import Testing

@testable import OnDemand

/// How much of a flow travels in one turn, and what waits for a side that is slower.
struct TunnelFlowTests {
    private static let flow = FrameWriter.binary(Array(repeating: 7, count: 900_000))
    private static let ordinaryShare = Limits.ordinaryReadsPerTurn * Limits.readBufferBytes

    /// After one turn in which the client had room for so much.
    private func bench(clientRoom: Int) -> TunnelHarness {
        let bench = TunnelHarness(clientCapacity: clientRoom, backendCapacity: 1_000_000)
        _ = bench.backend.send(Self.flow[...])
        bench.relayOnce()
        return bench
    }

    @Test("a flow that is taken at once travels in larger reads, and others have their turn before it goes on")
    func large() {
        let bench = bench(clientRoom: 1_000_000)
        let first = bench.heardByClient.count
        #expect((Self.ordinaryShare + Limits.largeReadBytes..<Self.flow.count).contains(first))
        #expect(bench.connection.down.pending.isEmpty)
        bench.run()
        #expect(first + bench.heardByClient.count == Self.flow.count)
    }

    @Test("who takes little at once leaves an ordinary read to be held at most, however much waits behind it")
    func slow() {
        for room in [1, 5000, Limits.readBufferBytes + 1, Self.ordinaryShare - 1] {
            let bench = bench(clientRoom: room)
            #expect((1..<Limits.readBufferBytes).contains(bench.connection.down.pending.count), "room for \(room)")
            #expect(bench.heardByClient.count == room)
        }
    }

    @Test("who stops in the middle of a flow leaves no more to be held, and loses nothing of it")
    func stopped() {
        let bench = bench(clientRoom: Self.ordinaryShare + 1)
        #expect(bench.connection.down.pending.count == Limits.readBufferBytes - 1)
        var heard: [UInt8] = []
        while true {
            let more = bench.heardByClient
            guard !more.isEmpty else { break }
            heard += more
            bench.run()
            #expect(bench.connection.down.pending.count <= Limits.readBufferBytes)
        }
        #expect(heard == Self.flow)
    }

    @Test("the first bytes of a frame, its rest, and half of another travel on as they come")
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
