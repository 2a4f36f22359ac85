/// The button that lets the reader be a client: one WebSocket through the daemon, as a browser would open it anyway.
extension StatusPage {
    static let visitor = #"""
        const shownMessages = 4;

        class Visitor {
          constructor(root, name) {
            this.name = name;
            this.button = one(".visit button", root);
            this.outcome = one(".outcome", root);
            this.addressLine = one(".address", root);
            this.list = one(".messages", root);
            this.button.setAttribute("aria-label", `Open a WebSocket to ${name}`);
            this.button.onclick = () => (this.socket ? this.leave() : this.visit());
          }

          update(service, listening) {
            this.service = service;
            this.address = Visitor.address(service, listening);
            if (this.socket) return;
            this.button.disabled = this.address === null;
            say(this.addressLine, this.address ?? (service.websocket
              ? "No listener has a port, so a browser cannot connect."
              : "This service lets no WebSocket through."));
          }

          static address(service, listening) {
            if (!service.websocket) return null;
            const port = listening.find((text) => !text.startsWith("unix:"))?.split(":").at(-1);
            if (!port) return null;
            const plain = service.paths.find((path) => !path.includes("{"));
            const path = plain ?? service.paths[0].replace(/\{[^}]*\}/g, "example");
            const scheme = location.protocol === "https:" ? "wss" : "ws";
            return `${scheme}://${location.hostname}:${port}${path.replace(/\*$/, "")}`;
          }

          visit() {
            this.began = now();
            this.opened = null;
            this.received = 0;
            this.list.replaceChildren();
            const socket = new WebSocket(this.address, "actioncable-v1-json");
            this.socket = socket;
            socket.onopen = () => this.wasOpened();
            socket.onmessage = ({ data }) => this.wasTold(typeof data === "string" ? data : "(binary)");
            socket.onclose = (event) => this.wasClosed(event);
            this.label("Stop waiting");
            announce(`Waiting for ${this.name}.`);
            this.tick();
          }

          leave() {
            this.isLeaving = true;
            this.socket.close();
          }

          wasOpened() {
            this.opened = now();
            this.label("Close it");
            say(this.outcome, `Open. It took ${precise(this.opened - this.began)}.`);
            announce(`The WebSocket to ${this.name} is open after ${precise(this.opened - this.began)}.`);
          }

          wasTold(text) {
            this.received += 1;
            const item = document.createElement("li");
            const time = document.createElement("span");
            time.textContent = `+${precise(now() - this.opened)}`;
            item.append(time, text.length > 200 ? `${text.slice(0, 200)} …` : text);
            this.list.append(item);
            while (this.list.children.length > shownMessages) this.list.firstElementChild.remove();
          }

          wasClosed({ code }) {
            const text = this.farewell(code);
            this.socket = null;
            this.isLeaving = false;
            this.label("Open a WebSocket");
            say(this.outcome, text);
            announce(text);
          }

          farewell(code) {
            if (this.opened) {
              const who = this.isLeaving ? "You closed it" : `Closed by the other side with code ${code}`;
              return `${who} after ${precise(now() - this.opened)}, ${count(this.received, "message")} received.`;
            }
            const waited = precise(now() - this.began);
            return this.isLeaving ? `You stopped waiting after ${waited}.` : `Refused after ${waited}. ${this.guess()}`;
          }

          /// A browser is not told why a WebSocket was refused; this is what the state allows to say.
          guess() {
            switch (this.service.state) {
              case "disabled": return "The service is disabled.";
              case "unmanaged": return "The daemon's log says whether anything runs there.";
              case "awake": return "The backend answered with something else. Rails, for one, accepts only pages from "
                + "its allowed_request_origins.";
              default: return "The daemon's log says why.";
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
