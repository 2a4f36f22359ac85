import Testing

@testable import OnDemand

/// Requests to a cable's broadcast endpoint: which publishers may use it.
struct CableAccessTests {
    private static let key = "0123456789abcdef-key"
    private static let local = [
        SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 5), .ipv4(octets: [127, 9, 9, 9], port: 5),
        .ipv6(octets: Array(repeating: 0, count: 15) + [1], port: 5),
        .ipv6(octets: Array(repeating: 0, count: 10) + [0xff, 0xff, 127, 0, 0, 1], port: 5), .unix(path: ""),
    ]
    private static let remote = [
        SocketAddress.ipv4(octets: [10, 0, 0, 1], port: 5), .ipv4(octets: [0, 0, 0, 0], port: 5),
        .ipv4(octets: [128, 0, 0, 1], port: 5), .ipv6(octets: Array(repeating: 0, count: 16), port: 5),
        .ipv6(octets: [0xfe, 0x80] + Array(repeating: 0, count: 13) + [1], port: 5),
        .ipv6(octets: Array(repeating: 0, count: 10) + [0xff, 0xff, 10, 0, 0, 1], port: 5),
    ]

    private func denial(
        _ access: CableAccess, _ method: String = "POST", with fields: [String] = [],
        from peer: SocketAddress = Self.local[0]
    ) throws -> LocalReply? {
        let lines = ["\(method) /_broadcast HTTP/1.1", "Host: app.example", "Content-Length: 2"] + fields
        let bytes = Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8)
        return access.denialOfBroadcast(try requestHead(bytes), in: bytes.span, from: peer)
    }

    private static func access(key: String? = nil) -> CableAccess {
        var access = CableAccess(name: "cable")
        if let key = key.flatMap({ BearerToken.accessKey($0) }) { access.publishers = .holders(of: key) }
        return access
    }

    @Test("without a key, peers on loopback and Unix sockets may broadcast, and no others")
    func peers() throws {
        for peer in Self.local { #expect(try denial(Self.access(), from: peer) == nil, "\(peer)") }
        for peer in Self.remote { #expect(try denial(Self.access(), from: peer)?.status == 403, "\(peer)") }
    }

    @Test(
        "without a key, any forwarding header shows that the publisher is behind a proxy",
        arguments: [
            "Forwarded", "Via", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
            "X-Forwarded-Port", "X-Forwarded-Server", "X-Forwarded-Prefix", "X-Forwarded-Ssl", "X-Forwarded-By",
            "X-Forwarded-Anything-Else",
        ])
    func forwardingHeaders(name: String) throws {
        for name in [name, name.lowercased(), name.uppercased(), name.replacing("-", with: "_")] {
            for value in ["127.0.0.1", "for=127.0.0.1", "1.1 proxy", ""] {
                for peer in Self.local {
                    let denial = try denial(Self.access(), with: ["\(name): \(value)"], from: peer)
                    #expect(denial?.status == 403, "\(name): \(value) from \(peer)")
                }
            }
        }
    }

    @Test("other fields are no sign of a proxy")
    func otherFields() throws {
        let fields = ["Viaduct: 1", "X-Forward: 1", "X-Real: 1", "X-Request-Id: 1"]
        #expect(try denial(Self.access(), with: fields) == nil)
    }

    @Test("with a key, its holders may broadcast from anywhere, and all others get 401")
    func keys() throws {
        let access = Self.access(key: Self.key)
        for peer in Self.local + Self.remote {
            let forwarded = ["X-Forwarded-For: 10.0.0.1", "Via: 1.1 proxy"]
            let right = ["Authorization: Bearer \(Self.key)"]
            #expect(try denial(access, with: right + forwarded, from: peer) == nil)
            let missing = try #require(try denial(access, from: peer))
            #expect(missing.status == 401 && !missing.isWrongSecret)
            #expect(missing.fields == [.init(name: "WWW-Authenticate", value: "Bearer")])
        }
        for value in [
            "Bearer \(Self.key)x", "Bearer \(Self.key.dropLast())", "Bearer \(Self.key.uppercased())", "Bearer",
            "Basic \(Self.key)", Self.key, "",
        ] {
            let denial = try #require(try denial(access, with: ["Authorization: \(value)"]), "\(value)")
            #expect(denial.status == 401 && denial.isWrongSecret, "\(value)")
        }
        let twice = Array(repeating: "Authorization: Bearer \(Self.key)", count: 2)
        #expect(try denial(access, with: twice)?.status == 401)
    }

    @Test("a private listener accepts every publisher")
    func all() throws {
        var access = Self.access()
        access.publishers = .all
        for peer in Self.local + Self.remote {
            #expect(try denial(access, with: ["X-Forwarded-For: 10.0.0.1"], from: peer) == nil)
        }
        #expect(try denial(access, "GET")?.status == 405)
    }

    @Test("any method but POST gets 405 with the allowed one", arguments: ["GET", "HEAD", "PUT", "DELETE", "post"])
    func methods(method: String) throws {
        let right = ["Authorization: Bearer \(Self.key)"]
        for (access, fields) in [(Self.access(), []), (Self.access(key: Self.key), right)] {
            let denial = try #require(try denial(access, method, with: fields))
            #expect(denial.status == 405 && denial.fields == [.init(name: "Allow", value: "POST")])
        }
        // A publisher that may not broadcast does not learn more.
        #expect(try denial(Self.access(), method, from: Self.remote[0])?.status == 403)
        #expect(try denial(Self.access(key: Self.key), method)?.status == 401)
    }

    @Test("a disabled cable answers 503, also to holders of the key")
    func disabled() throws {
        var access = Self.access(key: Self.key)
        access.isEnabled = false
        for fields in [[], ["Authorization: Bearer \(Self.key)"]] {
            #expect(try denial(access, with: fields)?.status == 503)
        }
    }

    // MARK: In an exchange

    private func exchange(
        _ access: CableAccess, _ request: String, from peer: SocketAddress = Self.local[0], announced: Bool = false
    ) -> ExchangeHarness {
        let route = Route(pattern: .fixed("/_broadcast"), destination: .local(.broadcast(CableID(index: 0))))
        let rules = ExchangeRules(
            routes: RouteTable([route]), services: [],
            trustedProxies: TrustedProxies(networks: TrustedProxies.loopback),
            expectsProxyHeader: announced, cables: [access])
        var exchange = ExchangeHarness(pieces: [Array(request.utf8)], rules: rules, peer: peer, backends: [])
        exchange.run()
        return exchange
    }

    private static func post(_ body: String) -> String {
        "POST /_broadcast HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
    }

    @Test("a PROXY header of a proxy on this machine names the publisher: a remote one is not local")
    func announced() {
        let remote = "PROXY TCP4 203.0.113.9 127.0.0.1 40000 3000\r\n"
        let local = "PROXY TCP4 127.0.0.1 127.0.0.1 40000 3000\r\n"
        let body = #"{"stream":"s","data":"1"}"#
        let denied = exchange(Self.access(), remote + Self.post(body), announced: true)
        #expect(denied.client.hasPrefix("HTTP/1.1 403 "))
        let accepted = exchange(Self.access(), local + Self.post(body), announced: true)
        #expect(accepted.client.hasPrefix("HTTP/1.1 200 "))
    }

    @Test("a body within max_body_bytes is served, and a longer one gets 413")
    func bodies() {
        var access = Self.access()
        access.maximumBodyBytes = 20
        for count in [0, 1, 20, 21, 1000] {
            let exchange = exchange(access, Self.post(String(repeating: "x", count: count)))
            #expect(exchange.client.hasPrefix("HTTP/1.1 \(count > 20 ? 413 : 200) "), "\(count)")
            #expect(exchange.steps.contains(.serve(.broadcast(CableID(index: 0)))) == (count <= 20), "\(count)")
        }
        let chunked = "POST /_broadcast HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        for (count, status) in [(20, 200), (21, 413)] {
            let chunk = "\(String(count, radix: 16))\r\n\(String(repeating: "x", count: count))\r\n0\r\n\r\n"
            #expect(exchange(access, chunked + chunk).client.hasPrefix("HTTP/1.1 \(status) "), "\(count)")
        }
    }

    @Test("a rejected publisher is rejected before its body arrives")
    func early() {
        let head = "POST /_broadcast HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n"
        #expect(exchange(Self.access(), head, from: Self.remote[0]).client.hasPrefix("HTTP/1.1 403 "))
        #expect(exchange(Self.access(key: Self.key), head).client.hasPrefix("HTTP/1.1 401 "))
        #expect(exchange(Self.access(), head).client == "")
    }
}
