import Testing

@testable import OnDemand

/// Tickets and leases between backends, without processes.
struct DependencyLeasesTests {
    private let generation = Generation(number: 1)

    private func backend(_ index: Int, _ name: String, requires: [String] = [], restarts: Bool = true)
        -> SupervisedBackend
    {
        var policy = BackendFixtures.policy
        policy.requires = requires
        policy.restarts = restarts
        return SupervisedBackend(
            id: BackendID(index: index), name: name, address: nil, command: LaunchCommand(command: "x"),
            policy: policy, gate: BackendGate())
    }

    private func tickets(_ requests: [DependencyLeases.Request]) -> [Ticket] {
        requests.compactMap { if case .want(_, let ticket) = $0 { ticket } else { nil } }
    }

    @Test("a start waits until each dependency is granted, and returns all leases when it ends")
    func life() throws {
        let (redis, search) = (backend(0, "redis"), backend(1, "search"))
        let web = backend(2, "web", requires: ["redis", "search"])
        let all = [redis, search, web]
        var leases = DependencyLeases()
        let (requests, missing) = leases.acquire(for: web) { name in all.first { $0.name == name } }
        let wanted = tickets(requests)
        #expect(wanted.count == 2 && missing == nil && !leases.areComplete(for: web))
        for (required, ticket) in zip([redis, search], wanted) {
            required.gate.open(generation, leases: 1, port: 0)
            #expect(leases.granted(ticket, generation, by: required).dependent == web.id)
        }
        #expect(leases.areComplete(for: web) && leases.held(by: web.id).count == 2)
        var unused: [String] = []
        for case .unused(let required, _) in leases.release(web) { unused.append(required.name) }
        #expect(unused == ["redis", "search"] && leases.held(by: web.id).isEmpty)
        #expect(redis.gate.leases == 0 && search.gate.leases == 0)
    }

    @Test("a lease that is granted to a dependent that has been stopped is returned")
    func late() {
        let (redis, web) = (backend(0, "redis"), backend(1, "web", requires: ["redis"]))
        var leases = DependencyLeases()
        let ticket = tickets(leases.acquire(for: web) { _ in redis }.requests)[0]
        guard case .abandon(_, let abandoned)? = leases.release(web).first else {
            Issue.record("a queued ticket is abandoned")
            return
        }
        #expect(abandoned == ticket)
        redis.gate.open(generation, leases: 1, port: 0)
        let (dependent, request) = leases.granted(ticket, generation, by: redis)
        #expect(dependent == nil && request != nil && redis.gate.leases == 0)
    }

    @Test(
        "a lost lease is requested again if the required backend restarts, and is waited for only then",
        arguments: [true, false])
    func lost(restarts: Bool) {
        let redis = backend(0, "redis", restarts: restarts)
        let web = backend(1, "web", requires: ["redis"])
        var leases = DependencyLeases()
        let first = tickets(leases.acquire(for: web) { _ in redis }.requests)[0]
        redis.gate.open(generation, leases: 1, port: 0)
        _ = leases.granted(first, generation, by: redis)
        let again = tickets(leases.lose(redis, of: [redis, web]))
        #expect(again.count == (restarts ? 1 : 0) && redis.gate.leases == 0)
        #expect(leases.areComplete(for: web) == !restarts)
        #expect(leases.refused(first) == nil || !restarts, "an earlier ticket")
        if let ticket = again.first {
            #expect(leases.refused(ticket)?.required == "redis")
            #expect(tickets(leases.renew(redis, of: [web])).count == 1)
        }
    }

    @Test("a required backend that does not exist is named")
    func missing() {
        let web = backend(0, "web", requires: ["redis"])
        var leases = DependencyLeases()
        #expect(leases.acquire(for: web) { _ in nil }.missing == "redis")
    }
}
