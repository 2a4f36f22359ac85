import Testing

@testable import OnDemand

struct PoolTests {
    @Test("the lowest free number is used, and a removal frees its number")
    func numbers() {
        var pool = Pool(empty: 0)
        let first = (0..<200).map { pool.insert($0) }
        #expect(first == Array(0..<200) && pool.count == 200 && pool.end == 256)
        for number in [130, 7, 64] as [UInt32] { pool.remove(number) }
        #expect([pool.insert(1), pool.insert(2), pool.insert(3), pool.insert(4)] == [7, 64, 130, 200])
        pool[64] += 40
        #expect(pool[64] == 42 && pool.contains(64) && !pool.contains(201) && !pool.contains(9999))
    }

    @Test("the memory of many values is freed with them, and numbers begin at zero again")
    func crowd() {
        var pool = Pool(empty: "")
        for number in 0..<10_000 { _ = pool.insert("\(number)") }
        for number in (UInt32(10)..<10_000).reversed() { pool.remove(number) }
        #expect(pool.end == 64 && pool.count == 10)
        for number in UInt32(0)..<10 { pool.remove(number) }
        #expect(pool.end == 0 && pool.insert("next") == 0)
    }

    @Test("random insertions and removals agree with a dictionary", arguments: 0..<8)
    func random(seed: Int) {
        var random = Seeded(seed: UInt64(seed))
        var (pool, model) = (Pool(empty: 0), [UInt32: Int]())
        for step in 1...800 {
            if Int.random(in: 0..<100, using: &random) < 50 + (step / 200) % 2 * 20 {
                let lowest = (0...UInt32(model.count)).first { model[$0] == nil }
                let number = pool.insert(step)
                guard number == lowest else {
                    Issue.record("seed \(seed): \(number) was given, not the lowest free number")
                    return
                }
                model[number] = step
            } else if let number = model.keys.sorted().randomElement(using: &random) {
                pool.remove(number)
                model[number] = nil
            }
        }
        #expect(pool.count == model.count && model.allSatisfy { pool.contains($0.key) && pool[$0.key] == $0.value })
    }
}
