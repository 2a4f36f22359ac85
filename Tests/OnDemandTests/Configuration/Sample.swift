/// Configurations as text, for tests.
enum Sample {
    /// The example of the documentation.
    static let example = """
        {
          "listen": "127.0.0.1:3000",
          "reverse_proxies": [
            {
              "name": "action-cable",
              "enabled": "${ENABLE_ACTION_CABLE:-false}",
              "path": ["/cable", "/showcase/cable", "/showcase/regions/{region}/cable"],
              "target": "http://127.0.0.1:28080/cable",
              "websocket": true,
              "headers": {
                "X-Forwarded-For": "$remote_addr", "X-Forwarded-Proto": "$scheme", "X-Forwarded-Host": "$host"
              },
              "on_demand": {
                "enabled": true,
                "command": "puma",
                "args": ["-p", "28080", "cable/config.ru"],
                "working_dir": "${RAILS_ROOT:-.}",
                "env": { "RAILS_ENV": "production", "RAILS_APP_DB": "action-cable" },
                "startup_timeout": "30s",
                "idle_timeout": "15m",
                "stop_timeout": "10s"
              }
            }
          ],
          "log": { "level": "info", "format": "text" }
        }

        """

    /// The required keys of a service.
    static let plain = #""name":"a","path":"/a","target":"http://127.0.0.1:1""#

    /// Returns a file with one service of these parts, in the second line.
    static func file(service parts: String...) -> String { file(services: ["{\(parts.joined(separator: ","))}"]) }

    /// Returns a file with one service per line, from the second line on.
    static func file(services: [String]) -> String {
        "{\"listen\":\"127.0.0.1:3000\",\"reverse_proxies\":[\n\(services.joined(separator: ",\n"))\n]}"
    }
}
