import Foundation
import Testing

@testable import OnDemand

struct ForwardedHeadersTests {
    private static let edge = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 9)
    private static let stranger = SocketAddress.ipv4(octets: [203, 0, 113, 9], port: 9)
    private static let loopback = TrustedProxies(networks: TrustedProxies.loopback, includesUnixSockets: true)

    private func told(
        _ fields: [String], from peer: SocketAddress, trusting: TrustedProxies = Self.loopback
    ) throws -> (client: String, scheme: String, fields: [String]) {
        let bytes = Array("GET / HTTP/1.1\r\nHost: app:8443\r\n\((fields + ["", ""]).joined(separator: "\r\n"))".utf8)
        let provenance = ForwardedHeaders(of: try requestHead(bytes), in: bytes.span, from: peer, trusting: trusting)
        var fields = AddedHeaders()
        provenance.write(to: &fields, in: bytes)
        let lines = String(decoding: fields.lines, as: UTF8.self).components(separatedBy: "\r\n")
        return (provenance.client, provenance.scheme, Array(lines.dropLast()))
    }

    @Test("forwarded headers of an untrusted peer are discarded")
    func stranger() throws {
        let lies = [
            "X-Forwarded-For: 127.0.0.1", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil",
            "Forwarded: for=1.1.1.1",
        ]
        let told = try told(lies, from: Self.stranger)
        #expect(told.client == "203.0.113.9" && told.scheme == "http")
        #expect(
            told.fields == [
                "X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: http", "X-Forwarded-Host: app:8443",
                "Forwarded: for=203.0.113.9;host=\"app:8443\";proto=http",
            ])
    }

    @Test("a trusted proxy's chain is continued, and its scheme and host are kept, in the new field, too")
    func trusted() throws {
        let told = try told(
            ["X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: www.example"],
            from: Self.edge)
        #expect(told.client == "198.51.100.7" && told.scheme == "https")
        #expect(
            told.fields == [
                "X-Forwarded-For: 198.51.100.7, 127.0.0.1", "X-Forwarded-Proto: https",
                "X-Forwarded-Host: www.example",
                "Forwarded: for=198.51.100.7, for=127.0.0.1;host=www.example;proto=https",
            ])
    }

    @Test("the client is the last untrusted address in the chain; earlier entries are unproven")
    func chain() throws {
        let told = try told(["X-Forwarded-For: 6.6.6.6, 198.51.100.7", "X-Forwarded-For: 127.0.0.2"], from: Self.edge)
        #expect(told.client == "198.51.100.7")
        #expect(told.fields[0] == "X-Forwarded-For: 6.6.6.6, 198.51.100.7, 127.0.0.2, 127.0.0.1")
        #expect(try self.told(["X-Forwarded-For: 127.0.0.3, 127.0.0.2"], from: Self.edge).client == "127.0.0.3")
        #expect(try self.told(["X-Forwarded-For: 127.0.0.3, unknown"], from: Self.edge).client == "127.0.0.1")
        #expect(try self.told(["X-Forwarded-For: unknown, 127.0.0.3"], from: Self.edge).client == "127.0.0.3")
        #expect(try self.told([], from: Self.edge).client == "127.0.0.1")
    }

    @Test("a Forwarded header (RFC 7239) of a trusted proxy is parsed and continued")
    func forwarded() throws {
        let told = try told(
            [#"Forwarded: for="[2001:db8::1]:4711";proto=HTTPS;host="a;b, c", for=127.0.0.2"#], from: Self.edge)
        #expect(told.client == "2001:db8::1" && told.scheme == "https")
        #expect(told.fields[0] == "X-Forwarded-For: 2001:db8::1, 127.0.0.2, 127.0.0.1")
        let expected =
            #"Forwarded: for="[2001:db8::1]:4711";proto=HTTPS;host="a;b, c", for=127.0.0.2, "#
            + #"for=127.0.0.1;host="a;b, c";proto=https"#
        #expect(told.fields.last == expected)
    }

    @Test(
        "the client is an address without port, brackets or quotes",
        arguments: [
            ("203.0.113.7:4711", "203.0.113.7"), ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("\"[2001:db8::1]:4711\"", "2001:db8::1"), ("\"203.0.113.7:80\"", "203.0.113.7"),
            ("2001:DB8:0:0::1", "2001:db8::1"), ("::ffff:203.0.113.7", "203.0.113.7"),
            ("[::ffff:cb00:7107]:80", "203.0.113.7"), ("203.0.113.7:_port", "203.0.113.7"),
            ("unknown", nil), ("_hidden", nil), ("203.0.113", nil), ("203.0.113.256", nil), ("[2001:db8::1", nil),
            ("[2001:db8::1]x", nil), ("2001:db8::1%eth0", nil), ("\"\"", nil), ("a b", nil), ("::1:", nil),
        ] as [(String, String?)])
    func addresses(element: String, client: String?) throws {
        let old = try told(["X-Forwarded-For: 6.6.6.6, \(element)"], from: Self.edge)
        #expect(old.client == client ?? "127.0.0.1")
        guard !element.contains(" ") else { return }
        let quoted = element.hasPrefix("\"") || !element.contains { ":[".contains($0) } ? element : "\"\(element)\""
        let new = try told(["Forwarded: for=6.6.6.6;host=evil;proto=https, for=\(quoted)"], from: Self.edge)
        #expect(new.client == client ?? "127.0.0.1" && new.scheme == "http")
        #expect(!new.fields.contains { $0.hasPrefix("X-Forwarded-Host: evil") })
    }

    @Test("an IPv4 client has one address, in either family, in every field")
    func mapped() throws {
        let mapped = SocketAddress.ipv6(octets: Array(repeating: 0, count: 10) + [0xff, 0xff, 203, 0, 113, 9], port: 9)
        #expect(mapped.unmapped == Self.stranger && Self.stranger.unmapped == Self.stranger)
        let edge = SocketAddress.ipv6(octets: Array(repeating: 0, count: 15) + [1], port: 9)
        #expect(edge.unmapped == edge && SocketAddress.unix(path: "/a").unmapped == .unix(path: "/a"))
        let told = try told(["X-Forwarded-For: ::ffff:198.51.100.7, ::FFFF:7f00:1"], from: edge)
        #expect(told.client == "198.51.100.7")
        #expect(told.fields[0] == "X-Forwarded-For: 198.51.100.7, 127.0.0.1, ::1")
        #expect(told.fields.last?.hasPrefix("Forwarded: for=198.51.100.7, for=127.0.0.1, for=\"[::1]\";host=") == true)
    }

    @Test(
        "a Forwarded header beside the older fields of a trusted proxy is discarded",
        arguments: [
            "X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: http", "X-Forwarded-Host: app:8443",
            "X-Forwarded-Port: 80",
            "X-Real-IP: 198.51.100.7",
        ])
    func twoTrees(field: String) throws {
        let lies = "Forwarded: for=6.6.6.6;host=evil.example;proto=https"
        let told = try told([lies, field], from: Self.edge)
        let client = field.hasPrefix("X-Forwarded-For") ? "198.51.100.7" : "127.0.0.1"
        #expect(told.client == client && told.scheme == "http")
        #expect(!told.fields.joined().contains("evil") && !told.fields.joined().contains("6.6.6.6"))
        #expect(told.fields.contains("X-Forwarded-Host: app:8443") && told.fields.contains("X-Forwarded-Proto: http"))
        let earlier = field.hasPrefix("X-Forwarded-For") ? "for=198.51.100.7, " : ""
        #expect(told.fields.last == "Forwarded: \(earlier)for=127.0.0.1;host=\"app:8443\";proto=http")
    }

    @Test("host and scheme come from the farthest trusted element, and not from earlier ones")
    func farthestTrusted() throws {
        let lied = "Forwarded: for=6.6.6.6;host=evil;proto=https"
        let own = try told([lied, "Forwarded: for=198.51.100.7;host=shop;proto=http"], from: Self.edge)
        #expect(own.client == "198.51.100.7" && own.scheme == "http" && own.fields.contains("X-Forwarded-Host: shop"))
        let far = try told(
            ["\(lied), for=198.51.100.7;host=shop;proto=https, for=127.0.0.2;host=inner;proto=http"], from: Self.edge)
        #expect(far.client == "198.51.100.7" && far.scheme == "https" && far.fields.contains("X-Forwarded-Host: shop"))
        let silent = try told([lied, "Forwarded: proto=http"], from: Self.edge)
        #expect(
            silent.client == "127.0.0.1" && silent.scheme == "http" && !silent.fields.contains("X-Forwarded-Host: evil")
        )
        #expect(
            try told(["X-Forwarded-Host: evil, shop", "X-Forwarded-For: 1.1.1.1"], from: Self.edge)
                .fields.contains("X-Forwarded-Host: shop"))
    }

    @Test("unclosed quotes and ambiguous addresses are not forwarded")
    func brokenElements() throws {
        let open = try told([#"Forwarded: for="1.1.1.1"#, "Forwarded: for=198.51.100.7"], from: Self.edge)
        #expect(
            open.client == "198.51.100.7" && open.fields.last?.hasPrefix("Forwarded: for=198.51.100.7, for=127") == true
        )
        let two = try told([#"Forwarded: for="1.1.1.1, 2.2.2.2""#], from: Self.edge)
        #expect(two.client == "127.0.0.1" && two.fields[0] == "X-Forwarded-For: unknown, 127.0.0.1")
    }

    @Test("a peer on a Unix socket has no address, and is trusted if the machine is")
    func unixSocket() throws {
        let peer = SocketAddress.unix(path: "")
        let told = try told(["X-Forwarded-For: 198.51.100.7", "X-Forwarded-Proto: wss"], from: peer)
        #expect(told.client == "198.51.100.7" && told.scheme == "https")
        #expect(told.fields[0] == "X-Forwarded-For: 198.51.100.7")
        #expect(told.fields.last == "Forwarded: for=198.51.100.7, for=unknown;host=\"app:8443\";proto=https")
        let untrusted = try self.told(["X-Forwarded-For: 1.1.1.1"], from: peer, trusting: TrustedProxies())
        #expect(untrusted.fields.map { $0.split(separator: ":")[0] }.first == "X-Forwarded-Proto")
    }

    @Test("an IPv6 peer has brackets and quotes where the grammar requires them")
    func ipv6() throws {
        let peer = SocketAddress.ipv6(octets: [0x20, 1] + Array(repeating: 0, count: 13) + [1], port: 1)
        let told = try told([], from: peer)
        #expect(told.fields[0] == "X-Forwarded-For: 2001::1")
        #expect(told.fields.last == "Forwarded: for=\"[2001::1]\";host=\"app:8443\";proto=http")
    }

    @Test("any bytes in these fields are parsed without a trap", arguments: 0..<200 as Range<UInt64>)
    func anything(seed: UInt64) throws {
        var random = Seeded(seed: seed)
        let pieces = ["for=", "\"", "\\", ";", ",", "=", "[", "]", ":", "1.2.3.4", "::1", " ", "proto=https", "\u{e9}"]
        let value = (0..<Int.random(in: 0...12, using: &random)).map { _ in pieces.randomElement(using: &random)! }
            .joined()
        let told = try told(["X-Forwarded-For: \(value)", "Forwarded: \(value)"], from: Self.edge)
        #expect(told.fields.allSatisfy { $0.utf8.allSatisfy(HTTPByte.isText) })
    }

    // MARK: In a conversation

    private func asked(_ fields: String, peer: SocketAddress, rules: ExchangeRules) -> String {
        let request = "GET /x HTTP/1.1\r\nHost: app\r\n\(fields)\r\n"
        var talk = ExchangeHarness(
            pieces: [Array(request.utf8)], rules: rules, peer: peer, backends: [.init(ExchangeHarness.hello)])
        talk.run()
        return talk.requests.first ?? ""
    }

    private func rules(_ headers: [HeaderTemplate] = [], addsVia: Bool = false) -> ExchangeRules {
        let route = Route(pattern: .fixed("/*"), destination: .backend(BackendID(index: 0)))
        let service = ServiceRules(name: "a", targetPath: nil, authority: "", webSocket: false, headers: headers)
        return ExchangeRules(
            routes: RouteTable([route]), services: [service], trustedProxies: Self.loopback, addsVia: addsVia)
    }

    @Test("an untrusted peer's fields do not reach the backend in any spelling; a trusted proxy's do")
    func spellings() {
        let lies = "X_Forwarded_For: 1.1.1.1\r\nx-forwarded-ssl: on\r\nX-Forwarded-Port: 1\r\nX-Real-IP: 1.1.1.1\r\n"
        let spoofed = asked(lies, peer: Self.stranger, rules: rules()).lowercased()
        #expect(!spoofed.contains("1.1.1.1") && !spoofed.contains("ssl") && !spoofed.contains("port: 1"))
        let passed = asked(lies, peer: Self.edge, rules: rules()).lowercased()
        #expect(passed.contains("x-forwarded-ssl: on\r\n") && passed.contains("x-real-ip: 1.1.1.1\r\n"))
        #expect(!passed.contains("x_forwarded_for"))
    }

    @Test("the operator's headers replace others, and their variables refer to the client behind the proxy")
    func configured() {
        let headers = [
            HeaderTemplate(name: "x-forwarded-for", parts: [.remoteAddress]),
            HeaderTemplate(name: "X-Scheme", parts: [.scheme]),
        ]
        let request = asked(
            "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n", peer: Self.edge, rules: rules(headers))
        #expect(
            request.contains("\r\nx-forwarded-for: 198.51.100.7\r\n") && request.contains("\r\nX-Scheme: https\r\n"))
        #expect(!request.contains("X-Forwarded-For"))
    }

    @Test("a valid request identifier is kept, and another one is replaced")
    func identifier() {
        let kept = asked("X-Request-Id: abc-123/x=\r\n", peer: Self.stranger, rules: rules())
        #expect(kept.contains("\r\nX-Request-Id: abc-123/x=\r\n"))
        let strange = [
            "", "X-Request-Id: a b\r\n", "X-Request-Id: a\r\nX-Request-Id: b\r\n", "X-Request-Id:\r\n",
            "X-Request-Id: \(String(repeating: "a", count: 129))\r\n", "X-Request-Id: \"}\r\n",
        ]
        for fields in strange {
            let request = asked(fields, peer: Self.stranger, rules: rules())
            #expect(request.contains("\r\nX-Request-Id: 0000000000000007-1\r\n"), "\(fields)")
            #expect(request.components(separatedBy: "X-Request-Id").count == 2)
        }
    }

    @Test("Via is added only if configured, after existing values")
    func via() {
        #expect(!asked("", peer: Self.stranger, rules: rules()).contains("Via"))
        let request = asked("Via: 1.0 edge\r\n", peer: Self.stranger, rules: rules(addsVia: true))
        #expect(request.contains("\r\nVia: 1.0 edge, 1.1 ondemandd\r\n"))
    }
}
