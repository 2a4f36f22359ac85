import Foundation
import Testing

@testable import OnDemand

/// docs/EXCHANGE.md contains the machine's results, so it cannot become outdated.
struct ExchangeDocumentTests {
    private let table: GeneratedTable

    init() throws { table = try GeneratedTable(in: "EXCHANGE.md") }

    @Test("the table in the document matches the machine")
    func matches() throws { try table.check(ExchangeTable.text, filter: "ExchangeDocument") }

    @Test("each situation is in the phase of its name")
    func situations() {
        for situation in ExchangeSituation.allCases {
            #expect(situation.rawValue.hasPrefix(situation.bench().machine.place.rawValue), "\(situation)")
        }
    }

    @Test("the picture has every transition but those to *over* and *finishing*, which its text has, and no other")
    func picture() throws {
        let parts = table.text.components(separatedBy: "```mermaid\n")
        let picture = try #require(parts.dropFirst().first?.components(separatedBy: "```").first)
        let arrows = picture.matches(of: /(?m)^ +([a-zA-Z]+) --> ([a-zA-Z]+)/).map { (String($0.1), String($0.2)) }
        let known = ExchangeTable.arrows
        for (from, to) in arrows { #expect(known.contains("\(from) --> \(to)"), "\(from) --> \(to)") }
        let drawn = Set(arrows.map { "\($0.0) --> \($0.1)" })
        for arrow in known.subtracting(drawn).sorted()
        where !arrow.hasSuffix("> over") && !arrow.hasSuffix("> finishing") {
            Issue.record("the picture lacks \(arrow)")
        }
        #expect(Set(arrows.flatMap { [$0.0, $0.1] }) == Set(ExchangePlace.allCases.map(\.rawValue)))
    }

    #if compiler(>=6.3)  // An exit test captures values from this version on.
        @Test("an event that a driver cannot report traps", arguments: ExchangeDocumentTests.trapping)
        func impossible(occurrence: ExchangeOccurrence) async throws {
            let isImpossible = { (situation: ExchangeSituation) in !situation.bench().possible.contains(occurrence) }
            let situation = try #require(ExchangeSituation.allCases.last(where: isImpossible))
            await #expect(processExitsWith: .failure, "\(occurrence) while \(situation)") {
                [situation = situation as ExchangeSituation, occurrence = occurrence as ExchangeOccurrence] in
                var bench = situation.bench()
                bench.happen(occurrence)
            }
        }
    #endif

    private static let trapping: [ExchangeOccurrence] = [
        .request, .withinLimits, .gateOpen, .gateClosed, .connectBegins, .connected, .connectFails, .outOfResources,
        .notListening, .responseBegins, .kept, .served, .replyFollows, .requestAccepted, .streamBegins, .proceeds,
        .endedSending,
    ]
}
