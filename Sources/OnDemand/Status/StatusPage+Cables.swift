/// The card of a cable: its figures, a subscription to one of its streams, and a form that broadcasts to it.
extension StatusPage {
    /// Both forms use the same stream. The script copies the card and sets only texts and attributes.
    static let cableTemplate = #"""
        <template id="cable">
        <section class="card cable">
        <header class="name"><h2></h2><p class="paths"></p></header>
        <div class="now">
        <p class="headline"><strong class="word"></strong></p>
        <p class="meaning"></p>
        <p class="trouble" hidden></p>
        </div>
        <div class="client">
        <form class="subscribe">
        <label>Stream<input autocomplete="off" autocapitalize="off" spellcheck="false" required></label>
        <button>Subscribe</button>
        <p class="outcome"></p><p class="address"></p>
        </form>
        <ol class="messages"></ol>
        <form class="broadcast" hidden>
        <label>Message<input autocomplete="off" spellcheck="false" required></label>
        <button>Broadcast</button>
        <p class="command-outcome" role="status"></p>
        </form>
        <p class="broadcast-hint" hidden>Set <code>status.token</code> in the configuration to broadcast
        from this page.</p>
        </div>
        <dl class="facts">
        <div><dt>clients</dt><dd data-fact="clients"></dd></div>
        <div><dt>subscriptions</dt><dd data-fact="subscriptions"></dd></div>
        <div><dt>streams</dt><dd data-fact="streams"></dd></div>
        <div><dt>messages per second</dt><dd data-fact="rate"></dd></div>
        <div><dt>slowest queue</dt><dd data-fact="queue"></dd></div>
        <div><dt>Redis</dt><dd data-fact="redis"></dd></div>
        </dl>
        <dl class="facts backend" hidden>
        <div><dt>attached</dt><dd data-fact="attached"></dd></div>
        <div><dt>hibernating</dt><dd data-fact="hibernating"></dd></div>
        <div><dt>waking</dt><dd data-fact="waking"></dd></div>
        <div><dt>saved with clients connected</dt><dd data-fact="saved"></dd></div>
        </dl>
        <p class="stateful" hidden></p>
        <dl class="story">
        <div><dt>published</dt><dd data-fact="published"></dd></div>
        <div><dt>rejected broadcasts</dt><dd data-fact="refused"></dd></div>
        <div><dt>rejected subscriptions</dt><dd data-fact="rejected"></dd></div>
        </dl>
        </section>
        </template>
        """#

    static let cables = subscription + "\n" + broadcast + "\n" + cableCard

    /// One subscription, in Action Cable where the cable speaks it, else in TurboCable.
    private static let subscription = #"""
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

