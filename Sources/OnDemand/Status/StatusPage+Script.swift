/// The script of the page: the stream of snapshots, a card per service, and the texts.
extension StatusPage {
    /// Times are milliseconds on the browser's clock; the daemon sends ages, so the clocks need not agree.
    static let words = #"""
        const now = () => performance.now();
        const one = (selector, root = document) => root.querySelector(selector);

        function say(element, text) { if (element.textContent !== text) element.textContent = text; }

        /// For screen readers: announce simultaneous changes together, because only the last one would be read.
        let news = [];

        function announce(sentence) {
          if (news.push(sentence) > 1) return;
          setTimeout(() => { say(one("#announcer"), news.join(" ")); news = []; }, 100);
        }

        /// No line break between a number and its unit.
        const of = (number, unit) => `${number}\u00a0${unit}`;

        function span(milliseconds) {
          const seconds = Math.max(0, Math.floor(milliseconds / 1000));
          const [minutes, hours, days] = [60, 3600, 86400].map((unit) => Math.floor(seconds / unit));
          if (days) return `${of(days, "d")} ${of(hours % 24, "h")}`;
          if (hours) return `${of(hours, "h")} ${of(minutes % 60, "min")}`;
          return minutes ? `${of(minutes, "min")} ${of(seconds % 60, "s")}` : of(seconds, "s");
        }

        /// A configured duration without parts that are zero.
        const length = (milliseconds) => span(milliseconds).replace(/ 0\u00a0\w+$/, "");

        function precise(milliseconds) {
          if (milliseconds >= 60000) return span(milliseconds);
          return milliseconds >= 1000 ? of((milliseconds / 1000).toFixed(2), "s") : of(Math.round(milliseconds), "ms");
        }

        const rounded = (number) => number.toFixed(number < 100 ? 1 : 0);
        const megabytes = (bytes) => of(rounded(bytes / 1e6), "MB");
        const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;

        const calm = matchMedia("(prefers-reduced-motion: reduce)");

        const names = { asleep: "Asleep", starting: "Starting", awake: "Awake", stopping: "Stopping",
          backoff: "Backoff", unmanaged: "Unmanaged", disabled: "Disabled",
          shutting_down: "Shutting down" };

        const plural = (number, singular, plural) => (number === 1 ? singular : plural);

        const overdue = ({ remaining }) =>
          `The stop is overdue. ${plural(remaining.length, "This process is", "These processes are")} left: `
          + `${remaining.join(", ")}.`;

        /// `hibernating`: clients of cables that stay connected while it sleeps.
        function meaning(service, quiet, { hibernating, isRestorable }) {
          if (service.state === "stopping" && service.remaining.length > 0) return overdue(service);
          if (service.kind === "process") return meaningOfProcess(service);
          const { state, queued_requests: queued, open, last_startup_ms: startup, idle_timeout_ms: idle } = service;
          const last = startup === null ? "" : ` The last startup took ${precise(startup)}.`;
          switch (state) {
            case "asleep":
              if (hibernating === 0) return "No process is running. The next request starts it.";
              return `No process is running. ${count(hibernating, "client")} `
                + `${plural(hibernating, "stays", "stay")} connected.`;
            case "starting": return queued === 0
              ? `Starting. No request is queued.${last}`
              : `${count(queued, "request")} ${plural(queued, "is", "are")} queued until it is awake.${last}`;
            case "awake": return awakeMeaning(open, idle, quiet, isRestorable);
            case "stopping": return queued === 0
              ? "Stopping. New requests wait for the next start."
              : `${count(queued, "request")} ${plural(queued, "is", "are")} queued for the next start.`;
            case "backoff": return "The last start failed. Requests get 503 until the next start.";
            case "unmanaged": return "Unmanaged: requests are forwarded, no process is started or stopped.";
            case "disabled": return "Disabled: it is never started, and requests get 503.";
            case "shutting_down": return "The daemon is shutting down.";
            default: return "";
          }
        }

