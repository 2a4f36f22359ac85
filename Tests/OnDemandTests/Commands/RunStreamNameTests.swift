import Testing

@testable import OnDemand

struct RunStreamNameTests {
    private func stream(_ template: String, _ parameters: [String] = ["database", "user_id"]) throws -> RunStreamName {
        try RunStreamName(template, parameters: parameters)
    }

    private func name(_ template: String) throws -> String {
        String(decoding: try stream(template).name(parameters: ["boston", "7"], id: "x-Y_z"), as: UTF8.self)
    }

    @Test("parameters and the ID are filled in, each as often as it occurs")
    func filled() throws {
        #expect(try name("command_output_{database}_{user_id}_{id}") == "command_output_boston_7_x-Y_z")
        #expect(try name("{id}{id}{user_id}") == "x-Y_zx-Y_z7")
        #expect(try name("plain ü *") == "plain ü *")
        #expect(try stream("a{database}").parts == [.text("a"), .parameter(0)])
    }

    @Test("a template says whether each run has a stream of its own")
    func uniqueness() throws {
        #expect(try stream("a-{id}").hasID)
        #expect(try !stream("a-{database}").hasID)
    }

    @Test("the longest name has the longest parameters")
    func length() throws {
        #expect(try stream("ab-{database}-{user_id}").longest == 3 + 128 + 1 + 128)
        #expect(try stream("ü{id}").longest == 2 + 22)
    }

    @Test("the template is written as it was read")
    func text() throws {
        let template = "a_{database}_{id}"
        #expect(try stream(template).text { $0 == .id ? "{id}" : "{database}" } == template)
        #expect(try stream(template).text { _ in "*" } == "a_*_*")
    }

    @Test(
        "a text that is no template is an error",
        arguments: [
            ("", RunStreamNameError.empty), ("a{id", .unclosedBrace), ("a}", .strayBrace), ("a{b{id}}", .strayBrace),
            ("a{name}", .unknownParameter("name")), ("a{}", .unknownParameter("")), ("{ID}", .unknownParameter("ID")),
        ])
    func mistakes(template: String, error: RunStreamNameError) {
        #expect(throws: error) { try stream(template) }
    }

    @Test("each error has a sentence that names its cause")
    func sentences() {
        #expect(RunStreamNameError.unknownParameter("x").sentence.contains("\"{x}\""))
        for error in [RunStreamNameError.empty, .unclosedBrace, .strayBrace] { #expect(error.sentence.count > 15) }
    }
}
