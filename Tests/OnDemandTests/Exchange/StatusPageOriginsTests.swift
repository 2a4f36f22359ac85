import Testing

@testable import OnDemand

@Suite struct StatusPageOriginsTests {
    private static func ipv4(_ octets: UInt8..., port: UInt16 = 9292) -> SocketAddress {
        .ipv4(octets: octets, port: port)
    }

    private static let loopback = StatusPageOrigins(listener: ipv4(127, 0, 0, 1))
    private static let loopback6 = StatusPageOrigins(
        listener: .ipv6(octets: Array(repeating: 0, count: 15) + [1], port: 9292))
    private static let every = StatusPageOrigins(listener: ipv4(0, 0, 0, 0))
    private static let named = StatusPageOrigins(
        listener: ipv4(10, 1, 2, 3), names: ["status.example.com", "tower.lan"])

    @Test("the page at the listener's address is accepted, with the host that the request names")
    func addresses() {
        #expect(Self.loopback.contains("http://127.0.0.1:9292", scheme: "http", host: "127.0.0.1:3000"))
        #expect(Self.loopback.contains("http://localhost:9292", scheme: "http", host: "localhost:3000"))
        #expect(Self.loopback.contains("HTTP://LocalHost:9292", scheme: "http", host: "LOCALHOST:3000"))
        #expect(Self.loopback6.contains("http://[::1]:9292", scheme: "http", host: "[::1]:3000"))
        #expect(Self.loopback6.contains("http://[::1]:9292", scheme: "http", host: "[::1]"))
        #expect(Self.loopback6.contains("http://localhost:9292", scheme: "http", host: "localhost"))
        #expect(Self.named.contains("http://10.1.2.3:9292", scheme: "http", host: "10.1.2.3"))
        let usual = StatusPageOrigins(listener: Self.ipv4(10, 1, 2, 3, port: 80))
        #expect(usual.contains("http://10.1.2.3", scheme: "http", host: "10.1.2.3:3000"))
        #expect(!usual.contains("http://10.1.2.3:80", scheme: "http", host: "10.1.2.3:3000"), "no browser writes this")
    }

    @Test("a listener on every address accepts the address of the request, and no name")
    func wildcard() {
        let every6 = StatusPageOrigins(listener: .ipv6(octets: Array(repeating: 0, count: 16), port: 9292))
        for page in [Self.every, every6] {
            for host in ["192.0.2.7", "127.0.0.1", "localhost", "[2001:db8::7]"] {
                #expect(page.contains("http://\(host):9292", scheme: "http", host: "\(host):3000"), "\(host)")
            }
            #expect(!page.contains("http://192.0.2.8:9292", scheme: "http", host: "192.0.2.7:3000"))
            #expect(!page.contains("http://example.com:9292", scheme: "http", host: "example.com:3000"))
            #expect(!page.contains("http://1.2.3:9292", scheme: "http", host: "1.2.3:3000"), "a name")
        }
    }

    @Test("a page on a client's own machine is not the page of a daemon with another host")
    func otherMachine() {
        for page in [Self.loopback, Self.loopback6, Self.every, Self.named] {
            for origin in ["http://localhost:9292", "http://127.0.0.1:9292", "http://[::1]:9292"] {
                #expect(!page.contains(origin, scheme: "http", host: "app.example.com"), "\(origin)")
                #expect(!page.contains(origin, scheme: "http", host: "10.1.2.3:3000"), "\(origin)")
            }
        }
    }

    @Test("an allowed host is accepted with the listener's port or that of a proxy in front, and its own requests only")
    func names() {
        for name in ["status.example.com", "tower.lan"] {
            for scheme in ["http", "https"] {
                let other = scheme == "http" ? "https" : "http"
                for origin in ["\(scheme)://\(name):9292", "\(scheme)://\(name)"] {
                    #expect(Self.named.contains(origin, scheme: scheme, host: "\(name):3000"), "\(origin)")
                    #expect(Self.named.contains(origin.uppercased(), scheme: scheme, host: name.uppercased()))
                    #expect(!Self.named.contains(origin, scheme: scheme, host: "app.example.com"), "\(origin)")
                    #expect(!Self.loopback.contains(origin, scheme: scheme, host: "\(name):3000"), "\(origin)")
                    #expect(!Self.named.contains(origin, scheme: other, host: "\(name):3000"), "\(origin)")
                }
            }
        }
        #expect(!Self.named.contains("https://tower.lan", scheme: "https", host: "status.example.com"))
    }

