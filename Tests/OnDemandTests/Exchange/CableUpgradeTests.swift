import Testing

@testable import OnDemand

/// The opening handshake of a cable's client: origin, subprotocol, token.
struct CableUpgradeTests {
    private static let upgrade = [
        "Connection: keep-alive, Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]
    private static let edge = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 9)
    private static let browser = SocketAddress.ipv4(octets: [203, 0, 113, 9], port: 9)
    private static let loopback = TrustedProxies(networks: TrustedProxies.loopback, includesUnixSockets: true)

    private struct Request {
        var line = "GET /cable HTTP/1.1"
        var host = "app.example"
        var handshake = CableUpgradeTests.upgrade
        var fields: [String] = []
        var peer = CableUpgradeTests.browser
        var isEncrypted = false
    }

    /// The accepted handshake, or the rejection.
    private func outcome(
        _ request: Request, _ access: CableAccess = CableAccess(name: "cable")
    ) throws -> Result<CableUpgrade, CableUpgradeDenied> {
        let lines = [request.line, "Host: \(request.host)"] + request.handshake + request.fields
        let bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        let head = try requestHead(bytes)
        let intent = try UpgradeIntent.of(head, in: bytes.span)
        let from = ForwardedHeaders(
            of: head, in: bytes.span, from: request.peer, isEncrypted: request.isEncrypted, trusting: Self.loopback)
        do throws(CableUpgradeDenied) {
            let upgrade = try CableUpgrade(of: head, in: bytes.span, upgrade: intent, from: from, access: access)
            guard let upgrade else { preconditionFailure("only a cable with a backend leaves a request to it") }
            return .success(upgrade)
        } catch {
            return .failure(error)
        }
    }

    /// 101, or the status of the rejection.
    private func status(_ request: Request, _ access: CableAccess = CableAccess(name: "cable")) throws -> Int {
        switch try outcome(request, access) {
        case .success: 101
        case .failure(let denied): denied.response.status
        }
    }

    // MARK: Origin

    @Test(
        "same_origin accepts an Origin with scheme and host of the request",
        arguments: [
            ("app.example", "http://app.example", true), ("app.example", "HTTP://App.Example", true),
            ("APP.example", "http://app.example", true), ("app.example:80", "http://app.example", true),
            ("app.example:3000", "http://app.example:3000", true), ("[::1]:3000", "http://[::1]:3000", true),
            ("app.example", "https://app.example", false), ("app.example", "http://app.example:3000", false),
            ("app.example:3000", "http://app.example", false), ("app.example", "http://evil.example", false),
            ("app.example", "http://app.example.evil.example", false),
            ("app.example", "http://evil-app.example", false),
            ("app.example", "http://user@app.example", false), ("app.example", "http://app.example/", false),
            ("app.example", "app.example", false), ("app.example", "null", false), ("app.example", "", false),
        ])
    func sameOrigin(host: String, origin: String, isAccepted: Bool) throws {
        let request = Request(host: host, fields: ["Origin: \(origin)"])
        #expect(try status(request) == (isAccepted ? 101 : 403))
    }

