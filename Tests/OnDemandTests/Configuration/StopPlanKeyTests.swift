import Testing

@testable import OnDemand

/// The stop plan in the configuration.
@Suite struct StopPlanKeyTests {
    private func plan(_ text: String) throws -> StopPlan? {
        let file = Sample.file(services: [#"{\#(Self.service), "on_demand": {"command": "x", "stop": \#(text)}}"#])
        return try Configuration.read(Array(file.utf8), environment: [:]).services.first?.policy.stopPlan
    }

    private static let service = #""name": "a", "path": "/a", "target": "http://127.0.0.1:1""#

    @Test("alternating signals and durations are the steps, and a last KILL adds none")
    func steps() throws {
        let polite = [StopPlan.Step(signal: .terminate, timeout: .seconds(10))]
        #expect(try plan(#"["TERM", "10s", "KILL"]"#) == StopPlan(steps: polite))
        #expect(try plan(#"["SIGTERM", "10s"]"#) == StopPlan(steps: polite))
        let patient = [StopPlan.Step(signal: .interrupt, timeout: .seconds(5))] + polite
        #expect(try plan(#"["INT", "5s", "TERM", "10s", "KILL"]"#) == StopPlan(steps: patient))
        #expect(try plan(#"["KILL"]"#) == StopPlan(steps: []))
    }

    @Test(
        "an invalid plan has its error",
        arguments: [
            (#"[]"#, "the list is empty"), (#"["TERM"]"#, "needs a timeout behind it"),
            (#"["10s"]"#, #""10s" is not one of"#), (#"["TREM", "1s"]"#, "did you mean"),
            (#"["TERM", "soon"]"#, "is not a duration"), (#""TERM""#, "expected a list"),
            (#"["TERM", "1s"], "stop_timeout": "2s""#, "exclude each other"),
        ])
    func mistakes(text: String, sentence: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try plan(text) }
        #expect(errors?.all.contains { $0.sentence.contains(sentence) } == true, "\(String(describing: errors))")
    }
}
