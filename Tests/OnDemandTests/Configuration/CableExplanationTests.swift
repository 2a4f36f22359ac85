import Testing

@testable import OnDemand

struct CableExplanationTests {
    @Test("the example is explained from the first client to a reload")
    func example() throws {
        let text = try explained(CableKeyTests.example)
        let parts = text.split(separator: "\n\n", omittingEmptySubsequences: true)
        #expect(
            try #require(parts.first { $0.hasPrefix("cable: /cable") }) == """
                cable: /cable, /showcase/cable, /showcase/regions/{region}/cable
                  clients        Clients that offer actioncable-v1-json speak Action Cable, and clients without a
                                 subprotocol TurboCable. Pages of another origin get 403. They present a token
                                 (query parameter jid, header X-JID or subprotocol). Without a valid one, Action
                                 Cable clients get disconnect with reason unauthorized, and TurboCable clients get
                                 401. Action Cable clients get a ping every 3s.
                  streams        Streams that match live-scores-* may be subscribed to without a signature.
                                 ScoresChannel streams live-scores-{database}. Signed names are verified with
                                 "secret" and "rails_secret_key_base". All other subscriptions are rejected.
                  broadcasts     Programs POST to /_broadcast. Requests without the key get 401. A body over 1MiB
                                 gets 413.
                  redis          While a client is subscribed, the daemon is connected to redis://127.0.0.1:6379/0.
                                 Broadcasts go through it. After a lost connection clients reconnect, because
                                 messages may have been missed.
                  limits         A message over 64KiB ends the connection with 1009. A client has up to 100
                                 subscriptions. A client with more than 1MiB queued, or without progress for 10s, is
                                 disconnected as too slow.
                  changed file   A reload keeps the clients. Without the cable, or with another "redis", they are
                                 closed with 1001 within 1s.
                """)
    }

    private func explained(_ file: String) throws -> String {
        let configuration = try Configuration.read(Array(file.utf8), environment: CableKeyTests.secrets)
        return Explanation(configuration: configuration).text
    }

    /// The words of a cable with these members.
    private func words(_ members: String) throws -> String {
        try explained(CableKeyTests.file(members)).split { $0 == " " || $0 == "\n" }.joined(separator: " ")
    }

    @Test("a disabled cable rejects every request")
    func disabled() throws {
        let text = try words(#""enabled": false"#)
        #expect(text.contains("c: /c requests get 503: it is not enabled."))
        #expect(!text.contains("streams"))
    }

    @Test("each setting has its sentence")
    func sentences() throws {
        let plain = try words("")
        #expect(plain.contains("There is no key, so every signed name is rejected."))
        #expect(plain.contains("They need no token.") && plain.contains("Programs cannot publish by HTTP."))
        let other = try words(
            #"""
            "protocols": "turbo_cable", "allowed_origins": "*", "jwt": {"secret": "x", "required": false},
            "streams": {"public": true, "rails_secret_key_base": "x"}, "limits": {"max_connections": 7},
            "broadcast": {"path": "/b", "listen": "unix:/run/b"}
            """#)
        #expect(other.contains("Clients without a subprotocol speak TurboCable. Pages of every origin may connect."))
        #expect(other.contains("with an invalid one, TurboCable clients get 401.") && !other.contains("ping"))
        #expect(other.contains("Every stream may be subscribed to") && other.contains("(Turbo only)."))
        #expect(other.contains("POST to /b or any path of unix:/run/b. Only this machine may"))
        #expect(other.contains("Up to 7 clients; more get 503."))
        #expect(try words(#""allowed_origins": "https://a.example""#).contains("not among the allowed_origins"))
    }

    @Test("no explanation has a secret")
    func secrets() throws {
        let redis = #""redis": {"url": "redis://user:hush@127.0.0.1", "channel_prefix": "app"}"#
        let text = try words(redis)
        #expect(text.contains("redis://127.0.0.1:6379/0, with the channel prefix app.") && !text.contains("hush"))
        let example = try explained(CableKeyTests.example)
        for secret in CableKeyTests.secrets.values where secret != "base" { #expect(!example.contains(secret)) }
    }
}
