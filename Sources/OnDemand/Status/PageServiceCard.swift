/// The card of one service: its lifecycle, its figures, its charts and its output.
enum PageServiceCard {
    /// The script copies the card and sets only texts and attributes.
    static let template = #"""
        \#(PageLifecyclePicture.gradients)
        <template id="service">
        <section class="card service">
        <header class="name"><h2></h2><p class="paths"></p></header>
        <div class="life">
        \#(PageLifecyclePicture.scene)
        <ol class="stages" aria-label="Lifecycle">
        <li data-stage="asleep"><span>asleep</span></li>
        <li data-stage="starting"><span>starting</span></li>
        <li data-stage="awake"><span>awake</span></li>
        <li data-stage="stopping"><span>stopping</span></li>
        </ol>
        </div>
        <div class="now">
        <p class="headline"><strong class="word"></strong> <span class="age"></span></p>
        <p class="meaning"></p>
        <p class="trouble" hidden></p>
        <pre class="evidence" role="group" tabindex="0" hidden></pre>
        </div>
        <div class="operations" role="group" hidden>
        <button type="button"></button><button type="button"></button><button type="button"></button>
        <button type="button"></button>
        <p class="operation-outcome" role="status"></p>
        </div>
        <div class="client">
        <div><button type="button">Open a WebSocket</button><p class="outcome"></p><p class="address"></p></div>
        <ol class="messages" aria-label="Messages received"></ol>
        </div>
        <dl class="facts">
        <div><dt>connections</dt><dd data-fact="open"></dd></div>
        <div><dt>queued requests</dt><dd data-fact="queued_requests"></dd></div>
        <div><dt>memory</dt><dd data-fact="memory"></dd></div>
        <div><dt>memory saved</dt><dd data-fact="saved"></dd></div>
        <div><dt>starts</dt><dd data-fact="starts"></dd></div>
        <div><dt>last startup</dt><dd data-fact="startup"></dd></div>
        </dl>
        <dl class="story">
        <div><dt>last woken by</dt><dd><span data-fact="wake"></span> <span class="agent"></span></dd></div>
        <div><dt>startup times</dt><dd><svg class="startups" preserveAspectRatio="none" role="img" hidden></svg>
        <span data-fact="startups"></span></dd></div>
        <div><dt>last exit</dt><dd data-fact="exit"></dd></div>
        </dl>
        <figure class="day" hidden>
        <figcaption>The last 24 hours: <span class="sum"></span></figcaption>
        <svg viewBox="0 0 720 70" preserveAspectRatio="none" role="img"></svg>
        <p class="axis" aria-hidden="true"><span></span><span></span><span></span><span></span><span></span></p>
        </figure>
        <figure class="minute">
        <figcaption>The last minute</figcaption>
        <svg viewBox="0 0 600 70" preserveAspectRatio="none" role="img"></svg>
        <p class="axis" aria-hidden="true"><span>60 s ago</span><span>30 s ago</span><span>now</span></p>
        <p class="legend" aria-hidden="true"><span class="asleep">asleep</span>
        <span class="starting">starting</span><span class="awake">awake</span><span class="stopping">stopping</span>
        <span class="backoff">backoff</span><span class="queued">queued</span>
        <span class="open">connected</span></p>
        </figure>
        <details class="output" name="output">
        <summary>Output</summary>
        <pre role="group" tabindex="0"></pre>
        </details>
        </section>
        </template>
        """#

    /// Records what the card has shown, because snapshots contain only the present.
    static let script = #"""
        class Card {
          constructor(name) {
            this.root = one("#service").content.cloneNode(true).firstElementChild;
            this.root.dataset.service = name;
            this.root.setAttribute("aria-label", name);
            one(".evidence", this.root).setAttribute("aria-label", `Details of the last failure of ${name}`);
            say(one("h2", this.root), name);
            one("#cables").before(this.root);
            this.timeline = new Timeline(one(".minute svg", this.root));
            this.day = new Day(this.root);
            this.client = new WebSocketClient(this.root, name);
            this.operations = new Operations(this.root, name);
            this.output = new Output(this.root, name);
          }

          update(service, { listening, daemon, cables }) {
            const uses = cables.map(({ backend }) => backend).filter((backend) => backend?.name === service.name);
            const sum = (count) => uses.reduce((sum, use) => sum + count(use), 0);
            this.clients = {
              hibernating: sum(({ hibernating }) => hibernating),
              isRestorable: service.open <= sum(({ attached }) => attached)
                && uses.every(({ stateful }) => stateful.length === 0),
            };
            const before = this.service;
            this.service = service;
            this.since = now() - service.state_age_ms;
            this.noteQuiet(before);
            this.timeline.note(before, service, this.since);
            one(".client", this.root).hidden = service.kind === "process";
            this.client.update(service, listening, uses.length > 0);
            this.operations.update(service, daemon.commands_enabled);
            one(".output", this.root).hidden = service.state === "unmanaged";
            this.showFacts();
            if (before?.state !== service.state) { this.showState(before); rememberDay(); }
            this.tick();
          }

