import Testing

@testable import OnDemand

struct HeaderTemplateTests {
    @Test("variables are expanded, everything else is unchanged")
    func value() {
        let template = HeaderTemplate(
            name: "Forwarded",
            parts: [.literal("for="), .remoteAddress, .literal(";proto="), .scheme, .literal(";host="), .host])
        let value = template.value(remoteAddress: "10.0.0.1", scheme: "http", host: "$scheme.example")
        #expect(value == "for=10.0.0.1;proto=http;host=$scheme.example")
    }

    @Test("a template without parts is an empty value")
    func empty() {
        #expect(HeaderTemplate(name: "X", parts: []).value(remoteAddress: "a", scheme: "b", host: "c") == "")
    }
}
