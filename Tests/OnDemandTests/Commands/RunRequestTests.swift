import Testing

@testable import OnDemand

struct RunRequestTests {
    private static let names = ["database", "user_id"]

    private func read(_ body: String) throws(RunRequestError) -> [String] {
        try RunRequest(body: Array(body.utf8), parameters: Self.names).values
    }

    @Test("strings and integers are values, in the order of the declared names")
    func values() throws {
        #expect(try read(#"{"user_id": 7, "database": "boston-2_x.y"}"#) == ["boston-2_x.y", "7"])
        #expect(try read(#"{"user_id": "-7", "database": -7}"#) == ["-7", "-7"])
        let long = String(repeating: "a", count: 128)
        #expect(try read(#"{"user_id": "\#(long)", "database": "0"}"#) == ["0", long])
    }

    @Test("values become variables with upper-case names")
    func variables() throws {
        let request = try RunRequest(body: Array(#"{"user_id":1,"database":"x"}"#.utf8), parameters: Self.names)
        let variables = request.variables(Self.names).map { "\($0.name)=\($0.value)" }
        #expect(variables == ["PARAM_DATABASE=x", "PARAM_USER_ID=1"])
    }

    @Test("a command without parameters takes an empty body, and an empty object")
    func none() throws {
        #expect(try RunRequest(body: [], parameters: []).values == [])
        #expect(try RunRequest(body: Array("{}".utf8), parameters: []).values == [])
    }

    @Test(
        "any other body is an error that names the parameter and never its value",
        arguments: [
            ("", RunRequestError.missing("database")), ("{", .notJSON), ("[]", .notAnObject), ("\"x\"", .notAnObject),
            (#"{"database":"hush"}"#, .missing("user_id")), (#"{"databse":"hush"}"#, .unknown("databse")),
            (#"{"database":"hush","user_id":1,"id":"hush"}"#, .unknown("id")),
            (#"{"database":"hush","database":"hush","user_id":1}"#, .notJSON),
            (#"{"database":1.5,"user_id":1}"#, .wrongType("database")),
            (#"{"database":1e3,"user_id":1}"#, .wrongType("database")),
            (#"{"database":null,"user_id":1}"#, .wrongType("database")),
            (#"{"database":true,"user_id":1}"#, .wrongType("database")),
            (#"{"database":["hush"],"user_id":1}"#, .wrongType("database")),
            (#"{"database":{},"user_id":1}"#, .wrongType("database")),
            (#"{"database":"","user_id":1}"#, .wrongLength("database")),
            (#"{"database":"hush;rm","user_id":1}"#, .wrongCharacter("database")),
            (#"{"database":"../hush","user_id":1}"#, .wrongCharacter("database")),
            (#"{"database":"hush hush","user_id":1}"#, .wrongCharacter("database")),
            (#"{"database":"hush\n","user_id":1}"#, .wrongCharacter("database")),
            (#"{"database":"hush\u0000","user_id":1}"#, .wrongCharacter("database")),
            (#"{"database":"hüsh","user_id":1}"#, .wrongCharacter("database")),
            (#"{"database":"$(hush)","user_id":1}"#, .wrongCharacter("database")),
            (#"{"database":"..","user_id":1}"#, .directory("database")),
            (#"{"database":".","user_id":1}"#, .directory("database")),
        ])
    func mistakes(body: String, error: RunRequestError) {
        #expect(throws: error) { try read(body) }
        #expect(!error.sentence.contains("hush"))
        #expect(error.sentence.hasSuffix("."))
    }

    @Test("a value of 129 characters is too long, and a client's long name is shown in part")
    func lengths() {
        let long = String(repeating: "9", count: 129)
        #expect(throws: RunRequestError.wrongLength("database")) {
            try read(#"{"database":\#(long),"user_id":1}"#)
        }
        let name = String(repeating: "x", count: 500)
        #expect(RunRequestError.unknown(name).sentence.utf8.count < 120)
        #expect(RunRequestError.unknown("a\nb\u{1b}[2J").sentence.contains(#""a\nb\u001b[2J""#))
    }

    @Test("an operator's words are read alike")
    func words() throws {
        let request = try RunRequest([("user_id", "1"), ("database", "x")], parameters: Self.names)
        #expect(request.values == ["x", "1"])
        #expect(throws: RunRequestError.repeated("database")) {
            try RunRequest([("database", "1"), ("database", "x")], parameters: Self.names)
        }
    }

    @Test("no variable of the file or the daemon replaces one of the request")
    func environment() throws {
        let command = CommandDefinition(
            name: "c", cable: "cable",
            launch: LaunchCommand(
                command: "x",
                environment: ["PARAM_DATABASE", "RUN_ID", "TERM", "A"].map { .init(name: $0, value: "file") }),
            stream: try RunStreamName("s", parameters: []), parameters: Self.names, timeout: .seconds(1),
            maximumRunning: 1, stopPlan: StopPlan(steps: []))
        let request = try RunRequest([("user_id", "1"), ("database", "x")], parameters: Self.names)
        let launch = command.launch(request, id: RunID(high: 0, low: 0), directory: "/d")
        var shown = launch.environment.map { "\($0.name)=\($0.value)" }
        shown.sort()
        #expect(
            shown == [
                "A=file", "PARAM_DATABASE=x", "PARAM_USER_ID=1", "PWD=/d", "RUN_ID=AAAAAAAAAAAAAAAAAAAAAA", "TERM=file",
            ])
        let names = ["PARAM_DATABASE", "PARAM_OTHER", "PARAM_", "RUN_ID", "RUN_IDS", "PARAMS", "A"]
        let beneath = launch.over(names.map { .init(name: $0, value: "env_file") })
        #expect(beneath.environment.filter { $0.value == "env_file" }.map(\.name) == ["RUN_IDS", "PARAMS"])
    }
}
