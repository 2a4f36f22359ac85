/// What a reader can do about a service: start it, stop it and their kind, and read along what it prints.
extension StatusPage {
    /// Nothing but a header names the token: no cookie that another page could use, and no address that ends in a log.
    static let asking = #"""
        function ask(path, options = {}) {
          const token = sessionStorage.getItem("token");
          const headers = { ...options.headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
          return fetch(path, { ...options, headers, credentials: "omit" });
        }
        """#

    /// Four buttons that stay where they are, whatever they are called at the moment, so that the focus stays as well.
    static let commands = #"""
        const askedAgain = 5000, stillNews = 3000;

        class Orders {
          constructor(root, name) {
            this.name = name;
            this.row = one(".orders", root);
            this.row.setAttribute("aria-label", `Orders for ${name}`);
            this.outcome = one(".order-outcome", root);
            this.buttons = [...this.row.querySelectorAll("button")];
            this.buttons.forEach((button) => { button.onclick = () => this.press(button); });
          }

          update(service, isAllowed) {
            this.service = service;
            this.forget();
            this.row.hidden = !isAllowed || service.state === "unmanaged" || service.state === "shutting_down";
            this.show();
          }

          /// What was said of an order is no news any more once its service has gone on to something else.
          forget() {
            const { state } = this.service;
            if (this.isBusy || !(now() - this.told > stillNews)) return;
            this.outcomeState ??= state;
            if (state !== this.outcomeState) this.tell("");
          }

          /// What each button is for now. One that cannot be pressed keeps the focus that it has.
          show() {
            const { state, pinned } = this.service;
            const runs = state === "starting" || state === "awake";
            const verbs = [runs ? "stop" : "start", "restart", pinned ? "unpin" : "pin",
              state === "disabled" ? "enable" : "disable"];
            this.buttons.forEach((button, index) => {
              const verb = verbs[index];
              const possible = verb === "restart" ? runs : state !== "disabled" || verb === "enable";
              if (button.dataset.order !== verb) this.call(button, verb);
              button.setAttribute("aria-disabled", this.isBusy || !possible);
            });
          }

          call(button, verb, label = words[verb]) {
            button.dataset.order = verb;
            button.changed = now();
            say(button, label);
            button.setAttribute("aria-label", `${label}: ${this.name}`);
          }

          /// Who sends clients away is asked once more; and a button that has just changed was not meant.
          press(button) {
            const verb = button.dataset.order;
            const { open } = this.service;
            if (button.getAttribute("aria-disabled") === "true" || now() - button.changed < 300) return;
            const isGrave = open > 0 && ["stop", "restart", "disable"].includes(verb);
            if (isGrave && !(now() - button.asked < askedAgain)) {
              button.asked = now();
              this.call(button, verb, `${words[verb]}? ${open} open`);
              announce(`Press once more to ${verb} ${this.name}: `
                + `${count(open, "connection")} ${plural(open, "is", "are")} open.`);
              setTimeout(() => { if (button.dataset.order === verb) this.call(button, verb); }, askedAgain);
              return;
            }
            button.asked = undefined;
            this.give(verb);
          }

          async give(verb) {
            this.isBusy = true;
            this.show();
            this.tell(`${words[verb]} ...`);
            try {
              const headers = { "Content-Type": "application/json" };
              const answer = await ask(`/api/services/${this.name}/${verb}`, { method: "POST", headers });
              this.tell((await answer.text()).trim(), !answer.ok, answer.ok ? outcomes[verb] : undefined);
            } catch {
              this.tell("The daemon did not answer.", true);
            }
            this.isBusy = false;
            this.buttons.forEach((button) => this.call(button, button.dataset.order));
            this.show();
          }

          tell(sentence, isTrouble = false, state = undefined) {
            this.told = now();
            this.outcomeState = state;
            say(this.outcome, sentence);
            this.outcome.classList.toggle("trouble", isTrouble);
          }
        }

        /// The state that an order leads to; what is said of others is about the state they are found in.
        const outcomes = { start: "awake", stop: "asleep", restart: "awake", pin: "awake", disable: "disabled",
          enable: "asleep" };

        const words = { start: "Start", stop: "Stop", restart: "Restart", pin: "Keep awake", unpin: "Let it sleep",
          disable: "Disable", enable: "Enable" };
        """#

    /// Followed only while somebody has opened it, and of one service at a time: a browser has few connections.
    static let output = #"""
        const shownLines = 200;

        class Output {
          constructor(root, name) {
            this.name = name;
            this.details = one(".output", root);
            this.text = one("pre", this.details);
            this.text.setAttribute("aria-label", `What ${name} prints`);
            one("summary", this.details).setAttribute("aria-label", `What it prints: ${name}`);
            this.details.ontoggle = () => this.begin();
          }

          begin() {
            this.attempt?.abort();
            this.attempt = this.details.open ? new AbortController() : null;
            if (this.attempt) this.follow(this.attempt);
          }

          async follow(attempt) {
            try {
              const path = `/api/services/${this.name}/logs?lines=50&follow=1`;
              const answer = await ask(path, { signal: attempt.signal });
              if (attempt !== this.attempt) return;
              this.lines = [""];
              this.write("");
              if (!answer.ok) return this.write(await answer.text());
              const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
              for (;;) {
                const { done, value } = await reader.read();
                if (attempt !== this.attempt) return;
                if (done) break;
                this.write(value);
              }
            } catch {
              // The daemon has gone, or nobody looks any more.
            }
            // Who does not keep up with a flood is let go, and may come again.
            setTimeout(() => { if (live && attempt === this.attempt) this.begin(); }, 1000);
          }

          /// Who has scrolled up reads something, and is not moved.
          write(text) {
            const pieces = (this.lines.pop() + text).split("\n");
            this.lines = [...this.lines, ...pieces].slice(-shownLines - 1);
            const isAtEnd = this.text.scrollTop + this.text.clientHeight > this.text.scrollHeight - 24;
            this.text.textContent = this.lines.join("\n");
            if (isAtEnd) this.text.scrollTop = this.text.scrollHeight;
          }
        }
        """#
}
