import Testing

@testable import OnDemand

/// Limits, origins and trusted proxies in the configuration.
@Suite struct LimitKeyTests {
    private func read(_ top: String, service: String = "") throws -> Configuration {
        let service = "{\(Sample.plain)\(service.isEmpty ? "" : ",\(service)")}"
        let text = "{\"listen\": 2, \"reverse_proxies\": [\(service)]\(top.isEmpty ? "" : ",\(top)")}"
        return try Configuration.read(Array(text.utf8), environment: ["OFF": "off"])
    }

    @Test("every limit reaches its value, and a service's own applies only to it")
    func limits() throws {
        let configuration = try read(
            """
            "limits": {"header_timeout": "1s", "max_header_bytes": "32KiB", "max_header_fields": 9,
              "max_uri_bytes": 100, "max_body_bytes": "1MiB", "body_timeout": "2s",
              "response_timeout": "3s", "send_timeout": "4s",
              "upstream_keep_alive": "5s", "max_response_header_bytes": "128KiB"}
            """,
            service: """
                "limits": {"max_body_bytes": "${OFF}", "response_timeout": "9s", "upstream_keep_alive": "off",
                  "max_response_header_bytes": 4096}
                """)
        let limits = configuration.limits
        #expect(limits.headerTimeout == .seconds(1) && limits.maximumHeaderBytes == 32_768)
        #expect(limits.maximumHeaderFields == 9 && limits.maximumURIBytes == 100)
        #expect(limits.service.maximumBodyBytes == 1_048_576 && limits.service.bodyTimeout == .seconds(2))
        var expected = limits.service
        #expect(expected.upstreamKeepAlive == .seconds(5))
        #expect(expected.maximumResponseHeadBytes == 131_072)
        (expected.maximumBodyBytes, expected.responseTimeout, expected.upstreamKeepAlive) = (nil, .seconds(9), nil)
        expected.maximumResponseHeadBytes = 4096
        #expect(configuration.services[0].limits == expected)
        #expect(try read("").limits == PeerLimits() && read("").services[0].limits == ServiceLimits())
    }

