import Testing

@testable import OnDemand

@Suite struct StatusAccessControlTests {
    private static let token = "0123456789abcdef"
    private static let named = "Authorization: Bearer \(token)"
    private static let json = "Content-Type: application/json"
    private let plain = StatusAccessControl()
    private let guarded = StatusAccessControl(token: BearerToken(Self.token), names: ["status.example.com"])

    private func status(
        _ door: StatusAccessControl, _ resource: StatusResource, _ method: String = "GET",
        host: String? = "127.0.0.1:9292",
        with fields: [String] = []
    ) throws -> Int {
        let lines = ["\(method) / HTTP/1.\(host == nil ? 0 : 1)"] + (host.map { ["Host: \($0)"] } ?? []) + fields
        let bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        var parser = RequestHeadParser()
        let head = try #require(try parser.examine(bytes.span))
        return door.denial(to: resource, asking: method, head, in: bytes.span)?.status ?? 200
    }

    @Test("without a token the status accepts an address, localhost or no host")
    func hosts() throws {
        for host in ["127.0.0.1:9292", "10.1.2.3", "[::1]:9292", "localhost", "LOCALHOST:1", "a.localhost", nil] {
            for resource in [StatusResource.snapshot, .events, .history, .metrics, .service] {
                #expect(try status(plain, resource, host: host) == 200, "\(host ?? "none")")
            }
        }
    }

    @Test("an unknown host name gets 403 (DNS rebinding)")
    func rebinding() throws {
        for host in ["evil.example", "evil.example:9292", "127.0.0.1.evil.example", "localhost.evil.example", "1.2.3"] {
            for resource in [StatusResource.snapshot, .events, .history, .metrics, .service] {
                #expect(try status(plain, resource, host: host) == 421, "\(host)")
            }
            for resource in [StatusResource.page, .health, .readiness] {
                #expect(try status(plain, resource, host: host) == 200)
            }
        }
        var named = plain
        named.names = ["evil.example"]
        #expect(try status(named, .snapshot, host: "Evil.Example:80") == 200)
        #expect(try status(StatusAccessControl(isUnixSocket: true), .snapshot, host: "evil.example") == 200)
    }

    @Test("with a token only the token decides, whatever the host")
    func namedToken() throws {
        for resource in [StatusResource.snapshot, .events, .history, .metrics, .service] {
            #expect(try status(guarded, resource) == 401)
            #expect(try status(guarded, resource, host: "tower.lan", with: [Self.named]) == 200)
            #expect(try status(guarded, resource, with: ["Authorization: Bearer 0123456789abcdeX"]) == 401)
        }
    }

    @Test("a wrong token has another response than a missing one, for every resource")
    func wrongToken() throws {
        let wrong = ["Authorization: Bearer 0123456789abcdeX", "Authorization: Basic abc", "Authorization:"]
        for field in wrong + [""] {
            let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\n\(field)\(field.isEmpty ? "" : "\r\n")\r\n".utf8)
            let head = try requestHead(bytes)
            for (resource, method) in [(StatusResource.snapshot, "GET"), (.service, "GET")] {
                let refusal = guarded.denial(to: resource, asking: method, head, in: bytes.span)
                #expect(refusal?.status == 401 && refusal?.isWrongSecret == !field.isEmpty)
            }
        }
    }

    @Test("an operation needs a token in the configuration and in the request")
    func operations() throws {
        #expect(try status(plain, .service, "POST", with: [Self.json]) == 403)
        #expect(try status(StatusAccessControl(isUnixSocket: true), .service, "POST", with: [Self.json]) == 403)
        #expect(try status(guarded, .service, "POST", with: [Self.json]) == 401)
        #expect(try status(guarded, .service, "POST", with: [Self.json, Self.named]) == 200)
        #expect(try status(guarded, .service, "DELETE", with: [Self.named]) == 415, "whatever is not asked is an order")
    }

    @Test("an operation from another origin, an unknown host or a form is rejected")
    func crossSite() throws {
        let order = [Self.json, Self.named]
        for origin in ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:9292.evil.example", ""] {
            #expect(try status(guarded, .service, "POST", with: order + ["Origin: \(origin)"]) == 403, "\(origin)")
        }
        for scheme in ["http", "https"] {
            #expect(try status(guarded, .service, "POST", with: order + ["Origin: \(scheme)://127.0.0.1:9292"]) == 200)
        }
        let own = "Origin: http://127.0.0.1:9292"
        #expect(try status(guarded, .service, "POST", with: order + [own, "Origin: https://evil.example"]) == 403)
        #expect(try status(guarded, .service, "POST", host: "evil.example", with: order) == 421)
        let page = "Origin: https://status.example.com"
        #expect(try status(guarded, .service, "POST", host: "Status.Example.com", with: order + [page]) == 200)
        for type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
            #expect(try status(guarded, .service, "POST", with: [Self.named, "Content-Type: \(type)"]) == 415)
        }
        #expect(try status(guarded, .service, "POST", with: [Self.named]) == 415)
        #expect(try status(guarded, .service, "POST", with: [Self.named, Self.json + "; charset=utf-8"]) == 200)
    }
}
