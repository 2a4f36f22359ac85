import Testing

@testable import OnDemand

struct AcceptReaderTests {
    @Test(
        "the Accept header decides the format",
        arguments: [
            // curl, wget and fetch.
            ("*/*", ResponseFormat.text), ("", .text),
            // Firefox, then Chrome.
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", .html),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", .html),
            // axios, then jQuery.
            ("application/json, text/plain, */*", .json), ("application/json, text/javascript, */*; q=0.01", .json),
            ("application/json;charset=utf-8", .json), ("APPLICATION/JSON", .json), ("application/*", .json),
            // An image, an event stream: no format matches, and text is the fallback.
            ("image/*", .text), ("text/event-stream", .text), ("application/problem+json", .text),
            ("text/*", .text), ("text/html", .html),
        ])
    func clients(accept: String, form: ResponseFormat) { #expect(read(accept) == form) }

    @Test(
        "the highest weight wins, then the first one, and an exact type precedes a wildcard",
        arguments: [
            ("text/html;q=0.5, application/json;q=0.7", ResponseFormat.json),
            ("text/html;q=0.7, application/json", .json),
            ("text/html, application/json", .html), ("application/json, text/html", .json),
            ("*/*, application/json", .text), ("*/*;q=0.1, text/html;q=0.2", .html),
            ("text/*;q=0.9, text/html;q=0.1", .text), ("text/plain;q=0, */*", .html),
            ("text/html;q=0, text/*, application/json;q=0.5", .text), ("*/*;q=0", .text),
            ("text/html;q=0, application/json;q=0", .text), ("text/html;q=0.001", .html),
        ])
    func weights(accept: String, form: ResponseFormat) { #expect(read(accept) == form) }

    @Test(
        "an invalid element is ignored without affecting others",
        arguments: [
            ("text/html;q=1.5, application/json;q=0.1", ResponseFormat.json), ("text/html;q=, application/json", .json),
            ("text/html;q=0.1234, application/json;q=0.1", .json), ("text/html;q=-1, application/json;q=0.1", .json),
            ("text/html;q=x, application/json;q=0.1", .json), ("html, application/json", .json),
            (",, ,application/json,", .json), (";q=1", .text), ("text/html;p=\"a, application/json;q=1", .html),
            ("text/html;p=\"x,q=0;\\\"\";q=0.2, application/json;q=0.1", .html), ("text/html ; Q=0.5", .html),
            ("text/html;q=1.;x, application/json", .html), ("text/html;q=2, image/png", .text),
        ])
    func mistakes(accept: String, form: ResponseFormat) { #expect(read(accept) == form) }

    @Test("several fields are parsed as one list")
    func fields() {
        #expect(read("text/html;q=0.5", "application/json;q=0.7") == .json)
        #expect(read("image/png", "text/html") == .html)
        #expect(read() == .text)
    }

    private func read(_ fields: String...) -> ResponseFormat { AcceptProperty.form(of: fields.map { Array($0.utf8) }) }
}
