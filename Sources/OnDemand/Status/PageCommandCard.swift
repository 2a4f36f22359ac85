/// The card of a command: its figures, its runs in progress and the last results.
enum PageCommandCard {
    /// The script copies the card and sets only texts and attributes.
    static let template = #"""
        <template id="command">
        <section class="card command">
        <header class="name"><h2></h2><p class="paths"></p></header>
        <div class="now">
        <p class="headline"><strong class="word"></strong></p>
        <p class="meaning"></p>
        </div>
        <ol class="runs"></ol>
        <dl class="facts">
        <div><dt>started</dt><dd data-fact="started"></dd></div>
        <div><dt>succeeded</dt><dd data-fact="succeeded"></dd></div>
        <div><dt>failed</dt><dd data-fact="failed"></dd></div>
        <div><dt>timed out</dt><dd data-fact="timed_out"></dd></div>
        <div><dt>stopped</dt><dd data-fact="stopped"></dd></div>
        <div><dt>not started</dt><dd data-fact="spawn_failed"></dd></div>
        </dl>
        <dl class="story">
        <div><dt>output goes to the cable</dt><dd data-fact="cable"></dd></div>
        <div><dt>runs at a time</dt><dd data-fact="max_running"></dd></div>
        <div><dt>rejected requests</dt><dd data-fact="rejected"></dd></div>
        </dl>
        </section>
        </template>
        """#

    static let script = #"""
        const endings = { timed_out: "timed out", stopped: "stopped", shutdown: "stopped by the shutdown",
          spawn_failed: "not started" };

        function resultOf({ ending, exit_status: status, signal }) {
          return endings[ending] ?? (signal === null ? `status ${status}` : `signal ${signal}`);
        }

        const hasSucceeded = ({ ending, exit_status: status }) => ending === "exited" && status === 0;

        function storyOf(run) {
          const state = run.ending === null ? run.state : resultOf(run);
          const time = `${run.ending === null ? "for" : "after"} ${precise(run.duration_ms)}`;
          const began = new Date(1000 * run.started_at).toLocaleTimeString();
          const left = run.remaining.length === 0 ? "" : `; the stop is overdue: ${run.remaining.join(", ")}`;
          return `${state} ${time}, started at ${began}, ${size(run.output_bytes)} of output${left}`;
        }

        class CommandCard {
          constructor(name) {
            this.root = one("#command").content.cloneNode(true).firstElementChild;
            this.root.dataset.command = name;
            this.root.setAttribute("aria-label", name);
            this.list = one(".runs", this.root);
            this.list.setAttribute("aria-label", `Runs of ${name}`);
            say(one("h2", this.root), name);
            one("#cables").after(this.root);
            this.items = new Map();
          }

          /// Behind the card of the command that precedes it.
          place(previous) {
            const before = previous?.root ?? one("#cables");
            if (before.nextElementSibling !== this.root) before.after(this.root);
          }

          update(command) {
            const before = this.command;
            this.command = command;
            this.showState();
            this.showRuns();
            if (before) this.announceChange(before);
          }

          showState() {
            const { name, path, running, last, params, rejected, ...others } = this.command;
            const [latest] = last;
            const state = running.length > 0 ? "serving" : latest && !hasSucceeded(latest) ? "backoff" : "quiet";
            this.root.className = `card command ${state}`;
            say(one(".word", this.root), running.length > 0 ? `${running.length} running`
              : latest ? `Last run: ${resultOf(latest)}` : "No runs");
            const parameters = params.length === 0 ? "It has no parameters." : `Its parameters: ${params.join(", ")}.`;
            say(one(".meaning", this.root), `A request with the key starts a run. ${parameters}`);
            say(one(".paths", this.root), path);
            const facts = { rejected: rejectedText(rejected), ...others };
            for (const element of this.root.querySelectorAll("[data-fact]")) {
              say(element, `${facts[element.dataset.fact]}`);
            }
          }

          /// The latest first: in progress, then ended.
          showRuns() {
            const runs = [...this.command.running].reverse().concat(this.command.last);
            const present = new Set(runs.map(({ id }) => id));
            for (const [id, item] of this.items) if (!present.has(id)) { item.remove(); this.items.delete(id); }
            runs.forEach((run, position) => {
              if (!this.items.has(run.id)) this.items.set(run.id, this.item(run));
              const item = this.items.get(run.id);
              item.classList.toggle("failed", run.ending !== null && !hasSucceeded(run));
              say(item.firstElementChild, storyOf(run));
              if (this.list.children[position] !== item) {
                this.list.insertBefore(item, this.list.children[position] ?? null);
              }
            });
            this.list.hidden = runs.length === 0;
          }

          item({ id }) {
            const item = document.createElement("li");
            const code = document.createElement("code");
            code.textContent = id;
            item.append(document.createElement("span"), code);
            return item;
          }

          announceChange(before) {
            const known = new Set(before.last.map(({ id }) => id));
            for (const run of this.command.last) {
              if (!known.has(run.id)) announce(`A run of ${this.command.name} has ended: ${resultOf(run)}.`);
            }
          }
        }

        const commandCards = new Map();

        function showCommands({ commands }) {
          const present = new Set(commands.map(({ name }) => name));
          for (const [name, card] of commandCards) {
            if (!present.has(name)) { card.root.remove(); commandCards.delete(name); }
          }
          let previous = null;
          for (const command of commands) {
            if (!commandCards.has(command.name)) commandCards.set(command.name, new CommandCard(command.name));
            const card = commandCards.get(command.name);
            card.place(previous);
            card.update(command);
            previous = card;
          }
        }
        """#
}
