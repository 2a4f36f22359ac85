/// The status page: one static, self-contained document; its data arrives by `/events`.
///
/// HTML, style and script are raw literals in Swift, one type for each topic (`Page…`), because `swift build` alone
/// then makes one executable with the page in it, of parts that are put together. SwiftPM's resources can do neither:
/// `.copy` and `.process` make files beside the executable, which Foundation has to find, and `.embedInCode` makes an
/// array with an element for each byte of a whole file. A literal is read-only data of the executable.
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
        \(PageStyle.general)
        \(PageStyle.lifecyclePicture)
        </style>
        </head>
        <body>
        \(body)
        \(PageServiceCard.template)
        \(PageCableCard.template)
        \(PageCommandCard.template)
        <script type="module">
        \(PageScript.text)
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
        <p id="hint" hidden>Set <code>status.token</code> in the configuration to send operations from this page.</p>
        <p>The same data for programs: <a class="facts-link" href="/api/status">/api/status</a>,
        <a class="facts-link" href="/api/history">/api/history</a>,
        <a class="facts-link" href="/metrics">/metrics</a></p>
        </footer>
        <p id="announcer" class="unseen" role="status" aria-live="polite"></p>
        """#
}
