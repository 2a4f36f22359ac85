import Testing

@testable import OnDemand

@Suite struct MemoryAccountTests {
    private func at(_ seconds: Int) -> Instant { noon + .seconds(seconds) }

    @Test("saved memory is the time without a process, times its memory before")
    func saved() {
        var account = MemoryAccount()
        #expect(account.saved(at: at(100)) == 0, "the memory is unknown before the first generation")
        account.processStarted(at: at(100))
        account.recordResidentBytes(1000)
        account.recordResidentBytes(0)
        #expect(account.timeAlive(at: at(130)) == .seconds(30))
        account.processEnded(at: at(160))
        #expect(account.saved(at: at(170)) == 10_000)
        account.processStarted(at: at(180))
        account.recordResidentBytes(nil)
        #expect(account.saved(at: at(500)) == 20_000, "awake it saves nothing")
        account.processEnded(at: at(200))
        #expect(account.timeAlive(at: at(900)) == .seconds(80))
        #expect(account.saved(at: at(201)) == 21_000)
    }
}
