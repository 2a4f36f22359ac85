/// Configuration and introduction of the demo.
struct DemoSetup {
    let executable: String
    let listen: SocketAddress
    let status: SocketAddress

    /// The configuration as an operator writes it.
    var configuration: String {
        // `${` in a directory name is not a variable.
        let command = executable.replacing("${", by: "$${")
        return """
            {
              "listen": "\(listen)",
              "status": { "listen": "\(status)" },
              "cables": [
                {
                  "name": "demo-cable",
                  "path": "\(DemoPage.cablePath)",
                  "streams": { "public": ["\(DemoPage.stream)"] },
                  "broadcast": { "path": "\(DemoPage.broadcastPath)" }
                }
              ],
              "reverse_proxies": [
                {
                  "name": "demo",
                  "path": "/*",
                  "target": "http://127.0.0.1:{port}",
                  "websocket": true,
                  "on_demand": {
                    "command": \(JSONText.quoted(command)),
                    "args": ["demo", "--as-backend", "{port}"],
                    "port": "auto",
                    "startup_timeout": "10s",
                    "idle_timeout": "8s",
                    "idle_when": "no_connections",
                    "stop_timeout": "3s"
                  }
                }
              ]
            }

            """
    }

    var introduction: String {
        """

          Open    http://\(status)/    in a browser.

          Watch   1. The backend is asleep: no process, no memory.
                  2. Press "Open a WebSocket". The daemon queues your request and starts the backend,
                     which takes 1.5 seconds. Then the WebSocket opens.
                  3. Press "Close it". Eight seconds later the backend is stopped.

          Or, without a browser, in a second terminal:   curl http://\(listen)/

          Cable   Open    http://\(listen)/    in two browser windows, and send a message from one of them.
                  It appears in both. Eight seconds later the backend, which served the page, is stopped.
                  The daemon itself serves the WebSockets, so the windows still update each other.

          Ctrl-C ends the demo. What follows is the daemon's own log.


        """
    }

    /// Returns the error with a remedy.
    func sentence(on error: SystemError) -> String {
        for (option, address) in [("--listen", listen), ("--status", status)]
        where error.code == .addressInUse && error.subject == "\(address)" {
            return "\(address) is in use; end what listens there, or choose another one: \(option) ADDRESS"
        }
        return error.description
    }
}