    private static let broadcast = #"""
        class Broadcast {
          constructor(root, name, streamInput) {
            this.name = name;
            this.streamInput = streamInput;
            this.form = one(".broadcast", root);
            this.hint = one(".broadcast-hint", root);
            this.input = one("input", this.form);
            this.button = one("button", this.form);
            this.outcome = one(".command-outcome", this.form);
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

    /// A rate is the mean of the last seconds: the daemon sends only sums.
    private static let cableCard = #"""
        const rateTime = 5000;

        class Rate {
          constructor() { this.samples = []; }

          /// `at` is the daemon's uptime. A sum that shrinks belongs to another daemon or another cable.
          note(sum, at) {
            const last = this.samples.at(-1);
            if (last && (sum < last.sum || at < last.at)) this.samples = [];
            this.samples.push({ sum, at });
            while (this.samples.length > 2 && this.samples[1].at <= at - rateTime) this.samples.shift();
          }

          get text() {
            const [first, last] = [this.samples[0], this.samples.at(-1)];
            if (last.at - first.at < 500) return "measuring";
            const rate = 1000 * (last.sum - first.sum) / (last.at - first.at);
            return rate === 0 ? "0" : rounded(rate);
          }
        }

        const kilobytes = (bytes) => (bytes < 1e6 ? of(rounded(bytes / 1e3), "kB") : megabytes(bytes));
        const size = (bytes) => (bytes < 1000 ? of(bytes, "B") : kilobytes(bytes));

        function meaningOfCable({ enabled, clients, subscriptions, streams, backend }) {
          if (!enabled) return "Disabled: requests get 503.";
          if (clients === 0) return "Without clients the cable uses no CPU.";
          if (backend?.waking > 0)
            return `${count(backend.waking, "client")} ${plural(backend.waking, "is", "are")} being connected to `
              + `${backend.name} again.`;
          if (backend?.hibernating > 0 && backend.attached === 0)
            return `${backend.name} sleeps while ${count(backend.hibernating, "client")} `
              + `${plural(backend.hibernating, "stays", "stay")} connected.`;
          return `The daemon delivers to ${count(subscriptions, "subscription")} of ${count(streams, "stream")}.`;
        }

        function rejectedText(rejected) {
          const reasons = Object.entries(rejected).filter(([, number]) => number > 0);
          const sum = reasons.reduce((sum, [, number]) => sum + number, 0);
          const parts = reasons.map(([reason, number]) => `${reason.replaceAll("_", " ")} ${number}`);
          return sum === 0 ? "0" : `${sum}: ${parts.join(", ")}`;
        }

        function redisText(redis) {
          if (redis === null) return "none";
          return redis.gaps === 0 ? redis.state : `${redis.state}, ${count(redis.gaps, "gap")}`;
        }

        const stateReasons = {
          channel_not_listed: "it is not one of hibernate.channels",
          action_performed: "an action may have left state behind",
          not_confirmed: "a subscription is not confirmed yet",
          streams_unknown: "its streams are not known",
          opaque_connection: "the connection carries more than the daemon understands",
          no_hibernation: "the cable has no hibernate" };

        /// What keeps the backend of a cable awake.
        function statefulText({ name, stateful }) {
          if (stateful.length === 0) return "";
          const parts = stateful.map(({ reason, channel, subscriptions }) =>
            `${channel || "a connection"} (${subscriptions}): ${stateReasons[reason] ?? reason}`);
          return `Clients keep ${name} awake: ${parts.join("; ")}.`;
        }

        class CableCard {
          constructor(name) {
            this.root = one("#cable").content.cloneNode(true).firstElementChild;
            this.root.dataset.cable = name;
            this.root.setAttribute("aria-label", name);
            say(one("h2", this.root), name);
            one("#cables").append(this.root);
            this.rate = new Rate();
            this.subscription = new CableSubscription(this.root, name);
            this.broadcast = new Broadcast(this.root, name, this.subscription.input);
          }

          update(cable, { listening, daemon }) {
            const before = this.cable;
            this.cable = cable;
            this.rate.note(cable.deliveries, daemon.uptime_ms);
            this.subscription.update(cable, listening);
            this.broadcast.update(cable, daemon.commands_enabled);
            this.showState();
            this.showFacts();
            if (before) this.announceChange(before);
          }

          showState() {
            const { enabled, clients, redis } = this.cable;
            const state = !enabled ? "disabled" : clients > 0 ? "serving" : "quiet";
            const word = !enabled ? "Disabled" : clients > 0 ? count(clients, "client") : "No clients";
            this.root.className = `card cable ${state}`;
            say(one(".word", this.root), word);
            say(one(".meaning", this.root), meaningOfCable(this.cable));
            const trouble = one(".now .trouble", this.root);
            trouble.hidden = redis?.state !== "unreachable";
            say(trouble, trouble.hidden ? ""
              : "The Redis server is unreachable. Messages that are posted here reach only clients of this daemon.");
          }

          showFacts() {
            const cable = this.cable;
            const unheard = cable.unheard > 0 ? `, ${cable.unheard} without a subscriber` : "";
            const facts = { clients: cable.clients, subscriptions: cable.subscriptions, streams: cable.streams,
              rate: this.rate.text, queue: size(cable.longest_queue_bytes), redis: redisText(cable.redis),
              published: `${cable.publications}${unheard}`, refused: cable.refused_publications,
              rejected: rejectedText(cable.rejected), ...this.backendFacts() };
            for (const [name, value] of Object.entries(facts)) say(one(`[data-fact=${name}]`, this.root), `${value}`);
            say(one(".paths", this.root), cable.paths.join(", "));
          }

          /// Shows or hides what is said of the backend.
          backendFacts() {
            const { backend } = this.cable;
            one(".backend", this.root).hidden = backend === null;
            const stateful = one(".stateful", this.root);
            const text = backend === null ? "" : statefulText(backend);
            stateful.hidden = text === "";
            say(stateful, text);
            if (backend === null) return {};
            const { attached, hibernating, waking, saved_mb_hours: saved } = backend;
            return { attached, hibernating, waking, saved: saved === null ? "none" : of(rounded(saved), "MB h") };
          }

          announceChange(before) {
            const { name, enabled, redis } = this.cable;
            if (before.enabled !== enabled) announce(`${name} is ${enabled ? "enabled" : "disabled"}.`);
            const hasChanged = redis !== null && before.redis?.state !== redis.state;
            if (hasChanged) announce(`The Redis connection of ${name} is ${redis.state}.`);
          }

          remove() {
            if (this.subscription.socket) this.subscription.close();
            this.root.remove();
          }
        }

        /// For a page without services.
        function titleOfCables(cables) {
          const clients = count(cables.reduce((sum, cable) => sum + cable.clients, 0), "client");
          return cables.length === 1 ? `${clients} · ${cables[0].name} · ondemandd`
            : `${clients} of ${count(cables.length, "cable")} · ondemandd`;
        }
        """#
}
