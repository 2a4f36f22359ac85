/// The status page: one static, self-contained document; its data arrives by `/events`.
enum StatusPage {
    /// Built on first use, so that an unused page takes no memory.
    static let bytes = Array(document.utf8)

    private static var document: String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        \(head)
        <style>
        \(style)
        \(stateStyle)
        </style>
        </head>
        <body>
        \(body)
        \(template)
        \(cableTemplate)
        \(commandTemplate)
        <script type="module">
        \(asking)
        \(words)
        \(timeline)
        \(day)
        \(client)
        \(commands)
        \(output)
        \(card)
        \(cables)
        \(commandCard)
        \(stream)
        </script>
        </body>
        </html>

        """
    }

    /// Includes an icon; otherwise browsers request one.
    private static let head = #"""
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>ondemandd</title>
        <link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E
        %3Crect width='32' height='32' rx='7' fill='%23232a4d'/%3E
        %3Cpath d='M6 21a10 10 0 0 1 20 0z' fill='%23f6b44b'/%3E
        %3Cpath d='M4 24.5h24' stroke='%23fff' stroke-width='2' stroke-linecap='round'/%3E%3C/svg%3E">
        """#

    private static let body = #"""
        <header class="top">
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7"/>
        <path class="mark-sun" d="M6 21a10 10 0 0 1 20 0z"/><path class="mark-ground" d="M4 24.5h24"/></svg>
        <h1>ondemandd</h1>
        <p id="connection" role="status" data-is="connecting">connecting</p>
        <p id="daemon"></p>
        </header>
        <form id="entrance" class="card" aria-label="Token" hidden>
        <label for="token">Bearer token (`status.token` in the configuration)</label>
        <p><input id="token" type="password" autocomplete="off" spellcheck="false" required>
        <button>Sign in</button></p>
        <p class="trouble" role="alert"></p>
        </form>
        <main id="services" tabindex="-1"><noscript><p class="card">This page needs JavaScript.
        The same data is at <a href="/api/status">/api/status</a>.</p></noscript>
        <div id="cables"></div></main>
        <footer>
        <p>While this page is open the daemon sends it an update every second.
        Without an open page, an awake backend or a connected client, the daemon uses no CPU.</p>
        <p id="hint" hidden>Set <code>status.token</code> in the configuration to send commands from this page.</p>
        <p>The same data for programs: <a class="facts-link" href="/api/status">/api/status</a>,
        <a class="facts-link" href="/api/history">/api/history</a>,
        <a class="facts-link" href="/metrics">/metrics</a></p>
        </footer>
        <p id="announcer" class="unseen" role="status" aria-live="polite"></p>
        """#

    /// The card of a service. The script copies it and sets only texts and attributes.
    private static let template = #"""
        \#(gradients)
        <template id="service">
        <section class="card service">
        <header class="name"><h2></h2><p class="paths"></p></header>
        <div class="life">
        \#(scene)
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
        <div class="commands" role="group" hidden>
        <button type="button"></button><button type="button"></button><button type="button"></button>
        <button type="button"></button>
        <p class="command-outcome" role="status"></p>
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
}