          /// When the idle timeout began: exact if this page saw the last connection close, or saw it become ready.
          noteQuiet(before) {
            const { state, open, generation } = this.service;
            if (state !== "awake" || open > 0) { this.quiet = null; return; }
            const sameGeneration = before?.generation === generation && before.state === "awake";
            if (sameGeneration && before.open === 0 && this.quiet) return;
            const isExact = sameGeneration ? before.open > 0 : this.service.state_age_ms < 300;
            this.quiet = { since: now(), isExact };
          }

          showState(before) {
            const { state, name, last_failure: failure } = this.service;
            const isKnown = Object.hasOwn(names, state);
            this.root.className = `card service ${isKnown ? state : "unmanaged"}`;
            say(one(".word", this.root), names[state] ?? state);
            const stage = { backoff: "asleep", shutting_down: "asleep" }[state] ?? state;
            for (const item of this.root.querySelectorAll("[data-stage]")) {
              if (item.dataset.stage === stage) item.setAttribute("aria-current", "step");
              else item.removeAttribute("aria-current");
            }
            const why = state === "backoff" && failure !== null ? `: ${failure}` : "";
            if (before) announce(`${name} is ${(names[state] ?? state).toLowerCase()}${why}.`);
          }

          showFacts() {
            const service = this.service;
            const facts = { open: service.open, queued_requests: service.queued_requests, starts: service.starts,
              memory: service.resident_bytes === null ? "none" : megabytes(service.resident_bytes),
              saved: service.saved_mb_hours === null ? "none" : of(rounded(service.saved_mb_hours), "MB h"),
              startup: service.last_startup_ms === null ? "never" : precise(service.last_startup_ms),
              startups: drawStartups(this.root, service.startups_ms),
              exit: exitStory(service.last_exit, service.last_exit_cause) };
            for (const [name, value] of Object.entries(facts)) say(one(`[data-fact=${name}]`, this.root), `${value}`);
            const needs = service.requires.length > 0 ? [`requires ${service.requires.join(", ")}`] : [];
            say(one(".paths", this.root), [service.paths.join(", "), ...needs].filter((text) => text).join(" · "));
            const trouble = one(".trouble", this.root);
            trouble.hidden = service.last_failure === null;
            say(trouble, `Last failure: ${service.last_failure ?? ""}`);
            const evidence = one(".evidence", this.root);
            evidence.hidden = service.failure === null;
            say(evidence, service.failure === null ? "" : evidenceOf(service.failure));
          }

          tick() {
            const wake = this.service.last_wake;
            const wakeAge = now() - this.since + (wake?.age_ms ?? 0) - this.service.state_age_ms;
            say(one("[data-fact=wake]", this.root), wakeStory(wake, wakeAge));
            say(one(".agent", this.root), wake?.agent ?? "");
            say(one(".age", this.root), `for ${span(now() - this.since)}`);
            say(one(".meaning", this.root), meaning(this.service, this.quiet, this.clients));
            this.root.classList.toggle("hibernating", this.service.state === "asleep" && this.clients.hibernating > 0);
            this.moveSun();
            this.timeline.draw(this.service);
            this.day.draw(this.service);
          }

          /// Along y = 52 + 0.0024 (x - 500)², the dashed path: up during startup, down until the idle timeout.
          moveSun() {
            const { state } = this.service;
            const age = now() - this.since;
            const x = this.longitude(state, age);
            const sun = one(".sun", this.root);
            const isCreeping = state === "starting" || (state === "awake" && this.quiet !== null && age > 1000);
            sun.classList.toggle("steady", isCreeping);
            if (x) sun.style.transform = `translate(${x.toFixed(1)}px, ${(52 + 0.0024 * (x - 500) ** 2).toFixed(1)}px)`;
            else sun.style.removeProperty("transform");
          }

          longitude(state, age) {
            const station = { starting: 300, awake: 500, stopping: 700 }[state];
            if (calm.matches) return station;
            const { last_startup_ms: startup, idle_timeout_ms: idle } = this.service;
            if (state === "starting") return 288 + 48 * (1 - Math.exp(-1.5 * age / (startup ?? 3000)));
            if (!this.quiet || !idle) return station;
            return station + 184 * Math.min(1, Math.max(0, (now() - this.quiet.since) / idle));
          }
        }
        """#
}
