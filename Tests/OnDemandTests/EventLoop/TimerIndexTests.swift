import Testing

@testable import OnDemand

struct TimerIndexTests {
    @Test("any sequence of sets, lookups and removals agrees with a dictionary", arguments: 1...20)
    func model(seed: UInt64) {
        var generator = Seeded(seed: seed)
        var table = TimerIndex()
        var model: [UInt64: Int] = [:]
        // Few codes that share their lower bits: they collide, also at the end of the table.
        let codes: [UInt64] = (0..<40).map { number in
            let shift = UInt64.random(in: 0...40, using: &generator)
            return UInt64(number % 8 + 1) << 56 | UInt64(number / 8) << shift
        }
        for _ in 0..<3_000 {
            let code = codes.randomElement(using: &generator)!
            switch Int.random(in: 0..<3, using: &generator) {
            case 0: #expect(table.remove(code) == model.removeValue(forKey: code))
            default:
                let position = Int.random(in: 0..<1_000, using: &generator)
                if model[code] != nil, Bool.random(using: &generator) {
                    table.move(code, to: position)
                } else {
                    table.set(code, to: position)
                }
                model[code] = position
            }
            let asked = codes.randomElement(using: &generator)!
            #expect(table[asked] == model[asked])
        }
        for code in codes { #expect(table[code] == model[code]) }
    }

    @Test("a removed key is not found, and the removal of many keys leaves an empty table")
    func emptied() {
        var table = TimerIndex()
        #expect(table[1] == nil && table.remove(1) == nil)
        for code in 1...1_000 as ClosedRange<UInt64> { table.set(code, to: Int(code)) }
        for code in 1...1_000 as ClosedRange<UInt64> { #expect(table.remove(code) == Int(code)) }
        for code in 1...1_000 as ClosedRange<UInt64> { #expect(table[code] == nil) }
    }

    @Test("no two timers of the daemon share a code")
    func codes() {
        let token = Token(ConnectionToken.client, index: 0, generation: 1)
        var keys: [TimerKey] = [.connection(token), .connectRetry(token), .rateLimiter(token)]
        keys += [.session(token), .relay(token), .cable(CableID(index: 0)), .cableDrain(CableID(index: 0))]
        keys += [.acceptPause(listener: 0), .status, .memoryTrim, .processGuard, TimerKey(SystemdTimer.watchdog)]
        keys += [TimerKey(DaemonTimer.logRetry), TimerKey(DaemonTimer.shutdown), TimerKey(RedisTimer.listeningRetry)]
        keys += (0..<3).flatMap { slot in RunTimer.allCases.map { .run(slot, $0) } }
        for id in [BackendID(index: 0), BackendID(index: BackendID.firstProcess)] {
            for timer in [BackendTimer.startup, .idle, .stopStep, .backoffTimer] { keys.append(.backend(id, timer)) }
            keys += [.probe(id), .startupSlow(id), .startDelay(id), .unmanagedDrain(id)]
        }
        #expect(Set(keys.map(\.code)).count == keys.count)
        #expect(!keys.map(\.code).contains(0))
    }
}
