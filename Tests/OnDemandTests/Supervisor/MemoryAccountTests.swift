import Testing

@testable import OnDemand

@Suite struct MemoryAccountTests {
    private func at(_ seconds: Int) -> Instant { noon + .seconds(seconds) }

    @Test("time without a process, times the memory it held before, is what was saved")
    func saved() {
        var account = MemoryAccount()
        #expect(account.saved(at: at(100)) == 0, "nobody knows what it takes before its first life")
        account.noteBirth(at: at(100))
        account.noteResident(1000)
        account.noteResident(0)
        #expect(account.timeAlive(at: at(130)) == .seconds(30))
        account.noteEnd(at: at(160))
        #expect(account.saved(at: at(170)) == 10_000)
        account.noteBirth(at: at(180))
        account.noteResident(nil)
        #expect(account.saved(at: at(500)) == 20_000, "awake it saves nothing")
        account.noteEnd(at: at(200))
        #expect(account.timeAlive(at: at(900)) == .seconds(80))
        #expect(account.saved(at: at(201)) == 21_000)
    }
}
