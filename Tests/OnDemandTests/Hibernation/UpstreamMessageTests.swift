import Testing

@testable import OnDemand

struct UpstreamMessageTests {
    private func read(_ text: String) -> UpstreamMessage { UpstreamMessage.read(Array(text.utf8).span) }

    private func identifier(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        switch UpstreamMessage.read(bytes.span) {
        case .confirmation(let slice), .rejection(let slice):
            return String(decoding: bytes[slice.range.indices], as: UTF8.self)
        default: return nil
        }
    }

    @Test(
        "messages are recognised by value: in any order, with spaces and escapes",
        arguments: [
            (#"{"type":"ping","message":1}"#, UpstreamMessage.ping), (#"{"message":1,"type":"ping"}"#, .ping),
            (#" { "type" : "\u0070ing" } "#, .ping), (#"{"\u0074ype":"ping"}"#, .ping),
            (#"{"type":"welcome"}"#, .welcome(isPlain: true)),
            (#"{"type":"welcome","new":1}"#, .welcome(isPlain: true)),
            (#"{"sid":"x","type":"welcome"}"#, .welcome(isPlain: false)),
            (#"{"type":"welcome","extensions":null}"#, .welcome(isPlain: false)),
            (#"{"type":"disconnect","reason":"unauthorized","reconnect":false}"#, .disconnect(.unauthorized)),
            (#"{"reconnect":true,"reason":"server_restart","type":"disconnect"}"#, .disconnect(.serverRestart)),
            (#"{"type":"disconnect","reason":"rem\u006fte"}"#, .disconnect(.remote)),
            (#"{"type":"disconnect","reason":"idle"}"#, .disconnect(.other)),
            (#"{"type":"disconnect","reason":7}"#, .disconnect(.other)),
            (#"{"type":"disconnect"}"#, .disconnect(.other)),
            // Of a repeated member the last one counts.
            (#"{"type":"ping","type":"welcome"}"#, .welcome(isPlain: true)),
        ])
    func messages(text: String, expected: UpstreamMessage) { #expect(read(text) == expected) }

    @Test("an identifier is found as the server wrote it")
    func identifiers() {
        #expect(identifier(#"{"identifier":"a\/b","type":"confirm_subscription"}"#) == #""a\/b""#)
        #expect(identifier(#"{"type":"reject_subscription","identifier":"x"}"#) == #""x""#)
    }

    @Test(
        "everything else is for the client, unchanged",
        arguments: [
            "", "{", "[]", "null", #""ping""#, "{}", #"{"type":"Ping"}"#, #"{"type":["ping"]}"#, #"{"type":null}"#,
            #"{"identifier":"a","message":{"type":"ping"}}"#, #"{"type":"confirm_subscription"}"#,
            #"{"type":"reject_subscription","message":1}"#, #"{"type":"ping"} x"#, #"{"type":"confirm_history"}"#,
            "\u{0}", #"{"type":"ping""#, #"{"type":"\ud800"}"#,
        ])
    func data(text: String) { #expect(read(text) == .data) }

    @Test("bytes that are no UTF-8 are data")
    func noText() {
        for byte in UInt8.min...UInt8.max { #expect(UpstreamMessage.read([byte].span) == .data) }
    }
}
