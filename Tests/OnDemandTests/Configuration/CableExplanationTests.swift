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
        #expect(plain.contains("Pages of another origin get 403."))
        let file = CableKeyTests.file("", top: #", "status": {"listen": "127.0.0.1:9292"}"#)
        #expect(try explained(file).contains("Pages of another origin get 403, except the status page."))
    }

    /// The words of a cable with these members, whose service has these settings of `on_demand`.
    private func words(_ members: String, onDemand: String) throws -> String {
        let service = HibernationKeyTests.service.replacing(#""command": "x""#, with: #""command": "x"\#(onDemand)"#)
        let text = try explained(HibernationKeyTests.file(members, service: service))
        return text.split { $0 == " " || $0 == "\n" }.joined(separator: " ")
    }

    @Test("each channel has a line that says what happens to it")
    func channels() throws {
        let text = try explained(
            HibernationKeyTests.file(
                #"""
                "streams": {"secret": "x", "channels": {"ScoresChannel": "scores-{game}"}},
                "redis": {"url": "redis://127.0.0.1:6379/0"}, "backend": "puma",
                "hibernate": {"notice": true, "channels": [
                  {"name": "ChatChannel", "streams": ["chat-{room}", "all"]},
                  {"name": "CursorChannel", "actions": "stateless", "streams": []}]}
                """#))
        #expect(
            text.contains(
                """
                  backend        puma accepts or rejects each new client: the upgrade is queued while it starts, and
                                 its response is relayed. Plain requests, and WebSockets with other subprotocols,
                                 are forwarded to it.
                  hibernation    While puma sleeps, its clients stay connected. The first message of a client that
                                 needs it starts it, and all subscriptions are replayed. Clients then get a second
                                 welcome. A client that has been connected for 12h is asked to reconnect.
                  channels       $pubsub is served by the daemon.
                                 ScoresChannel is served by the daemon.
                                 Turbo::StreamsChannel is served by the daemon if a key verifies the name; otherwise
                                 it is replayed after a sleep.
                                 ChatChannel is replayed after a sleep. A client that has performed an action keeps
                                 the backend awake. While the backend sleeps, the daemon delivers messages of
                                 chat-{room}, all.
                                 CursorChannel is replayed after a sleep, also when a client has performed actions.
                                 Every other channel keeps the backend awake.
                  limits
                """), "\(text)")
        #expect(!text.contains("All other subscriptions are rejected."))
        #expect(text.contains("\npuma: the cable \"c\"\n"))
    }

    @Test("without hibernation each forwarded subscription keeps the backend awake, if it sleeps at all")
    func withoutHibernation() throws {
        let awake = try words(#""backend": "puma""#, onDemand: "")
        #expect(
            awake.contains("Turbo::StreamsChannel is forwarded and keeps the backend awake. Every other channel is"))
        #expect(awake.contains("15m after the last request and WebSocket ended it is stopped."))
        #expect(awake.contains("every signed name of $pubsub is rejected") && !awake.contains("hibernation"))
        let never = try words(
            #""backend": "puma", "hibernate": {"max_age": "off"}"#, onDemand: #", "idle_timeout": "0""#)
        #expect(never.contains("puma is never stopped when idle, so no client hibernates. channels $pubsub"))
        #expect(never.contains("Turbo::StreamsChannel is forwarded. Every other channel is forwarded. limits"))
    }

    @Test("each setting of a backend has its sentence")
    func backendSentences() throws {
        let local = try words(#""backend": "puma", "connect": "local", "hibernate": {"max_age": "30d"}"#, onDemand: "")
        #expect(local.contains("The daemon accepts each client. It connects to puma for a client at the first"))
        #expect(local.contains("TurboCable clients never need it."))
        #expect(local.contains("Without \"redis\" the daemon does not hear"))
        #expect(local.contains("connected for 720h is asked to reconnect."))
        #expect(local.contains("15m after its last use it is stopped. Messages of the cable's clients are use"))
        #expect(local.contains("A client of the cable that needs it starts it and is queued."))
        #expect(local.contains("With another \"backend\" they are asked to reconnect, and with another entry"))
        let both = try words(
            #""backend": "puma", "protocols": ["action_cable", "turbo_cable"], "hibernate": {}"#,
            onDemand: #", "idle_when": "no_client_data""#)
        #expect(both.contains("puma accepts or rejects each new Action Cable client"))
        #expect(both.contains("TurboCable clients are accepted without it."))
        #expect(both.contains("Tunnels that are open then get close frame 1001"))
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
