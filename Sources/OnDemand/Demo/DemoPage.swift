/// The page of the demo's cable: each window shows the messages that any window sends.
///
/// The page speaks TurboCable, the smaller one of a cable's protocols. It posts to the broadcast endpoint itself, which
/// accepts requests of this machine without a key.
enum DemoPage {
    static let cablePath = "/cable-demo"
    static let broadcastPath = "/cable-demo/broadcast"
    /// The only stream that clients may subscribe to.
    static let stream = "demo"

    static func response(headOnly: Bool) -> [UInt8] {
        let head = """
            HTTP/1.1 200 OK\r
            Content-Type: text/html; charset=utf-8\r
            Content-Length: \(document.utf8.count)\r
            Cache-Control: no-store\r
            X-Content-Type-Options: nosniff\r
            Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
            connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'\r
            Connection: close\r
            \r

            """
        return Array((headOnly ? head : head + document).utf8)
    }

    /// A message is inserted as text, never as HTML. A list of 20 messages fits on a screen.
    private static let document = #"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>A cable of ondemandd</title>
        <link rel="icon" href="data:,">
        <style>
        body { font: 1.0625rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 10vh auto 2rem;
          padding: 0 1.25rem; }
        h1 { font-size: 1.5rem; line-height: 1.25; }
        form { display: flex; flex-wrap: wrap; gap: .5rem; align-items: center; }
        input { flex: 1 1 12rem; min-width: 0; }
        input, button { font: inherit; padding: .25rem .5rem; }
        li { overflow-wrap: anywhere; }
        </style>
        </head>
        <body>
        <main>
        <h1>A cable of ondemandd</h1>
        <p>Open this page in two windows. A message that one of them sends appears in both.</p>
        <form id="form">
        <label for="text">Message</label>
        <input id="text" maxlength="200" autocomplete="off" required>
        <button>Send</button>
        </form>
        <p id="state" role="status">Connecting.</p>
        <ul id="messages" aria-label="Messages" aria-live="polite"></ul>
        </main>
        <script type="module">
        const [form, text, state, messages] =
          ["form", "text", "state", "messages"].map((id) => document.getElementById(id));

        const show = (message) => {
          const item = document.createElement("li");
          item.textContent = message;
          messages.prepend(item);
          if (messages.children.length > 20) messages.lastChild.remove();
        };

        const open = () => {
          const socket = new WebSocket(`ws://${location.host}/cable-demo`);
          socket.onopen = () => socket.send(JSON.stringify({ type: "subscribe", stream: "demo" }));
          socket.onmessage = (event) => {
            const message = JSON.parse(event.data);
            if (message.type === "subscribed") state.textContent = "Connected.";
            if (message.type === "message") show(message.data.text);
            if (message.type === "ping") socket.send(JSON.stringify({ type: "pong" }));
          };
          socket.onclose = () => {
            state.textContent = "Disconnected. The next attempt follows within three seconds.";
            setTimeout(open, 1000 + Math.random() * 2000);
          };
        };
        open();

        form.onsubmit = async (event) => {
          event.preventDefault();
          const body = JSON.stringify({ stream: "demo", data: { text: text.value } });
          try {
            const headers = { "Content-Type": "application/json" };
            const response = await fetch("/cable-demo/broadcast", { method: "POST", headers, body });
            if (response.ok) form.reset();
            else state.textContent = `Not sent: ${await response.text()}`;
          } catch (error) {
            state.textContent = `Not sent: ${error.message}`;
          }
        };
        </script>
        </body>
        </html>

        """#
}