    @Test("same_origin compares the scheme of an encrypted connection, without its usual port")
    func encrypted() throws {
        for host in ["app.example", "app.example:443"] {
            var request = Request(host: host, fields: ["Origin: https://app.example"], isEncrypted: true)
            #expect(try status(request) == 101)
            request.fields = ["Origin: http://app.example"]
            #expect(try status(request) == 403)
        }
        #expect(
            try status(Request(host: "app.example:80", fields: ["Origin: https://app.example"], isEncrypted: true))
                == 403)
    }

    @Test("a request without Origin is accepted with same_origin, because browsers always send one")
    func withoutOrigin() throws {
        #expect(try status(Request()) == 101)
        #expect(try status(Request(fields: ["Origin: http://app.example", "Origin: http://app.example"])) == 403)
    }

    @Test("host and scheme of a trusted proxy count, and those of another peer do not")
    func proxies() throws {
        let families = [
            ["X-Forwarded-Host: www.example", "X-Forwarded-Proto: https"], ["Forwarded: host=www.example;proto=https"],
        ]
        for fields in families {
            let page = ["Origin: https://www.example"]
            #expect(try status(Request(host: "127.0.0.1:3000", fields: fields + page, peer: Self.edge)) == 101)
            #expect(try status(Request(host: "127.0.0.1:3000", fields: fields + page)) == 403)
            let inner = ["Origin: http://127.0.0.1:3000"]
            #expect(try status(Request(host: "127.0.0.1:3000", fields: fields + inner, peer: Self.edge)) == 403)
        }
    }

    @Test("a list of origins accepts its members only, and * everything")
    func listed() throws {
        var access = CableAccess(name: "cable")
        access.origins = .listed([
            .exact("https://a.example"), .below(scheme: "https://", domain: ".b.example"),
        ])
        for (origin, isAccepted) in [
            ("https://a.example", true), ("https://x.b.example", true), ("https://b.example", false),
            ("http://a.example", false), ("http://app.example", false),
        ] {
            #expect(try status(Request(fields: ["Origin: \(origin)"]), access) == (isAccepted ? 101 : 403), "\(origin)")
        }
        #expect(try status(Request(), access) == 403)
        access.origins = .listed([.any])
        for fields in [[], ["Origin: http://evil.example"], ["Origin: null"]] {
            #expect(try status(Request(fields: fields), access) == 101)
        }
    }

    @Test("the rejected origin is known for the log, and only that of an origin's rejection")
    func rejectedOrigin() throws {
        guard case .failure(let denied) = try outcome(Request(fields: ["Origin: http://evil.example"])) else {
            Issue.record("accepted")
            return
        }
        #expect(denied.origin == "http://evil.example")
        let unknown = Request(fields: ["Sec-WebSocket-Protocol: graphql-ws"])
        guard case .failure(let other) = try outcome(unknown) else {
            Issue.record("accepted")
            return
        }
        #expect(other.response.status == 400 && other.origin == nil)
    }

    // MARK: Subprotocol

    /// The protocol that is spoken; nil for 400. `echo`: the response chooses `actioncable-v1-json`.
    private struct Choice: Equatable {
        var cableProtocol: CableProtocol
        var echo = false
    }

    @Test("the subprotocol decides the protocol, within what the cable serves")
    func subprotocols() throws {
        let actionCable = Choice(cableProtocol: .actionCable, echo: true)
        let silent = Choice(cableProtocol: .actionCable)
        let turbo = Choice(cableProtocol: .turboCable)
        // Offer, then the outcome with both protocols, with Action Cable only and with TurboCable only.
        let table: [([String], Choice?, Choice?, Choice?)] = [
            ([], turbo, silent, turbo),
            (["actioncable-v1-json"], actionCable, actionCable, nil),
            (["actioncable-v1-json, actioncable-unsupported"], actionCable, actionCable, nil),
            (["actioncable-unsupported, actioncable-v1-json"], actionCable, actionCable, nil),
            (["actioncable-unsupported", "actioncable-v1-json"], actionCable, actionCable, nil),
            (["actioncable-v1-json,anycable-token.abc"], actionCable, actionCable, nil),
            (["anycable-token.abc , actioncable-v1-json"], actionCable, actionCable, nil),
            (["actioncable-unsupported"], nil, nil, nil),
            (["graphql-ws"], nil, nil, nil),
            (["ActionCable-V1-JSON"], nil, nil, nil),
            (["actioncable-v1-json2"], nil, nil, nil),
            (["anycable-token.abc"], nil, nil, nil),
        ]
        for (offer, both, actionCableOnly, turboCableOnly) in table {
            for (isActionCable, isTurboCable, expected) in [
                (true, true, both), (true, false, actionCableOnly), (false, true, turboCableOnly),
            ] {
                let access = CableAccess(name: "cable", actionCable: isActionCable, turboCable: isTurboCable)
                let request = Request(fields: offer.map { "Sec-WebSocket-Protocol: \($0)" })
                let place = "\(offer), action_cable \(isActionCable), turbo_cable \(isTurboCable)"
                switch try outcome(request, access) {
                case .success(let upgrade):
                    let choice = Choice(cableProtocol: upgrade.cableProtocol, echo: upgrade.echoesSubprotocol)
                    #expect(choice == expected, "\(place)")
                case .failure(let denied):
                    #expect(expected == nil && denied.response.status == 400, "\(place)")
                }
            }
        }
    }

    @Test("the response has the accept value of RFC 6455, and a subprotocol only if the client offered it")
    func response() throws {
        for (offer, subprotocols) in [([], 0), (["Sec-WebSocket-Protocol: actioncable-v1-json"], 1)] {
            let text = String(decoding: try outcome(Request(fields: offer)).get().response, as: UTF8.self)
            let lines = text.split(separator: "\r\n").map(String.init)
            #expect(lines.first == "HTTP/1.1 101 Switching Protocols" && text.hasSuffix("\r\n\r\n"))
            #expect(lines.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="))
            #expect(lines.count { $0 == "Sec-WebSocket-Protocol: actioncable-v1-json" } == subprotocols)
            #expect(lines.count { $0.hasPrefix("Sec-WebSocket-Protocol") } == subprotocols)
            #expect(!lines.contains { $0.hasPrefix("Sec-WebSocket-Extensions") })
        }
    }

    // MARK: Token

    private static func access(parameter: String = "jid") -> CableAccess {
        var access = CableAccess(name: "cable")
        access.tokens = ClientTokenVerifier(secret: Array("secret".utf8)).map {
            .init(verifier: $0, parameter: Array(parameter.utf8), isRequired: true)
        }
        return access
    }

    private func token(
        _ target: String = "/cable", _ fields: [String] = [], _ access: CableAccess = Self.access()
    ) throws -> String? {
        let fields = ["Sec-WebSocket-Protocol: actioncable-v1-json"] + fields
        return try outcome(Request(line: "GET \(target) HTTP/1.1", fields: fields), access).get().token.map {
            String(decoding: $0, as: UTF8.self)
        }
    }

    @Test("a token is read from its three places: a header, a subprotocol, the query")
    func tokens() throws {
        let header = "X-JID: of-header"
        let lowerCase = "x-jid: of-header"
        let offer = "Sec-WebSocket-Protocol: anycable-token.of-offer"
        #expect(try token() == nil)
        #expect(try token("/cable", [header]) == "of-header")
        #expect(try token("/cable", [lowerCase]) == "of-header")
        #expect(try token("/cable", [offer]) == "of-offer")
        #expect(try token("/cable?jid=of-query") == "of-query")
        // The header wins over the subprotocol, and both over the query (4.7).
        #expect(try token("/cable?jid=of-query", [offer, header]) == "of-header")
        #expect(try token("/cable?jid=of-query", [offer]) == "of-offer")
    }

    @Test(
        "the query parameter has the configured name, and its value may be percent-encoded",
        arguments: [
            ("/cable?jid=a.b.c", "a.b.c"), ("/cable?x=1&jid=a.b.c&y=2", "a.b.c"), ("/cable?jid=a%2Eb%2ec", "a.b.c"),
            ("/cable?jid=first&jid=second", "first"), ("/cable?jid=a=b", "a=b"), ("/cable?xjid=a", nil),
            ("/cable?jidx=a", nil), ("/cable?JID=a", nil), ("/cable?jid", nil), ("/cable?", nil),
            ("/cable?jid=a%2", nil), ("/cable?jid=%zz", nil),
        ])
    func queries(target: String, expected: String?) throws {
        #expect(try token(target) == expected)
        let other = target.replacing("jid", with: "auth")
        #expect(try token(other, [], Self.access(parameter: "auth")) == expected)
        if expected != nil { #expect(try token(target, [], Self.access(parameter: "auth")) == nil) }
    }

    @Test("a cable without jwt ignores tokens")
    func noTokens() throws {
        #expect(try token("/cable?jid=a", ["X-JID: b"], CableAccess(name: "cable")) == nil)
    }

    // MARK: Other requests

    @Test(
        "a request that is no WebSocket handshake gets 426 with the protocol to use",
        arguments: [
            ("GET /cable HTTP/1.1", []), ("POST /cable HTTP/1.1", []), ("HEAD /cable HTTP/1.1", []),
            ("GET /cable HTTP/1.1", ["Connection: Upgrade", "Upgrade: h2c"]),
            ("GET /cable HTTP/1.1", ["Upgrade: websocket"]), ("GET /cable HTTP/1.0", upgrade),
        ])
    func plain(line: String, handshake: [String]) throws {
        // Such a request is no WebSocket of a page, so the origin has no part in it.
        let request = Request(line: line, handshake: handshake, fields: ["Origin: http://evil.example"])
        guard case .failure(let denied) = try outcome(request) else {
            Issue.record("accepted")
            return
        }
        #expect(denied.response.status == 426)
        #expect(denied.response.fields == [.init(name: "Upgrade", value: "websocket")])
    }

    @Test("a disabled cable answers 503 to every request")
    func disabled() throws {
        let access = CableAccess(name: "cable", isEnabled: false)
        for request in [Request(), Request(handshake: []), Request(fields: ["Origin: http://evil.example"])] {
            #expect(try status(request, access) == 503)
        }
    }
}