    @Test("connections are limited per listener at the top and per service in a service, and neither is inherited")
    func connections() throws {
        let top = #""limits": {"max_connections": 5, "max_connections_per_address": 2, "max_message_rate": 9}"#
        let configuration = try read(top, service: #""limits": {"max_connections": 3, "max_message_rate": "off"}"#)
        #expect(configuration.limits.maximumConnections == 5 && configuration.limits.maximumConnectionsPerAddress == 2)
        #expect(configuration.limits.service.maximumConnections == nil)
        #expect(configuration.services[0].limits.maximumConnections == 3)
        #expect(configuration.services[0].limits.maximumMessageRate == nil)
        #expect(try read(top).services[0].limits.maximumConnections == nil)
        #expect(try read(top).services[0].limits.maximumMessageRate == 9)
    }

    @Test("messages from clients are limited by default, and messages from backends are not")
    func messages() throws {
        let limits = try read(#""limits": {"max_message_size": "off", "max_backend_message_size": "1MiB"}"#).limits
        #expect(limits.service.maximumMessageBytes == nil && limits.service.maximumBackendMessageBytes == 1_048_576)
        #expect(try read("").limits.service.maximumMessageBytes == nil, "a tunnel does not surprise its server")
    }

    @Test("a size is a number of bytes or has a unit", arguments: [("0B", 0), ("1KiB", 1024), ("3GiB", 3 << 30)])
    func sizes(text: String, bytes: UInt64) throws {
        #expect(try SizeParser.parse(text) == bytes)
    }

    @Test(
        "an invalid limit has its error",
        arguments: [
            (#""max_header_bytes": "16""#, "has no unit; write"),
            (#""max_header_bytes": "16KB""#, "has the unknown unit"),
            (#""max_header_bytes": "big""#, "is not a size; write"),
            (#""max_header_bytes": 10"#, "expected a size from 1024"),
            (#""max_response_header_bytes": "2MiB""#, "expected a size from 1024"),
            (#""max_body_bytes": -1"#, "expected a size from 0"),
            (#""max_body_bytes": true"#, "expected a size such as"),
            (#""max_body_bytes": "99999999999GiB""#, "is more than can be counted"),
            (#""header_timeout": "0""#, "a duration of zero has no meaning here"),
            (#""max_header_fields": 3"#, "expected a whole number from 8 to 10000"),
            (#""max_uri_bytes": "16KiB""#, #"must be below "max_header_bytes""#),
            (#""max_connections": 0"#, "expected a whole number from 1"),
            (#""max_connections": "many""#, "expected a whole number, found"),
            (#""max_message_size": 0"#, "expected a size from 1"),
            (#""max_message_rate": "fast""#, "expected a whole number, found"), (#""max_bytes": 1"#, "unknown key"),
        ])
    func mistakes(limit: String, sentence: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try read("\"limits\": {\(limit)}") }
        #expect(errors?.all.contains { $0.sentence.contains(sentence) } == true, "\(String(describing: errors))")
    }

    @Test("the limits of a request head cannot belong to a service, which only the head determines")
    func headLimitsOfServices() throws {
        let errors = #expect(throws: ConfigurationErrors.self) {
            try read("", service: #""limits": {"max_header_bytes": 4096}"#)
        }
        #expect(errors?.all.first?.path == "reverse_proxies[0].limits")
    }

    @Test("origins have the notation of browsers")
    func origins() throws {
        let text = #""allowed_origins": ["https://App.example:443", "http://a:80", "https://*.b.example:8443", "*"]"#
        let expected: [OriginRule] = [
            .exact("https://app.example"), .exact("http://a"), .below(scheme: "https://", domain: ".b.example:8443"),
            .any,
        ]
        #expect(try read("", service: text).services[0].origins == expected)
        #expect(try read("").services[0].origins == [.any])
        #expect(try OriginParser.parse("https://[::1]:1") == .exact("https://[::1]:1"))
        #expect(try OriginParser.parse("chrome-extension://abc") == .exact("chrome-extension://abc"))
    }

    @Test(
        "an invalid origin has its error",
        arguments: [
            ("example.com", "is not an origin; write"), ("null", "is not an origin; write"),
            ("https://", "has no host"),
            ("https://a/b", "has more than a scheme"), ("https://u@a", "has more than a scheme"),
            ("https://a.*.b", "has a character that a host cannot have"), ("https://*a", "has a star that is not"),
            ("https://*.", "has a star that is not"), ("https://a:b", "has no number for a port"),
        ])
    func badOrigins(text: String, sentence: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) {
            try read("", service: "\"allowed_origins\": \"\(text)\"")
        }
        #expect(errors?.all.contains { $0.sentence.contains(sentence) } == true, "\(String(describing: errors))")
    }

    @Test("a listener may be an object with proxy_protocol")
    func proxyProtocol() throws {
        let text = """
            {"listen": [{"address": 5, "proxy_protocol": true}, {"address": "[::1]:6"}, "unix:/s", "fd:plain",
               {"address": "fd:edge", "proxy_protocol": true}, {"address": "fd:bare"}],
             "reverse_proxies": [{\(Sample.plain)}]}
            """
        let configuration = try Configuration.read(Array(text.utf8), environment: [:])
        #expect(configuration.listen.map(\.description) == ["0.0.0.0:5", "[::1]:6", "unix:/s"])
        #expect(configuration.proxyProtocol == [.ipv4(octets: [0, 0, 0, 0], port: 5)])
        #expect(configuration.inherited == ["plain", "edge", "bare"] && configuration.announcedNames == ["edge"])
        #expect(
            configuration.listenerSpecs.map(\.purpose) == [
                .proxyProtocol, .clients, .clients, .clients, .proxyProtocol, .clients,
            ])
        let wrong = #"{"listen": {"proxy_protocol": 1, "adress": 5}, "reverse_proxies": [{\#(Sample.plain)}]}"#
        let errors = #expect(throws: ConfigurationErrors.self) {
            try Configuration.read(Array(wrong.utf8), environment: [:])
        }
        #expect(errors?.all.map(\.path) == ["listen", "listen"])
    }

    @Test("trusted proxies are words, networks and addresses")
    func trusted() throws {
        let trusted = try read(
            #""trusted_proxies": ["loopback", "192.0.2.0/24", "2001:db8::/32", "::1"], "via": true"#)
        #expect(trusted.via && trusted.trustedProxies.includesUnixSockets)
        #expect(trusted.trustedProxies.includes([192, 0, 2, 77]) && trusted.trustedProxies.includes([127, 3, 2, 1]))
        #expect(!trusted.trustedProxies.includes([10, 0, 0, 1]))
        #expect(try read(#""trusted_proxies": ["private"]"#).trustedProxies.includes([172, 31, 255, 255]))
        #expect(try read("").trustedProxies == TrustedProxies())
    }

    @Test("the number of threads is one by default, and has a range")
    func threads() throws {
        #expect(try read("").threads == 1)
        #expect(try read(#""threads": 4"#).threads == 4)
        for (wrong, found) in [("0", "the number 0"), ("65", "the number 65"), ("2.5", "the number 2.5")] {
            let errors = #expect(throws: ConfigurationErrors.self) { try read("\"threads\": \(wrong)") }
            #expect(errors?.all.map(\.sentence) == ["expected a whole number from 1 to 64, found \(found)"])
        }
        let errors = #expect(throws: ConfigurationErrors.self) { try read(#""threads": "auto""#) }
        #expect(errors?.all.map(\.sentence) == [#"expected a whole number, found the string "auto""#])
    }

    @Test(
        "an invalid network has its error",
        arguments: [
            ("localhost", "is not a network; write"), ("10.0.0.0/33", "has no number from 0 to 32"),
            ("10.0.0.0/", "has no number"), ("10.0.0.1/8", "has bits set behind the first 8"),
            ("::/129", "has no number from 0 to 128"), ("10.0.0.0/+8", "has no number"),
        ])
    func badNetworks(text: String, sentence: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try read("\"trusted_proxies\": [\"\(text)\"]") }
        #expect(errors?.all.contains { $0.sentence.contains(sentence) } == true, "\(String(describing: errors))")
    }
}
