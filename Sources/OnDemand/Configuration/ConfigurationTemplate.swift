/// Templates for `ondemandd init`: valid configurations, with notes on what to change.
public enum ConfigurationTemplate: String, CaseIterable, Sendable {
    /// Puma with Action Cable.
    case railsActionCable = "rails-actioncable"
    /// Any server.
    case generic
    /// WebSockets that the daemon serves itself.
    case cable

    static var words: String { allCases.map(\.rawValue).joined(separator: " nor ") }

    var purpose: String {
        switch self {
        case .railsActionCable: "a Rails application's Action Cable server on a port of its own"
        case .generic: "one server for all paths, WebSockets too"
        case .cable: "WebSockets that the daemon serves itself, for Action Cable, AnyCable and TurboCable clients"
        }
    }

    /// The configuration.
    public var text: String {
        switch self {
        case .railsActionCable: Self.railsActionCableText
        case .generic: Self.genericText
        case .cable: Self.cableText
        }
    }

    /// The notes; JSON has no comments.
    public var notes: String {
        switch self {
        case .railsActionCable:
            """
            Notes on this configuration:
              listen       where clients, or the TLS terminator in front, connect
              path         where Rails mounts Action Cable
              command      started in working_dir by the first request for that path
              target       where that command listens, with its port and path
              REDIS_URL    config/cable.yml needs an adapter that reaches other processes
            Behind a TLS terminator add "trusted_proxies": ["loopback"], so that its X-Forwarded-Proto counts.
            Next: ondemandd check --config FILE, ondemandd explain --config FILE, ondemandd --config FILE;
            and from elsewhere, while it runs: ondemandd status --config FILE

            """
        case .generic:
            """
            Notes on this configuration:
              listen       where clients connect
              path         "/*" matches everything; several services have paths of their own
              command      the server to start on the first request; args do not pass a shell
              target       where that server listens
              idle_timeout how long after the last request or WebSocket it stops
            Next: ondemandd check --config FILE, ondemandd explain --config FILE, ondemandd --config FILE;
            and from elsewhere, while it runs: ondemandd status --config FILE

            """
        case .cable:
            """
            The keys of this configuration:
              listen       where browsers, or the TLS terminator in front, connect
              path         of the WebSocket: ws://127.0.0.1:3000/cable
              streams      "public" needs no signature; false for signed streams only. The keys of signed streams
                           are AnyCable's and Rails'; an empty one rejects them
              broadcast    where programs publish; without "key" only those on this machine may
            Publish: curl -d '{"stream": "news", "data": "hello"}' http://127.0.0.1:3000/_broadcast
            With Rails' "adapter: redis" add "redis": { "url": "redis://127.0.0.1:6379/0" }.
            Behind a TLS terminator add "trusted_proxies": ["loopback"], so that its X-Forwarded-Proto counts.
            Next: ondemandd check --config FILE, ondemandd explain --config FILE, ondemandd --config FILE;
            and from elsewhere, while it runs: ondemandd status --config FILE

            """
        }
    }

    private static let railsActionCableText = """
        {
          "listen": "127.0.0.1:3000",
          "status": { "listen": "127.0.0.1:9292" },
          "control": "unix:${RUNTIME_DIRECTORY:-/tmp}/ondemandd.sock",
          "reverse_proxies": [
            {
              "name": "action-cable",
              "enabled": "${ENABLE_ACTION_CABLE:-true}",
              "path": "/cable",
              "target": "http://127.0.0.1:28080/cable",
              "websocket": true,
              "on_demand": {
                "command": "bundle",
                "args": ["exec", "puma", "-b", "tcp://127.0.0.1:28080", "cable/config.ru"],
                "working_dir": "${RAILS_ROOT:-.}",
                "env": {
                  "RAILS_ENV": "${RAILS_ENV:-production}",
                  "REDIS_URL": "${REDIS_URL:-redis://127.0.0.1:6379/0}"
                },
                "startup_timeout": "30s",
                "idle_timeout": "15m",
                "stop_timeout": "10s"
              }
            }
          ]
        }

        """

    private static let genericText = """
        {
          "listen": "127.0.0.1:3000",
          "status": { "listen": "127.0.0.1:9292" },
          "control": "unix:${RUNTIME_DIRECTORY:-/tmp}/ondemandd.sock",
          "reverse_proxies": [
            {
              "name": "app",
              "path": "/*",
              "target": "http://127.0.0.1:8080",
              "websocket": true,
              "on_demand": {
                "command": "python3",
                "args": ["-m", "http.server", "--bind", "127.0.0.1", "8080"],
                "startup_timeout": "30s",
                "idle_timeout": "15m",
                "stop_timeout": "10s"
              }
            }
          ]
        }

        """

    private static let cableText = """
        {
          "listen": "127.0.0.1:3000",
          "status": { "listen": "127.0.0.1:9292" },
          "control": "unix:${RUNTIME_DIRECTORY:-/tmp}/ondemandd.sock",
          "cables": [
            {
              "name": "cable",
              "enabled": "${ENABLE_CABLE:-true}",
              "path": "/cable",
              "streams": {
                "public": true,
                "secret": "${CABLE_STREAMS_SECRET:-}",
                "rails_secret_key_base": "${SECRET_KEY_BASE:-}"
              },
              "broadcast": { "path": "/_broadcast" }
            }
          ]
        }

        """
}
