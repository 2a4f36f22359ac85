/// Configurations to start from, as text.
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

    /// The least an entry needs.
    static let plain = #""name":"a","path":"/a","target":"http://127.0.0.1:1""#

    /// One entry from these parts, in the second line of the file.
    static func file(service parts: String...) -> String { file(services: ["{\(parts.joined(separator: ","))}"]) }

    /// One entry a line, from the second line of the file on.
    static func file(services: [String]) -> String {
        "{\"listen\":\"127.0.0.1:3000\",\"reverse_proxies\":[\n\(services.joined(separator: ",\n"))\n]}"
    }
}
