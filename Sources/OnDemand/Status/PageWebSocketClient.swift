/// The button that opens one WebSocket through the daemon, as a client in a browser would.
enum PageWebSocketClient {
    static let script = #"""
        const shownMessages = 4;

        /// The address at the first listener with a TCP port; null without one, and for a service without a path.
        /// Placeholders get an example.
        function webSocketAddress(paths, listening) {
          const port = listening.find((text) => !text.startsWith("unix:"))?.split(":").at(-1);
          if (!port || paths.length === 0) return null;
          const plain = paths.find((path) => !path.includes("{"));
          const path = plain ?? paths[0].replace(/\{[^}]*\}/g, "example");
          const scheme = location.protocol === "https:" ? "wss" : "ws";
          return `${scheme}://${location.hostname}:${port}${path.replace(/\*$/, "")}`;
        }

        class WebSocketClient {
          constructor(root, name) {
            this.name = name;
            this.button = one(".client button", root);
            this.outcome = one(".outcome", root);
            this.addressLine = one(".address", root);
            this.list = one(".messages", root);
            this.button.setAttribute("aria-label", `Open a WebSocket to ${name}`);
            this.button.onclick = () => (this.socket ? this.close() : this.open());
          }

          update(service, listening, hasCable) {
            this.service = service;
            this.address = service.websocket && !hasCable ? webSocketAddress(service.paths, listening) : null;
            if (this.socket) return;
            this.button.disabled = this.address === null;
            say(this.addressLine, this.address ?? (!service.websocket
              ? "This service does not allow WebSockets."
              : hasCable
                ? "Its clients connect to a cable."
                : "Browsers cannot connect: no listener has a TCP port."));
          }

          open() {
            this.began = now();
            this.opened = null;
            this.received = 0;
            this.list.replaceChildren();
            const socket = new WebSocket(this.address, "actioncable-v1-json");
            this.socket = socket;
            socket.onopen = () => this.onOpen();
            socket.onmessage = ({ data }) => this.onMessage(typeof data === "string" ? data : "(binary)");
            socket.onclose = (event) => this.onClose(event);
            this.label("Cancel");
            announce(`Waiting for ${this.name}.`);
            this.tick();
          }

          close() {
            this.isClosing = true;
            this.socket.close();
          }

          onOpen() {
            this.opened = now();
            this.label("Close it");
            say(this.outcome, `Open. It took ${precise(this.opened - this.began)}.`);
            announce(`The WebSocket to ${this.name} is open after ${precise(this.opened - this.began)}.`);
          }

          onMessage(text) {
            this.received += 1;
            const item = document.createElement("li");
            const time = document.createElement("span");
            time.textContent = `+${precise(now() - this.opened)}`;
            item.append(time, text.length > 200 ? `${text.slice(0, 200)} …` : text);
            this.list.append(item);
            while (this.list.children.length > shownMessages) this.list.firstElementChild.remove();
          }

          onClose({ code }) {
            const text = this.closeText(code);
            this.socket = null;
            this.isClosing = false;
            this.label("Open a WebSocket");
            say(this.outcome, text);
            announce(text);
          }

          closeText(code) {
            if (this.opened) {
              const actor = this.isClosing ? "You closed it" : `Closed by the backend with code ${code}`;
              return `${actor} after ${precise(now() - this.opened)}, ${count(this.received, "message")} received.`;
            }
            const waited = precise(now() - this.began);
            return this.isClosing ? `Cancelled after ${waited}.` : `Rejected after ${waited}. ${this.guess()}`;
          }

          /// Browsers hide why a WebSocket was rejected; the state allows a guess.
          guess() {
            switch (this.service.state) {
              case "disabled": return "The service is disabled.";
              case "unmanaged": return "See the daemon's log: is a process listening there?";
              case "awake": return "The backend did not accept the upgrade. Rails accepts only Origins in "
                + "allowed_request_origins.";
              default: return "See the daemon's log.";
            }
          }

          label(text) {
            say(this.button, text);
            this.button.setAttribute("aria-label", `${text}${this.socket ? ":" : " to"} ${this.name}`);
            this.button.classList.toggle("ends", this.socket !== null);
          }

          tick() {
            if (!this.socket || this.opened) return;
            const what = this.service.queued_requests > 0 ? "Queued while it starts" : "Connecting";
            say(this.outcome, `${what}: ${of(((now() - this.began) / 1000).toFixed(1), "s")}`);
          }
        }
        """#
}
