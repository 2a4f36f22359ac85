/// The two forms on the card of a cable: a subscription to a stream, and a broadcast to it.
enum PageCableForms {
    /// One subscription, in Action Cable where the cable speaks it, else in TurboCable.
    static let subscription = #"""
        const confirmationTime = 3000, announcementTime = 5000;

        const disconnectReasons = {
          unauthorized: "The cable needs a client token, which this page does not have.",
          token_expired: "The client token has expired.",
          server_restart: "The daemon is shutting down, or the cable was removed.",
          remote: "A program disconnected this client.",
          too_slow: "This page reads too slowly." };

        class CableSubscription {
          constructor(root, name) {
            this.name = name;
            this.form = one(".subscribe", root);
            this.input = one("input", this.form);
            this.button = one("button", this.form);
            this.outcome = one(".outcome", root);
            this.addressLine = one(".address", root);
            this.list = one(".messages", root);
            this.list.setAttribute("aria-label", `Messages received from ${name}`);
            this.input.setAttribute("aria-label", `Stream: ${name}`);
            this.button.onclick = () => { if (this.socket) this.close(); };
            this.form.onsubmit = (event) => { event.preventDefault(); if (!this.socket) this.open(); };
            this.label("Subscribe");
          }

          update(cable, listening) {
            this.cable = cable;
            this.address = webSocketAddress(cable.paths, listening);
            if (this.socket) return;
            this.button.disabled = this.address === null || !cable.enabled;
            say(this.addressLine, this.address ?? "Browsers cannot connect: no listener has a TCP port.");
          }

          open() {
            this.began = now();
            this.opened = this.subscribed = this.verdict = null;
            this.received = 0;
            this.stream = this.input.value;
            this.list.replaceChildren();
            this.isTurbo = !this.cable.protocols.includes("action_cable");
            const socket = new WebSocket(this.address, this.isTurbo ? [] : ["actioncable-v1-json"]);
            this.socket = socket;
            socket.onopen = () => this.onOpen();
            socket.onmessage = ({ data }) => this.hear(data);
            socket.onclose = ({ code }) => this.onClose(code);
            this.label("Cancel");
            this.tick();
          }

          close() {
            this.isClosing = true;
            this.socket.close();
          }

          send(message) { this.socket.send(JSON.stringify(message)); }

          onOpen() {
            const socket = this.socket;
            this.opened = now();
            say(this.outcome, "Connected. Waiting for the confirmation.");
            setTimeout(() => { if (this.socket === socket && !this.subscribed) this.warn(); }, confirmationTime);
            if (this.isTurbo) this.send({ type: "subscribe", stream: this.stream });
          }

          /// TurboCable has no rejection: the cable ignores a subscription to a stream that is not public.
          warn() {
            const cause = this.isTurbo ? " TurboCable has no rejections: is the stream public?" : "";
            this.tell(`No confirmation after ${precise(confirmationTime)}.${cause}`);
          }

          /// The frames of both protocols; their types differ.
          hear(text) {
            const frame = JSON.parse(text);
            switch (frame.type) {
              case "welcome": return this.subscribe();
              case "confirm_subscription": case "subscribed": return this.onSubscribed();
              case "reject_subscription": return this.onRejected();
              case "disconnect": this.verdict = disconnectReasons[frame.reason] ?? frame.reason; return;
              case "ping": if (this.isTurbo) this.send({ type: "pong" }); return;
              case "message": return this.onMessage(this.content(text, frame, "data"));
              default: if ("message" in frame) this.onMessage(this.content(text, frame, "message"));
            }
          }

          subscribe() {
            const identifier = JSON.stringify({ channel: "$pubsub", stream_name: this.stream });
            this.send({ command: "subscribe", identifier });
          }

          /// A string is shown as such. Other values are shown as received, because parsed numbers lose digits. The
          /// text before the key is a JSON string, which cannot contain the key with its quotes.
          content(text, frame, key) {
            if (typeof frame[key] === "string") return frame[key];
            const mark = `,"${key}":`;
            return text.slice(text.indexOf(mark) + mark.length, -1);
          }

          onSubscribed() {
            this.subscribed = now();
            this.label("Unsubscribe");
            this.tell(`Subscribed to ${this.stream} after ${precise(this.subscribed - this.began)}.`);
          }

          onRejected() {
            this.verdict = `Rejected: ${this.stream} is not a public stream of ${this.name}.`;
            this.socket.close();
          }

