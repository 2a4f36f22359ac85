import Testing

@testable import OnDemand

@Suite struct ControlQuestionTests {
    @Test(
        "what can be asked",
        arguments: [
            ("GET /v1/status", ControlQuestion.status(.json)),
            ("GET /v1/status?format=text", .status(.text)), ("GET /v1/status?format=coloured", .status(.coloured)),
            ("POST /v1/reload", .reload),
            ("POST /v1/services/cable/start", .order(.start, service: "cable", waits: true)),
            ("POST /v1/services/cable/stop?wait=0", .order(.stop, service: "cable", waits: false)),
            ("GET /v1/services/a.b/logs", .logs(service: "a.b", lines: 200, follows: false)),
            ("GET /v1/services/cable/logs?lines=5&follow=1", .logs(service: "cable", lines: 5, follows: true)),
        ])
    func questions(line: String, question: ControlQuestion) throws {
        #expect(try ControlQuestion(reading: line) == question)
    }

    @Test("each order has its own address")
    func orders() throws {
        for order in BackendOrder.allCases {
            let question = try ControlQuestion(reading: "POST /v1/services/x/\(order.rawValue)")
            #expect(question == .order(order, service: "x", waits: true))
        }
    }

    @Test(
        "what cannot be asked is refused with a sentence",
        arguments: [
            ("GET /v1/services/cable/start", 405), ("POST /v1/status", 405), ("HEAD /v1/status", 405),
            ("GET /v1/reload", 405), ("POST /v1/services/cable/logs", 405), ("GET /", 404),
            ("GET /v1/services/cable", 404),
            ("POST /v1/services/cable/explode", 404), ("POST /v2/services/cable/start", 404),
            ("GET /v1/services/cable/logs?lines=-1", 400), ("GET /v1/services/cable/logs?lines=201", 400),
            ("GET /v1/status?colour=red", 400), ("POST /v1/services/cable/start?wait", 400), ("", 404),
        ])
    func objections(line: String, status: Int) {
        let objection = #expect(throws: ControlObjection.self) { try ControlQuestion(reading: line) }
        #expect(objection?.response.status == status)
        #expect(objection?.response.body.hasSuffix(".") == true)
        #expect((objection?.response.fields.first?.name == "Allow") == (status == 405))
    }

    @Test("the status listener takes the same orders, and speaks of its own paths only")
    func statusListener() throws {
        let order = try ControlQuestion(reading: "POST /api/services/cable/pin", at: .status)
        #expect(order == .order(.pin, service: "cable", waits: true))
        let logs = try ControlQuestion(reading: "GET /api/services/cable/logs?follow=1", at: .status)
        #expect(logs == .logs(service: "cable", lines: 200, follows: true))
        for line in [
            "POST /v1/services/cable/pin", "POST /api/services/cable/explode", "POST http://x/api/services/a/pin",
        ] {
            let objection = #expect(throws: ControlObjection.self) { try ControlQuestion(reading: line, at: .status) }
            #expect(objection?.response.status == 404 && objection?.response.body.contains("/v1") == false, "\(line)")
        }
    }

    @Test("a reload is answered with what it changed, or with everything that is wrong")
    func reloads() {
        var summary = ReloadSummary()
        #expect(CannedResponse(.done(summary)).body == "reloaded: nothing has changed")
        summary.added = ["a", "b"]
        summary.changesSettings = true
        #expect(CannedResponse(.done(summary)).body == "reloaded: added a,b; settings changed")
        #expect(
            CannedResponse(.refused(["c:1:1: error: x", "c:2:1: error: y"])).body.split(separator: "\n").count == 2)
        #expect([.refused(["x"]), .tooLate].allSatisfy { CannedResponse($0).status == 409 })
    }

    @Test("who asks for a service that does not exist is told which do")
    func unknown() {
        let response = ControlObjection.unknown("kable", known: ["cable", "redis"]).response
        #expect(response.status == 404)
        #expect(response.body == "No service is named \"kable\"; there are cable, redis.")
    }
}
