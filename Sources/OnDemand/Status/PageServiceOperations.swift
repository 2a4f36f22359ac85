/// Operations of the page (start, stop, pin…).
enum PageServiceOperations {
    /// Four buttons with fixed positions and changing labels, so that the focus stays.
    static let script = #"""
        const confirmTime = 5000, shownTime = 3000;

        class Operations {
          constructor(root, name) {
            this.name = name;
            this.row = one(".operations", root);
            this.row.setAttribute("aria-label", `Operations for ${name}`);
            this.outcome = one(".operation-outcome", root);
            this.buttons = [...this.row.querySelectorAll("button")];
            this.buttons.forEach((button) => { button.onclick = () => this.press(button); });
          }

          update(service, isAllowed) {
            this.service = service;
            this.forget();
            this.row.hidden = !isAllowed || service.state === "unmanaged" || service.state === "shutting_down";
            this.show();
          }

          /// Clear the outcome of an operation once the service has changed to another state.
          forget() {
            const { state } = this.service;
            if (this.isBusy || !(now() - this.shownAt > shownTime)) return;
            this.outcomeState ??= state;
            if (state !== this.outcomeState) this.showOutcome("");
          }

          /// Set the operation of each button. A disabled button keeps its focus.
          show() {
            const { state, pinned } = this.service;
            const runs = state === "starting" || state === "awake";
            const verbs = [runs ? "stop" : "start", "restart", pinned ? "unpin" : "pin",
              state === "disabled" ? "enable" : "disable"];
            this.buttons.forEach((button, index) => {
              const verb = verbs[index];
              const possible = verb === "restart" ? runs : state !== "disabled" || verb === "enable";
              if (button.dataset.operation !== verb) this.call(button, verb);
              button.setAttribute("aria-disabled", this.isBusy || !possible);
            });
          }

          call(button, verb, label = words[verb]) {
            button.dataset.operation = verb;
            button.changed = now();
            say(button, label);
            button.setAttribute("aria-label", `${label}: ${this.name}`);
          }

          /// Ask for confirmation if connections are open. Ignore a press on a button that has just changed.
          press(button) {
            const verb = button.dataset.operation;
            const { open } = this.service;
            if (button.getAttribute("aria-disabled") === "true" || now() - button.changed < 300) return;
            const isDisruptive = open > 0 && ["stop", "restart", "disable"].includes(verb);
            if (isDisruptive && !(now() - button.asked < confirmTime)) {
              button.asked = now();
              this.call(button, verb, `${words[verb]}? ${open} open`);
              announce(`Press once more to ${verb} ${this.name}: `
                + `${count(open, "connection")} ${plural(open, "is", "are")} open.`);
              setTimeout(() => { if (button.dataset.operation === verb) this.call(button, verb); }, confirmTime);
              return;
            }
            button.asked = undefined;
            this.send(verb);
          }

          async send(verb) {
            this.isBusy = true;
            this.show();
            this.showOutcome(`${words[verb]} ...`);
            try {
              const headers = { "Content-Type": "application/json" };
              const response = await ask(`/api/services/${this.name}/${verb}`, { method: "POST", headers });
              this.showOutcome((await response.text()).trim(), !response.ok, response.ok ? outcomes[verb] : undefined);
            } catch {
              this.showOutcome("The daemon did not respond.", true);
            }
            this.isBusy = false;
            this.buttons.forEach((button) => this.call(button, button.dataset.operation));
            this.show();
          }

          showOutcome(sentence, isTrouble = false, state = undefined) {
            this.shownAt = now();
            this.outcomeState = state;
            say(this.outcome, sentence);
            this.outcome.classList.toggle("trouble", isTrouble);
          }
        }

        /// The state after a successful operation.
        const outcomes = { start: "awake", stop: "asleep", restart: "awake", pin: "awake", disable: "disabled",
          enable: "asleep" };

        const words = { start: "Start", stop: "Stop", restart: "Restart", pin: "Pin", unpin: "Unpin",
          disable: "Disable", enable: "Enable" };
        """#
}
