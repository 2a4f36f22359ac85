/// The texts of the page: states, durations, sizes, causes and failures in words.
enum PageTexts {
    /// Times are milliseconds on the browser's clock; the daemon sends ages, so the clocks need not agree.
    static let script = #"""
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
}