    @Test("a page without TLS is not accepted by a cable with it")
    func downgrade() {
        #expect(!Self.loopback.contains("http://127.0.0.1:9292", scheme: "https", host: "127.0.0.1"))
        #expect(!Self.named.contains("http://tower.lan", scheme: "https", host: "tower.lan"))
    }

    @Test(
        "another scheme, port or host, or no origin at all, is not the page",
        arguments: [
            "https://127.0.0.1:9292", "http://127.0.0.1:9293", "http://127.0.0.1", "http://127.0.0.1:92920",
            "http://127.0.0.1:9292/", "http://127.0.0.1:9292.evil.example", "http://evil.example:9292", "null", "",
            "127.0.0.1:9292", "ws://127.0.0.1:9292", "http://x@127.0.0.1:9292", "http://localhost:9292",
        ])
    func others(origin: String) {
        #expect(!Self.loopback.contains(origin, scheme: "http", host: "127.0.0.1:3000"))
    }

    @Test("a Unix socket has no address for a browser, only the names of a proxy in front")
    func unixSocket() {
        let page = StatusPageOrigins(listener: .unix(path: "/run/status.sock"), names: ["tower.lan"])
        #expect(page.contains("https://tower.lan", scheme: "https", host: "tower.lan"))
        #expect(!page.contains("https://tower.lan:9292", scheme: "https", host: "tower.lan"))
        for host in ["localhost", "127.0.0.1", "unix:", ""] {
            #expect(!page.contains("http://\(host)", scheme: "http", host: host))
            #expect(!page.contains("http://\(host):9292", scheme: "http", host: host))
        }
    }

    // MARK: The rule of a cable

    private static let own = "http://127.0.0.1:9292"

    private static func cable(
        _ origins: CableAccess.Origins = .sameOrigin, page: StatusPageOrigins? = loopback
    ) -> CableAccess {
        var access = CableAccess(name: "cable")
        (access.origins, access.statusPage) = (origins, page)
        return access
    }

    private func status(of access: CableAccess, _ fields: String...) throws -> Int {
        let lines = ["GET /cable HTTP/1.1", "Host: 127.0.0.1:3000", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        let bytes = Array(((lines + fields).joined(separator: "\r\n") + "\r\n\r\n").utf8)
        let head = try requestHead(bytes)
        let provenance = ForwardedHeaders(
            of: head, in: bytes.span, from: Self.ipv4(127, 0, 0, 1), trusting: TrustedProxies())
        do throws(CableUpgradeDenied) {
            _ = try CableUpgrade(of: head, in: bytes.span, upgrade: .webSocket, from: provenance, access: access)
            return 101
        } catch {
            #expect(error.origin != nil)
            return error.response.status
        }
    }

    @Test("a cable accepts its own origin and the status page, and the latter only where one is configured")
    func sameOrigin() throws {
        #expect(try status(of: Self.cable(), "Origin: \(Self.own)") == 101)
        #expect(try status(of: Self.cable(), "Origin: http://127.0.0.1:3000") == 101)
        #expect(try status(of: Self.cable()) == 101)
        #expect(try status(of: Self.cable(page: nil), "Origin: \(Self.own)") == 403)
        #expect(try status(of: Self.cable(page: nil), "Origin: http://127.0.0.1:3000") == 101)
        #expect(try status(of: Self.cable(), "Origin: http://127.0.0.1:9293") == 403)
        #expect(try status(of: Self.cable(), "Origin: http://evil.example") == 403)
    }

    @Test("two Origin fields are not the page's, whichever comes first")
    func twoOrigins() throws {
        for other in [Self.own, "http://evil.example"] {
            #expect(try status(of: Self.cable(), "Origin: \(Self.own)", "Origin: \(other)") == 403)
            #expect(try status(of: Self.cable(), "Origin: \(other)", "Origin: \(Self.own)") == 403)
        }
    }

    @Test("a list of origins is exact, and admits the page only by its name")
    func listed() throws {
        let other = Self.cable(.listed([try OriginParser.parse("https://example.com")]))
        #expect(try status(of: other, "Origin: https://example.com") == 101)
        #expect(try status(of: other, "Origin: \(Self.own)") == 403)
        let listed = Self.cable(.listed([try OriginParser.parse(Self.own)]), page: nil)
        #expect(try status(of: listed, "Origin: \(Self.own)") == 101)
    }
}
