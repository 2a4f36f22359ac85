/// The last minute as a skyline: the state of the service, and under it the connected clients and queued requests.
enum PageTimeline {
    /// The age of a state fills times without an observer: the present state is drawn back to its beginning, a startup
    /// between two events is drawn at its time, and unknown intervals stay empty.
    static let script = #"""
        const minute = 60000;
        /// Height of each state in the chart; other states get the full height.
        const heights = { asleep: 6, backoff: 6, shutting_down: 6, disabled: 6, starting: 26, stopping: 26 };

        function picture(name, attributes) {
          const element = document.createElementNS("http://www.w3.org/2000/svg", name);
          for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
          return element;
        }

        class Timeline {
          constructor(picture) { this.picture = picture; this.bands = []; this.counts = []; this.drawn = -minute; }

          note(before, service, since) {
            const last = this.bands.at(-1);
            if (last?.state === service.state && Math.abs(last.since - since) < 300) last.until = now();
            else this.begin(before, service, since);
            this.noteCounts(service);
            this.bands = this.bands.filter((band) => band.until > now() - minute - 2000);
            this.counts = this.counts.filter((count) => count.until > now() - minute - 2000);
            this.drawn = -minute;
          }

          begin(before, service, since) {
            const last = this.bands.at(-1);
            const isNew = before && service.starts > before.starts;
            const startupBegan = since - (service.last_startup_ms ?? 0);
            const isMissedStartup = service.state === "awake" && isNew && last?.state !== "starting";
            if (last) last.until = last.until > now() - 2500 ? Math.min(since, now()) : Math.min(last.until, since);
            if (isMissedStartup) {
              last.until = Math.min(last.until, startupBegan);
              this.bands.push({ state: "starting", since: startupBegan, until: since });
            }
            this.bands.push({ state: service.state, since, until: now() });
          }

          noteCounts({ open, queued_requests: queued }) {
            const last = this.counts.at(-1);
            const follows = last && now() - last.until < 2500;
            if (follows) last.until = now();
            if (!follows || last.open !== open || last.queued !== queued) {
              this.counts.push({ open, queued, since: now(), until: now() });
            }
          }

          draw(service) {
            if (now() - this.drawn < 450) return;
            this.drawn = now();
            this.bands.at(-1).until = this.counts.at(-1).until = now();
            const bands = this.bands.map((band) => this.band(band));
            const lines = (key, name) =>
              this.counts.filter((count) => count[key]).map((count) => this.line(count, name));
            const queued = lines("queued", "connected queued");
            const open = lines("open", "connected");
            this.picture.replaceChildren(...bands, ...queued, ...open);
            this.picture.setAttribute("aria-label", this.story(service));
          }

          place(time) { return 600 * Math.min(1, Math.max(0, 1 - (now() - time) / minute)); }

          band({ state, since, until }) {
            const height = heights[state] ?? 46;
            const x = this.place(since);
            const width = Math.max(0, this.place(until) - x);
            return picture("rect", { class: `band ${state}`, x, width, y: 54 - height, height });
          }

          line({ since, until }, name) {
            return picture("line", { class: name, x1: this.place(since), x2: this.place(until), y1: 62, y2: 62 });
          }

          story(service) {
            const lately = this.bands.filter((band) => band.until > now() - minute);
            const parts = lately.map(({ state, since, until }) =>
              `${(names[state] ?? state).toLowerCase()} ${span(until - Math.max(since, now() - minute))}`);
            return `The last minute of ${service.name}: ${parts.join(", then ")}`;
          }
        }
        """#
}
