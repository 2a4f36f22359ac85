/// The three formats of a local reply; none reveals details of the machine or the backend.
extension LocalReply {
    func content(for context: ReplyContext) -> String {
        switch context.form {
        case .text: body.isEmpty || body.utf8.last == HTTPByte.lineFeed ? body : body + "\n"
        case .html: page(requestID: context.requestID)
        case .json: json(requestID: context.requestID)
        }
    }

    static func typeFields(of form: ResponseFormat) -> String {
        switch form {
        case .text: "Content-Type: text/plain; charset=utf-8\r\n"
        case .html:
            // It loads and runs nothing.
            "Content-Type: text/html; charset=utf-8\r\nX-Content-Type-Options: nosniff\r\n"
                + "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'\r\n"
        case .json: "Content-Type: application/json\r\nX-Content-Type-Options: nosniff\r\n"
        }
    }

    private func json(requestID: String?) -> String {
        let id = requestID.map(JSONText.quoted) ?? "null"
        let retry = retryAfterSeconds.map { "\($0)" } ?? "null"
        return "{\"error\":\(JSONText.quoted(body)),\"status\":\(status),\"id\":\(id),\"retry_after\":\(retry)}\n"
    }

    /// Returns the HTML page. It never reloads itself, because a forgotten tab would wake the backend forever.
    private func page(requestID: String?) -> String {
        let title = Self.reason(of: status)
        let retry = retryAfterSeconds.map { "<p>Retry in \($0) second\($0 == 1 ? "" : "s").</p>\n" } ?? ""
        let id = requestID.map { " &middot; <code>\(Self.escaped($0))</code>" } ?? ""
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(title)</title>
            <style>
            body { font: 1.0625rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 18vh auto 2rem;
              padding: 0 1.25rem; }
            h1 { font-size: 1.5rem; line-height: 1.25; }
            footer { margin-top: 2rem; font-size: .875rem; opacity: .75; overflow-wrap: anywhere; }
            </style>
            </head>
            <body>
            <main>
            <h1>\(title)</h1>
            <p>\(Self.escaped(body))</p>
            \(retry)</main>
            <footer>\(status)\(id)</footer>
            </body>
            </html>

            """
    }

    private static func escaped(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": escaped += "&amp;"
            case "<": escaped += "&lt;"
            case ">": escaped += "&gt;"
            case "\"": escaped += "&quot;"
            case "'": escaped += "&#39;"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
