import Testing

@testable import OnDemand

@Suite("Simulation: excuses")
struct FaultHistoryTests {
    private let recovery = Duration.seconds(10)

    @Test("a fault excuses errors of clients that waited during it or before its recovery, and no others")
    func interval() {
        var troubles = FaultHistory()
        troubles.note(.spawnFailed, of: 1, at: noon + .seconds(5))
        let causes = { (service: Int, from: Int, to: Int) in
            troubles.causes(
                of: service, from: noon + .seconds(from), to: noon + .seconds(to), recovery: recovery)
        }
        #expect(causes(1, 0, 6) == [.spawnFailed])
        #expect(causes(1, 14, 20) == [.spawnFailed])
        #expect(causes(1, 16, 20) == [])
        #expect(causes(1, 0, 4) == [])
        #expect(causes(2, 0, 6) == [])
    }

    @Test("a fault of a process lasts until its end")
    func process() {
        var troubles = FaultHistory()
        troubles.begin(.script("hangs"), of: 0, process: 7, at: noon)
        let causes = { (troubles: FaultHistory) in
            troubles.causes(of: 0, from: noon + .seconds(100), to: noon + .seconds(101), recovery: recovery)
        }
        #expect(causes(troubles) == [.script("hangs")])
        troubles.ended(7, of: 0, at: noon + .seconds(80))
        #expect(causes(troubles) == [])
    }

    @Test("a failed start explains no cut connection")
    func symptoms() {
        #expect(FaultHistory.Cause.spawnFailed.explains(.rejection))
        #expect(!FaultHistory.Cause.spawnFailed.explains(.cut))
        #expect(FaultHistory.Cause.end.explains(.cut))
    }
}
