import Testing

@testable import OnDemand

/// Rules that change during an exchange.
struct AdoptionTests {
    /// Rules without a route.
    private static let none = ExchangeRules(routes: RouteTable([]), services: [])

    @Test("new rules apply at once between two requests and in the middle of a head")
    func atOnce() {
        var talk = ExchangeHarness(ExchangeHarness.get, backends: .init(ExchangeHarness.hello))
        talk.run()
        talk.machine.update(Self.none)
        talk.clientSends = [Array(ExchangeHarness.get.utf8)]
        talk.run()
        #expect(talk.client.hasPrefix(ExchangeHarness.hello + "HTTP/1.1 404 "))
        let (start, rest) = (ExchangeHarness.get.utf8.prefix(10), ExchangeHarness.get.utf8.dropFirst(10))
        var half = ExchangeHarness(pieces: [Array(start)], backends: [])
        half.run()
        half.machine.update(Self.none)
        half.clientSends = [Array(rest)]
        half.run()
        #expect(half.client.hasPrefix("HTTP/1.1 404 "))
    }

    @Test("a request with a complete head keeps its rules, and the next one has the new rules")
    func inProgress() {
        let stranger = ServiceRules(name: "other", targetPath: nil, authority: "", webSocket: false, headers: [])
        let others = ExchangeRules(routes: RouteTable([]), services: [stranger, stranger])
        var talk = ExchangeHarness(ExchangeHarness.get + ExchangeHarness.get)
        talk.admission = .queued
        talk.run()
        talk.machine.update(others)
        talk.machine.refused(.disabled, retryAfter: nil)
        talk.run()
        #expect(talk.client.contains("The service \"app\" is disabled."))
        #expect(talk.client.contains("HTTP/1.1 404 "))
    }
}
