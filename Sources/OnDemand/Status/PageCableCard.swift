/// The card of a cable: its figures, a subscription to one of its streams, and a form that broadcasts to it.
enum PageCableCard {
    /// Both forms use the same stream. The script copies the card and sets only texts and attributes.
    static let template = #"""
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
        <p class="operation-outcome" role="status"></p>
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

    /// A rate is the mean of the last seconds: the daemon sends only sums.
    static let script = #"""
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
              published: `${cable.publications}${unheard}`,
              refused: cable.refused_publications + cable.overloaded_publications,
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