          onMessage(text) {
            this.received += 1;
            const item = document.createElement("li");
            const time = document.createElement("span");
            time.textContent = `+${precise(now() - this.subscribed)}`;
            item.append(time, text.length > 200 ? `${text.slice(0, 200)} …` : text);
            this.list.append(item);
            while (this.list.children.length > shownMessages) this.list.firstElementChild.remove();
            this.announceMessages(text);
          }

          /// Announce the first message, then how many there are, so that a busy stream can be listened to.
          announceMessages(text) {
            if (this.announcement) return;
            const told = this.received;
            announce(`Message from ${this.stream}: ${text.slice(0, 100)}`);
            this.announcement = setTimeout(() => {
              this.announcement = null;
              if (this.socket && this.received > told) {
                announce(`${count(this.received - told, "more message")} from ${this.stream}.`);
              }
            }, announcementTime);
          }

          onClose(code) {
            const text = this.closeText(code);
            clearTimeout(this.announcement);
            this.socket = this.announcement = null;
            this.isClosing = false;
            this.label("Subscribe");
            this.tell(text);
          }

          closeText(code) {
            if (this.verdict) return this.verdict;
            const duration = precise(now() - (this.subscribed ?? this.began));
            if (this.subscribed) {
              const actor = this.isClosing ? "You unsubscribed" : `Closed by the cable with code ${code}`;
              return `${actor} after ${duration}, ${count(this.received, "message")} received.`;
            }
            if (this.isClosing) return `Cancelled after ${duration}.`;
            if (this.opened) return `Closed by the cable with code ${code}.`;
            return `Rejected after ${duration}. ${this.guess()}`;
          }

          /// Browsers hide why a WebSocket was rejected.
          guess() {
            return this.cable.enabled
              ? `See the daemon's log. If the cable lists allowed_origins, add ${location.origin}.`
              : "The cable is disabled.";
          }

          tell(text) {
            say(this.outcome, text);
            announce(`${this.name}: ${text}`);
          }

          /// The stream cannot be changed while it is subscribed; a field that is read-only keeps its focus.
          label(text) {
            const isOpen = Boolean(this.socket);
            say(this.button, text);
            this.button.type = isOpen ? "button" : "submit";
            this.button.setAttribute("aria-label", `${text}: ${this.name}`);
            this.button.classList.toggle("ends", isOpen);
            this.input.readOnly = isOpen;
          }

          tick() {
            if (this.socket && !this.opened) {
              say(this.outcome, `Connecting: ${of(((now() - this.began) / 1000).toFixed(1), "s")}`);
            }
          }
        }
        """#

    static let broadcast = #"""
        class Broadcast {
          constructor(root, name, streamInput) {
            this.name = name;
            this.streamInput = streamInput;
            this.form = one(".broadcast", root);
            this.hint = one(".broadcast-hint", root);
            this.input = one("input", this.form);
            this.button = one("button", this.form);
            this.outcome = one(".operation-outcome", this.form);
            this.input.setAttribute("aria-label", `Message: ${name}`);
            this.button.setAttribute("aria-label", `Broadcast: ${name}`);
            this.form.onsubmit = (event) => { event.preventDefault(); this.send(); };
          }

          update(cable, isAllowed) {
            this.form.hidden = !isAllowed || !cable.enabled;
            this.hint.hidden = isAllowed;
          }

          async send() {
            if (this.isBusy || !this.streamInput.reportValidity()) return;
            const stream = this.streamInput.value;
            this.setBusy(true);
            this.show("Broadcasting ...");
            try {
              const response = await ask(`/api/cables/${this.name}/broadcast`, { method: "POST",
                headers: { "Content-Type": "application/json" },
                body: JSON.stringify({ stream, data: this.input.value }) });
              const text = (await response.text()).trim();
              this.show(response.ok ? `Accepted for ${stream}.` : text, !response.ok);
              if (response.ok && document.activeElement === this.input) this.input.select();
            } catch {
              this.show("The daemon did not respond.", true);
            }
            this.setBusy(false);
          }

          setBusy(isBusy) {
            this.isBusy = isBusy;
            this.button.setAttribute("aria-disabled", isBusy);
          }

          show(sentence, isTrouble = false) {
            say(this.outcome, sentence);
            this.outcome.classList.toggle("trouble", isTrouble);
          }
        }
        """#
}
