import Testing

@testable import OnDemand

/// Every event in every state that any sequence of events reaches.
struct ExchangeWalkTests {
    private struct Walk {
        var states = 0
        /// Of phase and event.
        var pairs: Set<String> = []
        var broken: String?
    }

    private struct Variant {
        let name: String
        var heads: [ExchangeOccurrence] = [.request]
        var upstreamKeepAlive: Duration? = .seconds(60)
        var expectsProxyHeader = false

        func bench(after path: [ExchangeOccurrence]) -> ExchangeBench {
            var bench = ExchangeBench(expectsProxyHeader: expectsProxyHeader, upstreamKeepAlive: upstreamKeepAlive)
            for occurrence in path { bench.happen(occurrence) }
            return bench
        }
    }

    private static let variants = [
        Variant(name: "plain"), Variant(name: "no connection is kept", upstreamKeepAlive: nil),
        Variant(name: "with a body", heads: [.upload]), Variant(name: "upgrade", heads: [.upgrade, .cableRequest]),
        Variant(name: "local", heads: [.disabledRequest, .unknownRequest, .statusRequest, .broadcastHead]),
        Variant(name: "behind a proxy", heads: [], expectsProxyHeader: true),
    ]

    /// Tries every possible event in every state. A second request is always the plain one.
    private func walk(_ variant: Variant) -> Walk {
        var walk = Walk()
        var seen: Set<[Int]> = [variant.bench(after: []).key]
        var paths: [[ExchangeOccurrence]] = [[]]
        while walk.states < paths.count {
            let path = paths[walk.states]
            walk.states += 1
            let bench = variant.bench(after: path)
            let offered: Set<ExchangeOccurrence> =
                bench.heads == 0 ? Set(variant.heads) : bench.heads == 1 ? [.request] : []
            for occurrence in ExchangeOccurrence.allCases.filter(bench.possible.contains) {
                guard !ExchangeOccurrence.heads.contains(occurrence) || offered.contains(occurrence) else { continue }
                let way = path + [occurrence]
                let next = variant.bench(after: way)
                walk.pairs.insert("\(bench.machine.place) \(occurrence)")
                if let violation = next.violation {
                    walk.broken = "\(violation), after \(way.map { "\($0)" })"
                    return walk
                }
                // Behind new rules everything goes on as before.
                guard occurrence != .newRules, seen.insert(next.key).inserted else { continue }
                paths.append(way)
            }
        }
        return walk
    }

    @Test("no event in any reachable state breaks an invariant", arguments: variants.map(\.name))
    func everyEvent(name: String) throws {
        let variant = try #require(Self.variants.first { $0.name == name })
        let found = walk(variant)
        #expect(found.broken == nil)
        #expect(found.states > (variant.heads.isEmpty ? 10 : 100))
        #expect(found.pairs.count > (variant.heads.isEmpty ? 20 : 80))
    }

    @Test("the situations of the document have every phase and every event")
    func coverage() {
        var (places, occurrences): (Set<ExchangePlace>, Set<ExchangeOccurrence>) = ([], [])
        for situation in ExchangeSituation.allCases {
            let bench = situation.bench()
            places.insert(bench.machine.place)
            occurrences.formUnion(bench.possible)
        }
        #expect(places == Set(ExchangePlace.allCases))
        #expect(occurrences == Set(ExchangeOccurrence.allCases))
    }
}

extension ExchangeBench {
    private static let withLease: Set<ExchangePlace> = [
        .connecting, .awaitingConnection, .awaitingResponse, .relaying, .tunnel,
    ]

    /// The phases that another driver or the backend ends, without a time limit of the exchange.
    private static let unlimited: Set<ExchangePlace> = [
        .queued, .awaitingReply, .awaitingResult, .streaming, .relaying,
    ]

    /// The first invariant that does not hold; nil if all hold.
    fileprivate var violation: String? {
        let (place, steps) = (machine.place, steps)
        if steps != self.steps { return "a step changes the machine" }
        if place == .over, steps.contains(where: { !$0.isTermination }) { return "a step after the end" }
        let isReleasing = [.releaseUpstream, .keepUpstream].contains(step)
        if Self.withLease.contains(place), !hasLease { return "\(place) without a lease" }
        if hasLease, !Self.withLease.contains(place), !isReleasing, !isOver { return "a lease is held in \(place)" }
        if hasUpstream, !hasLease, !isKept, !isOver { return "a connection to the backend without a lease" }
        if steps.contains(.receive(.client)), !machine.toUpstream.isEmpty { return "the client is read too early" }
        if steps.contains(.receive(.upstream)), !machine.toClient.isEmpty { return "the backend is read too early" }
        if machine.inbound.count > 1024 { return "unread bytes pile up" }
        if !isOver, step == .rest, deadline == nil, !Self.unlimited.contains(place) { return "\(place) has no limit" }
        guard place == .finishing || place == .readingHead else { return nil }
        let responses = (heard + machine.toClient.bytes).finalResponses
        if responses > machine.requestCount + 1 { return "a request has two responses" }
        if place == .readingHead, machine.toClient.isEmpty, responses != machine.requestCount {
            return "\(responses) responses to \(machine.requestCount) requests"
        }
        return nil
    }

    /// Equal for benches that behave alike.
    fileprivate var key: [Int] {
        let (request, forwarded, step) = (machine.request, machine.forwardedRequest, step)
        let flags = [
            hasLease, hasUpstream, isKept, clientHasEnded, endIsRead, isDraining, isClosed, machine.inbound.isEmpty,
            machine.toClient.isEmpty, machine.toUpstream.isEmpty, machine.upstream.refusesMore,
            request?.wantsKeepAlive == true, request?.body.isFinished == true, machine.staysOpen, machine.isRetriable,
            machine.provesBackend, machine.mayWaitAgain, forwarded?.opensWebSocket == true,
            forwarded?.isReusable == true, step == .endSendingToClient, step == .keepUpstream,
            step == .releaseUpstream,
        ]
        let place = ExchangePlace.allCases.firstIndex(of: machine.place) ?? 0
        return [place, heads, min(machine.requestCount, 2), machine.responseEnds ? 1 : 0] + flags.map { $0 ? 1 : 0 }
    }
}

extension ExchangeMachine {
    /// Whether the response in progress ends with its connection.
    fileprivate var responseEnds: Bool {
        if case .relaying(_, let response) = phase { response.body.endsAtClose } else { false }
    }
}

extension ExchangeMachine.Step {
    fileprivate var isTermination: Bool { if case .terminate = self { true } else { false } }
}

extension [UInt8] {
    /// Responses with a status from 200 on.
    fileprivate var finalResponses: Int {
        let parts = String(decoding: self, as: UTF8.self).split(separator: "HTTP/1.1 ")
        return parts.count { $0.first.map { $0 >= "2" } ?? false }
    }
}
