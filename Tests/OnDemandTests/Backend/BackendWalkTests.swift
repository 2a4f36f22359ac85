import Testing

@testable import OnDemand

struct BackendWalkTests {
    /// Tries every sequence of `depth` events; returns the events of the first one that breaks an invariant.
    private func walk(_ here: BackendWalk, depth: Int, _ count: inout Int) -> (moves: [BackendWalk.Move], String)? {
        if let localReply = here.localReply { return ([], localReply) }
        guard depth > 0 else {
            count += 1
            var end = here
            end.finish()
            return end.localReply.map { ([], $0) }
        }
        for move in here.moves {
            var next = here
            next.make(move)
            if let (moves, localReply) = walk(next, depth: depth - 1, &count) { return ([move] + moves, localReply) }
        }
        return nil
    }

    @Test(
        "no sequence of seven events breaks an invariant",
        arguments: [
            (BackendPolicy(idleTimeout: .seconds(60), maximumQueue: 2), "on demand"),
            (BackendPolicy(idleTimeout: nil, maximumQueue: 2), "never idle"),
            (BackendPolicy(idleTimeout: .seconds(2), idleWhen: .noClientData, maximumQueue: 2), "by client data"),
            (BackendPolicy(idleTimeout: .seconds(2), minimumSleep: .seconds(3), maximumQueue: 2), "sleeps on"),
            (BackendPolicy(maximumQueue: 2, alwaysOn: true), "always on"),
            (BackendPolicy(maximumQueue: 2, alwaysOn: true, restarts: false), "not restarted"),
            (BackendPolicy(idleTimeout: .seconds(60), maximumQueue: 2, requires: ["redis"]), "with a requirement"),
        ])
    func everyWay(policy: BackendPolicy, name: String) {
        var count = 0
        let broken = walk(BackendWalk(policy: policy), depth: 7, &count)
        #expect(broken == nil, "\(name)")
        #expect(count > 3_000)
    }

    @Test(
        "no sequence of four events with operations of an operator breaks an invariant",
        arguments: [
            (BackendPolicy(idleTimeout: .seconds(60), maximumQueue: 2), "on demand"),
            (BackendPolicy(idleTimeout: .seconds(2), idleWhen: .noClientData, maximumQueue: 2), "by client data"),
            (BackendPolicy(maximumQueue: 2, alwaysOn: true), "always on"),
        ])
    func everyWayWithOrders(policy: BackendPolicy, name: String) {
        let toReady: [BackendWalk.Move] = [.arrive, .addressIsFree(spawns: true), .accept]
        let toCrashed = toReady + [.exit(takesGroupAlong: false)]
        for start in [[], Array(toReady.prefix(2)), toReady, toCrashed] {
            var walker = BackendWalk(policy: policy, operations: BackendOperation.allCases)
            // An always-on backend starts without a request.
            for move in start { walker.make(move) }
            var count = 0
            let broken = walk(walker, depth: 4, &count)
            #expect(broken == nil, "\(name)")
            #expect(count > 2_000)
        }
    }

    @Test("no sequence of six events breaks an invariant, from each stage of the lifecycle")
    func everyWayFromReady() {
        let toReady: [BackendWalk.Move] = [.arrive, .addressIsFree(spawns: true), .accept]
        let toStopping = toReady + [.leave, .deliverLastLease, .fire(.idle)]
        let toCrashed = toReady + [.exit(takesGroupAlong: true)]
        for start in [toReady, toStopping, toCrashed, toCrashed + toReady + [.exit(takesGroupAlong: false)]] {
            var walker = BackendWalk(policy: BackendPolicy(idleTimeout: .seconds(5), maximumQueue: 2))
            for move in start { walker.make(move) }
            var count = 0
            let broken = walk(walker, depth: 6, &count)
            #expect(broken == nil)
        }
    }

    @Test("two thousand long random sequences break no invariant", arguments: [1, 2, 3, 4])
    func longLives(seed: UInt64) {
        var generator = Seeded(seed: seed)
        for _ in 0..<500 {
            var walker = BackendWalk(
                policy: BackendPolicy(idleTimeout: .seconds(5), maximumQueue: 3),
                operations: seed % 2 == 0 ? BackendOperation.allCases : [])
            var moves: [BackendWalk.Move] = []
            for _ in 0..<60 {
                // A shutdown ends the sequence, so it is rare.
                let rare = Int.random(in: 0..<40, using: &generator) == 0
                let move = walker.moves.filter { rare || $0 != .shutDown }.randomElement(using: &generator)!
                moves.append(move)
                walker.make(move)
            }
            walker.finish()
            #expect(walker.localReply == nil, "\(moves)")
            if walker.localReply != nil { return }
        }
    }
}
