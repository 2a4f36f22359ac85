import Testing

@testable import OnDemand

@Suite struct ControlRequestTests {
    @Test(
        "each request is parsed",
        arguments: [
            ("GET /v1/status", ControlRequest.status(.json)),
            ("GET /v1/status?format=text", .status(.text)), ("GET /v1/status?format=coloured", .status(.coloured)),
            ("POST /v1/reload", .reload),
            ("POST /v1/services/cable/start", .operation(.start, service: "cable", waits: true)),
            ("POST /v1/services/cable/stop?wait=0", .operation(.stop, service: "cable", waits: false)),
            ("GET /v1/services/a.b/logs", .logs(service: "a.b", lines: 200, follows: false)),
            ("GET /v1/services/cable/logs?lines=5&follow=1", .logs(service: "cable", lines: 5, follows: true)),
            ("GET /v1/commands", .commands(.json)), ("GET /v1/commands?format=text", .commands(.text)),
            ("POST /v1/commands/a/run", .run(command: "a", parameters: [])),
            (
                "POST /v1/commands/a/run?x=1&format=2",
                .run(command: "a", parameters: [.init(name: "x", value: "1"), .init(name: "format", value: "2")])
            ),
            ("GET /v1/commands/a/runs/b", .runState(command: "a", run: "b")),
            ("DELETE /v1/commands/a/runs/b", .stopRun(command: "a", run: "b")),
        ])
    func questions(line: String, question: ControlRequest) throws {
        #expect(try ControlRequest(reading: line) == question)
    }

    @Test("each operation has its own path")
    func operations() throws {
        for operation in BackendOperation.allCases {
            let question = try ControlRequest(reading: "POST /v1/services/x/\(operation.rawValue)")
            #expect(question == .operation(operation, service: "x", waits: true))
        }
    }

    @Test(
        "an invalid request is rejected with a text",
        arguments: [
            ("GET /v1/services/cable/start", 405), ("POST /v1/status", 405), ("HEAD /v1/status", 405),
            ("GET /v1/reload", 405), ("POST /v1/services/cable/logs", 405), ("GET /", 404),
            ("GET /v1/services/cable", 404),
            ("POST /v1/services/cable/explode", 404), ("POST /v2/services/cable/start", 404),
            ("GET /v1/services/cable/logs?lines=-1", 400), ("GET /v1/services/cable/logs?lines=201", 400),
            ("GET /v1/status?colour=red", 400), ("POST /v1/services/cable/start?wait", 400), ("", 404),
            ("POST /v1/commands", 405), ("GET /v1/commands/a/run", 405), ("POST /v1/commands/a/runs/b", 405),
            ("POST /v1/commands/a/run?x", 400), ("POST /v1/commands/a/run?x=1&", 400), ("GET /v1/commands/a", 404),
            ("GET /v1/commands?lines=x&colour=1", 400), ("POST /v1/commands/a/stop", 404),
        ])
    func objections(line: String, status: Int) {
        let denial = #expect(throws: ControlError.self) { try ControlRequest(reading: line) }
        #expect(denial?.response.status == status)
        #expect(denial?.response.body.hasSuffix(".") == true)
        #expect((denial?.response.fields.first?.name == "Allow") == (status == 405))
    }

    @Test("the status listener accepts the same operations, and names its own paths only")
    func statusListener() throws {
        let operation = try ControlRequest(reading: "POST /api/services/cable/pin", at: .status)
        #expect(operation == .operation(.pin, service: "cable", waits: true))
        let logs = try ControlRequest(reading: "GET /api/services/cable/logs?follow=1", at: .status)
        #expect(logs == .logs(service: "cable", lines: 200, follows: true))
        for line in [
            "POST /v1/services/cable/pin", "POST /api/services/cable/explode", "POST /api/commands/a/run",
            "POST http://x/api/services/a/pin",
        ] {
            let denial = #expect(throws: ControlError.self) { try ControlRequest(reading: line, at: .status) }
            #expect(denial?.response.status == 404 && denial?.response.body.contains("/v1") == false, "\(line)")
        }
    }

    @Test(
        "an unknown path is answered with the paths of its listener",
        arguments: [ControlRequest.Place.control, .status])
    func paths(place: ControlRequest.Place) {
        let denial = #expect(throws: ControlError.self) { try ControlRequest(reading: "GET /other", at: place) }
        for path in ["cables/NAME/broadcast", "services/NAME/logs"] {
            #expect(denial?.response.body.contains(" /\(place.rawValue)/\(path)") == true)
        }
    }

    @Test("a reload responds with its changes, or with all errors")
    func reloads() {
        var summary = ReloadSummary()
        #expect(LocalReply(.done(summary)).body == "reloaded: nothing has changed")
        summary.added = ["a", "b"]
        summary.changesSettings = true
        #expect(LocalReply(.done(summary)).body == "reloaded: added a,b; settings changed")
        #expect(
            LocalReply(.refused(["c:1:1: error: x", "c:2:1: error: y"])).body.split(separator: "\n").count == 2)
        #expect([.refused(["x"]), .tooLate].allSatisfy { LocalReply($0).status == 409 })
    }

    @Test("a request for an unknown command lists the known ones")
    func unknownCommand() {
        let response = ControlError.unknownCommand("aply", known: ["apply", "copy"]).response
        #expect(response.status == 404)
        #expect(response.body == "No command is named \"aply\"; there are apply, copy.")
        #expect(ControlError.unknownCommand("x", known: []).response.body == "No commands are configured.")
    }

    @Test("a request for an unknown service lists the known ones")
    func unknown() {
        let response = ControlError.unknown("kable", known: ["cable", "redis"]).response
        #expect(response.status == 404)
        #expect(response.body == "No service is named \"kable\"; there are cable, redis.")
    }
}
