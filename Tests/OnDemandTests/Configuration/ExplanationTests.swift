import Testing

@testable import OnDemand

struct ExplanationTests {
    @Test("the example of the documentation is explained from the first request to the daemon's exit")
    func example() throws {
        #expect(
            try explained(Sample.example, ["ENABLE_ACTION_CABLE": "true"]) == """
                Clients connect to 127.0.0.1:3000.

                action-cable: /cable, /showcase/cable, /showcase/regions/{region}/cable
                  at the start   Nothing is started.
                  first request  A request or WebSocket upgrade starts it and is queued. Command: puma -p 28080
                                 cable/config.ru. It has 30s to accept connections on 127.0.0.1:28080. Then all
                                 queued requests are forwarded. Up to 256 are queued; more get 503 at once.
                  failed start   Queued requests get 503, and its remaining processes are stopped. The backoff is 1s
                                 and doubles each time up to 1m; then the next request starts it again.
                  idle           15m after the last request and WebSocket ended it is stopped.
                  crash          Requests in progress get 502 where no response has begun, and WebSockets are
                                 closed. After a first crash, or one after 10s of being ready, the next request
                                 starts it again at once. Others count as failed starts.
                  stop           TERM to all its processes; 10s later KILL. New requests are queued for the next
                                 start.
                  changed file   A reload keeps the running process; changes apply from its next start.

                On HUP or "ondemandd reload" this file is read again. A file with errors changes nothing; unchanged
                services keep their processes and connections.

                When the daemon gets TERM or INT: queued requests get 503, WebSockets get close frame 1001 within
                1s, requests in progress may take 10s to finish, and then all processes are stopped as described
                above. A second signal skips these waits.

                """)
    }

    @Test("a disabled service has the response to its clients, and how to enable it")
    func disabled() throws {
        let text = try words(Sample.example)
        #expect(text.contains("requests get 503 and nothing starts until"))
        #expect(text.contains("\"ondemandd enable action-cable\". After that:"))
    }

    @Test("an unmanaged service is only forwarded to")
    func plain() throws {
        let text = try words(Sample.file(service: Sample.plain))
        #expect(text.contains("a: /a requests go to 127.0.0.1:1, which this daemon does not manage; 502 while nothing"))
        #expect(!text.contains("first request"))
        let disabled = try words(Sample.file(service: Sample.plain, "\"enabled\": false"))
        #expect(disabled.contains("requests get 503: it is not enabled."))
    }

    @Test(
        "each key of the lifecycle changes the explanation",
        arguments: [
            (#""enabled": false"#, "It is started and stays running."),
            (#""enabled": false"#, "It is never stopped when idle."),
            (#""idle_timeout": "0""#, "It is never stopped when idle."),
            (#""idle_timeout": "90s""#, "1m30s after the last request and WebSocket ended it is stopped."),
            (#""idle_when": "no_client_data""#, "and a WebSocket's client last sent data it is stopped."),
            (#""min_uptime": "2h""#, "Not before it has been ready for 2h."),
            (#""min_sleep": "5m""#, "After that no request wakes it for 5m; requests get 503."),
            (#""on_reload": "restart""#, "A reload replaces it at once; WebSockets get close frame 1012 within 1s."),
            (#""startup_timeout": "7s""#, "It has 7s to accept connections on 127.0.0.1:1."),
            (
                #""readiness": {"kind": "http", "path": "/up", "status": "2xx"}"#,
                "GET of /up on 127.0.0.1:1 with a status of 2xx."
            ),
            (
                #""readiness": {"kind": "http", "status": 204}"#,
                "It has 30s to answer a GET of / on 127.0.0.1:1 with 204."
            ),
            (#""readiness": {"kind": "websocket", "path": "/w"}"#, "open a WebSocket at /w on 127.0.0.1:1."),
            (#""readiness": "notify""#, "send READY=1 and accept connections on 127.0.0.1:1."),
            (#""readiness": "socket""#, "accept a connection on its inherited socket, 127.0.0.1:1."),
            (#""max_queue": 3"#, "Up to 3 are queued; more get 503 at once."),
            (#""restart_backoff": {"min": "2s", "max": "9s"}"#, "The backoff is 2s and doubles each time up to 9s"),
            (#""restart_backoff": {"min": "9s", "max": "9s"}"#, "The backoff is 9s; then the next request"),
            (#""stop": ["INT", "5s", "TERM", "1m"]"#, "INT to all its processes; 5s later TERM; 1m later KILL."),
            (#""stop_timeout": "0""#, "TERM to all its processes; at once KILL."),
            (#""stop": ["KILL"]"#, "KILL to all its processes. "),
            (
                #""wake_on": [{"header": "X-Wake"}, {"path": "/in"}]"#,
                "Only a request with the header X-Wake or a request for /in"
            ),
            (#""args": ["a b", ""], "working_dir": "/srv""#, #"Command: x "a b" "" in /srv."#),
        ])
    func keys(key: String, sentence: String) throws {
        let text = try words(Sample.file(service: Sample.plain, "\"on_demand\": {\"command\": \"x\", \(key)}"))
        #expect(text.contains(sentence), "\(text)")
    }

    @Test("a process has the condition of its start")
    func processes() throws {
        let text = try words(
            """
            {"listen": "127.0.0.1:3000", "drain_timeout": "0", "close_jitter": "0",
             "managed_processes": [
               {"name": "redis", "command": "redis-server", "address": "127.0.0.1:6379", "start": "when_required"},
               {"name": "worker", "command": "sidekiq", "start_delay": "3s", "auto_restart": false},
               {"name": "off", "command": "x", "enabled": false}
             ],
             "reverse_proxies": [{\(Sample.plain), "on_demand": {"command": "x", "requires": ["redis"]}}]}
            """)
        for sentence in [
            "starts it and is queued. Ready before it: redis.", "It is started before a.",
            "It has 30s to accept connections on 127.0.0.1:6379.",
            "15m after the last of a has ended it is stopped.",
            "It is started 3s after the daemon and stays running. Command: sidekiq. Ready as soon as it runs.",
            "It stays down until something that requires it is started.", "off always It is never started.",
            "WebSockets get close frame 1001 at once, requests in progress are aborted,",
        ] { #expect(text.contains(sentence), "\(sentence)\n\(text)") }
    }

    private func explained(_ file: String, _ environment: [String: String] = [:]) throws -> String {
        Explanation(configuration: try Configuration.read(Array(file.utf8), environment: environment)).text
    }

    /// Joins its lines.
    private func words(_ file: String) throws -> String {
        try explained(file).split(whereSeparator: \.isWhitespace).joined(separator: " ")
    }
}
