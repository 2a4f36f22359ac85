/// Requests of the page to the daemon, and the stream of snapshots.
enum PageRequests {
    /// The token is sent in a header only: cookies could be used by other pages, and addresses end up in logs.
    static let asking = #"""
        function ask(path, options = {}) {
          const token = sessionStorage.getItem("token");
          const headers = { ...options.headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
          return fetch(path, { ...options, headers, credentials: "omit" });
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
          showCommands(snapshot);
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