        function meaningOfProcess({ state, open, idle_timeout_ms: idle }) {
          switch (state) {
            case "asleep": return idle === null ? "It has exited and is not restarted."
              : "No process is running. It starts before the services that require it.";
            case "starting": return "It is not ready yet.";
            case "awake": return open > 0 ? `${count(open, "backend")} ${plural(open, "requires", "require")} it now.`
              : idle === null ? "It stays awake." : "Not required now; it stops after its idle timeout.";
            case "stopping": return "Stopping.";
            case "backoff": return "The last start failed; the next one is delayed.";
            case "disabled": return "Disabled: it is never started.";
            case "shutting_down": return "The daemon is shutting down.";
            default: return "";
          }
        }

        /// Details of a failure: command, directory, output, exit.
        function evidenceOf({ command, directory, exit, output }) {
          const place = directory === "." ? "" : `in ${directory}\n`;
          return `$ ${command}\n${place}${output.map((line) => `${line}\n`).join("")}${exit ?? ""}`.trimEnd();
        }

        const causes = { operator: "an operator", always_on: "always on",
          required: "a service that requires it" };

        const kindsOfRequests = { upgrade: "a WebSocket", command: "a cable client's command",
          subscription: "a cable client's subscription" };

        function wakeStory(wake, age) {
          if (wake === null) return "never";
          const { cause, client, path } = wake;
          const kind = kindsOfRequests[cause] ?? "a request";
          return `${causes[cause] ?? `${kind} from ${client} to ${path}`}, ${span(age)} ago`;
        }

        const exits = { idle: "idle timeout", command: "stopped by an operator",
          shutdown: "shutdown of the daemon", failure: "exited unexpectedly or was never ready" };

        function exitStory(exit, cause) {
          if (exit === null) return "never";
          return cause in exits ? `${exit}: ${exits[cause]}` : exit;
        }

        /// `isRestorable`: all of its connections are those of clients that stay connected when it stops.
        function awakeMeaning(open, idle, quiet, isRestorable) {
          const connections = `${count(open, "connection")} ${plural(open, "is", "are")} open.`;
          const use = open === 0 ? "No connection is open." : connections;
          if (idle === null) return `${use} It stays awake.`;
          if (open > 0 && isRestorable) return `${use} It stops ${length(idle)} after the last message.`;
          if (open > 0) return `${use} It stops ${length(idle)} after the last one closes.`;
          const left = quiet.since + idle - now();
          if (left <= 0) return `${use} It is about to stop.`;
          return `${use} It stops ${quiet.isExact ? "in" : "within"} ${span(left + 999)} without requests.`;
        }
        """#

    /// The card of one service. It records what it has shown, because snapshots contain only the present.
    static let card = #"""
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
            this.commands = new Commands(this.root, name);
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
            this.commands.update(service, daemon.commands_enabled);
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

    /// Follows `/events` and reconnects when the stream ends. EventSource cannot send a token.
    static let stream = #"""
        const cards = new Map(), cableCards = new Map();
        const entrance = one("#entrance");
        let attempt = null, heard = now(), live = false, daemon = null;

        async function connect() {
          attempt?.abort();
          const mine = attempt = new AbortController();
          heard = now();
          try {
            const response = await ask("/events", { signal: mine.signal });
            if (attempt !== mine) return;
            if (response.status === 401) return askForToken(sessionStorage.getItem("token") !== null);
            if (response.ok) await follow(response.body.pipeThrough(new TextDecoderStream()).getReader());
          } catch {
            // The daemon is gone, or this attempt was aborted.
          }
          if (attempt !== mine) return;
          setLive(false);
          setTimeout(() => { if (attempt === mine) connect(); }, 1000);
        }

        async function follow(reader) {
          for (let text = ""; ; ) {
            const { done, value } = await reader.read();
            if (done) return;
            const events = (text + value).split("\n\n");
            text = events.pop();
            for (const event of events) if (event.startsWith("data: ")) hear(JSON.parse(event.slice(6)));
          }
        }

        function hear(snapshot) {
          heard = now();
          setLive(true);
          showSnapshot(snapshot);
        }

        function askForToken(wasRefused) {
          attempt = null;
          sessionStorage.removeItem("token");
          setLive(false);
          say(one("#connection"), "locked");
          say(one(".trouble", entrance), wasRefused ? "Invalid token." : "");
          entrance.hidden = false;
          one("#token").focus();
        }

