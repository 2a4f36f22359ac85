/// The output of a backend, below its card.
enum PageOutput {
    /// Followed only while it is open, and for one service at a time: browsers limit connections per host.
    static let script = #"""
        const shownLines = 200;

        class Output {
          constructor(root, name) {
            this.name = name;
            this.details = one(".output", root);
            this.text = one("pre", this.details);
            this.text.setAttribute("aria-label", `Output of ${name}`);
            one("summary", this.details).setAttribute("aria-label", `Output: ${name}`);
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
              const response = await ask(path, { signal: attempt.signal });
              if (attempt !== this.attempt) return;
              this.lines = [""];
              this.write("");
              if (!response.ok) return this.write(await response.text());
              const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
              for (;;) {
                const { done, value } = await reader.read();
                if (attempt !== this.attempt) return;
                if (done) break;
                this.write(value);
              }
            } catch {
              // The daemon is gone, or the output was closed.
            }
            // The daemon closes the stream of a slow reader; reconnect.
            setTimeout(() => { if (live && attempt === this.attempt) this.begin(); }, 1000);
          }

          /// Append text; follow it only where the reader is at the end.
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
