import Testing

@testable import OnDemand

@Suite struct OperatorBroadcastTests {
    private static let token = "0123456789abcdef"

    private func denial(
        _ access: StatusAccessControl, _ fields: [String], method: String = "POST", host: String = "127.0.0.1:9292",
        isEnabled: Bool = true
    ) throws -> LocalReply? {
        var cable = CableAccess(name: "cable", publishers: .operators(access))
        cable.isEnabled = isEnabled
        let lines = ["\(method) /api/cables/cable/broadcast HTTP/1.1", "Host: \(host)"] + fields
        let bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return cable.denialOfBroadcast(
            try requestHead(bytes), in: bytes.span, from: .ipv4(octets: [127, 0, 0, 1], port: 50_000))
    }

    private let json = "Content-Type: application/json"
    private let bearer = "Authorization: Bearer \(token)"

    @Test("a broadcast on the status listener has the conditions of an operation")
    func operators() throws {
        let guarded = StatusAccessControl(token: BearerToken(Self.token))
        #expect(try denial(guarded, [json, bearer]) == nil)
        #expect(try denial(guarded, [json, bearer, "Origin: http://127.0.0.1:9292"]) == nil)
        #expect(try denial(guarded, [bearer])?.status == 415)
        #expect(try denial(guarded, [json, bearer, "Origin: http://127.0.0.1:3000"])?.status == 403)
        #expect(try denial(guarded, [json, bearer], host: "evil.example")?.status == 421)
        #expect(try denial(guarded, [bearer], method: "GET")?.status == 405)
        #expect(try denial(guarded, [], method: "GET")?.status == 401)
        #expect(try denial(guarded, [json, bearer], method: "PUT")?.status == 405)
        let (missing, wrong) = (try denial(guarded, [json]), try denial(guarded, [json, bearer + "x"]))
        #expect(missing?.status == 401 && missing?.isWrongSecret == false)
        #expect(wrong?.status == 401 && wrong?.isWrongSecret == true, "a line of the log")
        #expect(try denial(StatusAccessControl(), [json])?.status == 403, "also from this machine")
        #expect(try denial(StatusAccessControl(isUnixSocket: true), [json])?.status == 403)
    }

    @Test("a request without a token gets 401 whether the cable is enabled or not")
    func disabled() throws {
        let guarded = StatusAccessControl(token: BearerToken(Self.token))
        #expect(try denial(guarded, [json], isEnabled: false)?.status == 401)
        #expect(try denial(guarded, [json, bearer], isEnabled: false)?.status == 503)
    }
}