        entrance.onsubmit = (event) => {
          event.preventDefault();
          const token = one("#token").value.trim();
          one("#token").value = "";
          // Other characters cannot be sent in a header.
          if (!/^[\w.~+\/=-]+$/.test(token)) return askForToken(true);
          sessionStorage.setItem("token", token);
          connect();
        };

        function setLive(isLive) {
          if (isLive === live) return;
          live = isLive;
          const connection = one("#connection");
          connection.dataset.is = live ? "live" : "reconnecting";
          say(connection, live ? "live" : "reconnecting");
          document.body.classList.toggle("lost", !live);
          if (!live) return;
          if (!entrance.hidden) {
            // Move the focus, which would be lost with the hidden field.
            entrance.hidden = true;
            one("#services").focus();
          }
          rememberDay();
          for (const card of cards.values()) card.output.begin();
        }

        function showSnapshot(snapshot) {
          daemon = { ...snapshot.daemon, began: now() - snapshot.daemon.uptime_ms };
          const present = new Set(snapshot.services.map((service) => service.name));
          for (const [name, card] of cards) if (!present.has(name)) { card.root.remove(); cards.delete(name); }
          for (const service of snapshot.services) {
            if (!cards.has(service.name)) cards.set(service.name, new Card(service.name));
            cards.get(service.name).update(service, snapshot);
          }
          showCables(snapshot);
          document.title = title(snapshot);
          one("#hint").hidden = snapshot.daemon.commands_enabled || snapshot.services.length === 0;
          showDaemon();
        }

        function showCables(snapshot) {
          const present = new Set(snapshot.cables.map((cable) => cable.name));
          for (const [name, card] of cableCards) if (!present.has(name)) { card.remove(); cableCards.delete(name); }
          for (const cable of snapshot.cables) {
            if (!cableCards.has(cable.name)) cableCards.set(cable.name, new CableCard(cable.name));
            cableCards.get(cable.name).update(cable, snapshot);
          }
        }

        function title({ services, cables }) {
          if (services.length === 0) return titleOfCables(cables);
          const awake = services.filter((service) => service.state === "awake").length;
          const [first] = services;
          return services.length === 1
            ? `${(names[first.state] ?? first.state).toLowerCase()} · ${first.name} · ondemandd`
            : `${awake} of ${services.length} awake · ondemandd`;
        }

        /// Load the history; again when states have changed, once per burst.
        let dayIsDue = false;

        function rememberDay() {
          if (dayIsDue) return;
          dayIsDue = true;
          setTimeout(async () => {
            dayIsDue = false;
            try {
              const response = await ask("/api/history");
              if (!response.ok) return;
              const { at, services } = await response.json();
              for (const day of services) cards.get(day.name)?.day.take(day, at);
            } catch {
              // The daemon is gone; the next connection loads it again.
            }
          }, 250);
        }

        setInterval(() => { if (live) rememberDay(); }, 5 * minute);

        // A link cannot send the token.
        document.addEventListener("click", async (event) => {
          const link = event.target.closest(".facts-link");
          if (!link || sessionStorage.getItem("token") === null) return;
          event.preventDefault();
          const response = await ask(link.getAttribute("href"));
          open(URL.createObjectURL(new Blob([await response.text()], { type: "text/plain;charset=utf-8" })));
        });

        function showDaemon() {
          const memory = daemon.resident_bytes === null ? "" : ` · ${megabytes(daemon.resident_bytes)} of memory`;
          say(one("#daemon"), `daemon ${daemon.version} · up ${span(now() - daemon.began)}${memory}`);
        }

        // Without a connection the ages stay as they were.
        setInterval(() => {
          for (const card of cards.values()) { card.client.tick(); if (live) card.tick(); }
          for (const card of cableCards.values()) card.subscription.tick();
          if (live && daemon) showDaemon();
          // Reconnect a dead connection, for example after a laptop slept.
          if (attempt && now() - heard > 8000) { setLive(false); connect(); }
        }, 200);
        connect();
        """#
}
