/// The last 24 hours as a chart of states and connections, and the startup times.
enum PageDay {
    /// The daemon reports when each state began. Unknown intervals stay empty; a very short state gets the minimum
    /// width.
    static let script = #"""
        const hours = 3600;
        const wholeDay = 24 * hours;

        class Day {
          constructor(root) {
            this.figure = one("figure.day", root);
            this.picture = one("svg", this.figure);
            this.drawn = -minute;
          }

          /// Take a history; `at` is in seconds on the daemon's clock, `offset` converts to the browser's.
          take(day, at) {
            this.offset = Date.now() / 1000 - at;
            this.states = day.states;
            this.connections = day.connections;
            this.drawn = -minute;
          }

          draw({ name, open }) {
            if (!this.states || (open === this.open && now() - this.drawn < minute / 2)) return;
            this.open = open;
            this.drawn = now();
            this.end = Date.now() / 1000 - this.offset;
            const spans = this.spans();
            this.figure.hidden = spans.length === 0;
            this.picture.replaceChildren(...spans.map((span) => this.band(span)), ...this.connectionLines());
            const story = this.story(spans);
            say(one(".sum", this.figure), story);
            this.picture.setAttribute("aria-label", `The last 24 hours of ${name}: ${story}`);
            this.axis();
          }

          spans() {
            const begin = this.end - wholeDay;
            return this.states.map(([state, since], index) => ({ state, since: Math.max(since, begin),
              until: Math.min(this.states[index + 1]?.[1] ?? this.end, this.end) }))
              .filter(({ state, since, until }) => state !== "unknown" && until >= since && until > begin);
          }

          place(time) { return 720 * (1 - (this.end - time) / wholeDay); }

          band({ state, since, until }) {
            const height = heights[state] ?? 46;
            const shortest = height > 6 ? 1.5 : 0;
            const width = Math.max(shortest, this.place(until) - this.place(since));
            return picture("rect", { class: `band ${state}`, x: Math.min(this.place(since), 720 - width), width,
              y: 64 - height, height });
          }

          /// The peak connections of each step as lines, scaled to the highest; none where the peak is 0.
          connectionLines() {
            const most = this.most();
            const { step_s: step, until, peaks } = this.connections ?? { peaks: [] };
            const runs = [];
            peaks.forEach((peak, index) => {
              if (peak === 0) return;
              if (index === 0 || peaks[index - 1] === 0) runs.push([]);
              const y = (62 - 56 * peak / most).toFixed(1);
              const begin = until - step * (peaks.length - index);
              for (const time of [begin, Math.min(begin + step, this.end)]) {
                runs.at(-1).push(`${this.place(time).toFixed(1)},${y}`);
              }
            });
            return runs.map((points) => picture("polyline", { class: "peak", points: points.join(" ") }));
          }

          most() { return Math.max(0, ...(this.connections?.peaks ?? [])); }

          story(spans) {
            const known = spans.reduce((sum, { since, until }) => sum + until - since, 0);
            const asleep = spans.reduce((sum, { state, since, until }) =>
              sum + (["asleep", "backoff", "disabled"].includes(state) ? until - since : 0), 0);
            const starts = spans.filter((span) => span.state === "starting").length;
            const share = known > 0 ? Math.floor(100 * asleep / known) : 0;
            const past = known < wholeDay - 60 ? ` of the recorded ${span(1000 * known)}` : "";
            return `asleep for ${of(share, "%")}${past}, ${count(starts, "start")}, `
              + `at most ${count(Math.max(this.most(), this.open), "connection")}`;
          }

          axis() {
            const clock = { hour: "2-digit", minute: "2-digit" };
            [...one(".axis", this.figure).children].forEach((label, index) => {
              const time = new Date(Date.now() - 1000 * (wholeDay - index * 6 * hours));
              say(label, index === 4 ? "now" : time.toLocaleTimeString([], clock));
            });
          }
        }

        /// Draw a bar for each recent startup time.
        function drawStartups(root, startups) {
          const chart = one(".startups", root);
          chart.toggleAttribute("hidden", startups.length < 2);
          const longest = Math.max(1, ...startups);
          chart.setAttribute("viewBox", `0 0 ${Math.max(1, startups.length) * 8} 24`);
          chart.style.width = `${startups.length * 8}px`;
          chart.replaceChildren(...startups.map((startup, index) => {
            const height = Math.max(2, 24 * startup / longest);
            return picture("rect", { x: index * 8, y: 24 - height, width: 6, height });
          }));
          chart.setAttribute("aria-label", `The last ${count(startups.length, "startup")}, oldest first`);
          return startupSummary(startups);
        }

        function startupSummary(startups) {
          if (startups.length < 2) return startups.length === 0 ? "none" : `one, ${precise(startups[0])}`;
          const sorted = [...startups].sort((one, other) => one - other);
          return `median of ${startups.length}: ${precise(sorted[Math.floor(sorted.length / 2)])}, `
            + `maximum ${precise(sorted.at(-1))}`;
        }
        """#
}
