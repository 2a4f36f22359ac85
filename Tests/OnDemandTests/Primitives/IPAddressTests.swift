import Testing

@testable import OnDemand

/// Addresses in a head, compared with the slow parser of the configuration.
struct IPAddressTests {
    private func read(_ text: String) -> IPAddress? {
        let bytes = Array(text.utf8)
        return IPAddress(ByteRange(0, bytes.count), in: bytes.span)
    }

    private func slowly(_ text: String) -> IPAddress? {
        (IPAddressText.ipv4(text) ?? IPAddressText.ipv6(text)).flatMap(IPAddress.init(octets:))
    }

    @Test(
        "an address is parsed and printed in its canonical form",
        arguments: [
            ("127.0.0.1", "127.0.0.1"), ("255.255.255.255", "255.255.255.255"), ("::1", "::1"), ("::", "::"),
            ("2001:DB8::8:800:200C:417A", "2001:db8::8:800:200c:417a"), ("1::", "1::"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("::ffff:127.0.0.1", "127.0.0.1"), ("::ffff:7f00:1", "127.0.0.1"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"), ("0:0:0:0:0:ffff:1.2.3.4", "1.2.3.4"),
        ])
    func forms(text: String, shown: String) {
        #expect(read(text)?.text == shown)
        #expect(read(text) == slowly(text))
    }

    @Test("both parsers agree on any text", arguments: 0..<400 as Range<UInt64>)
    func anything(seed: UInt64) {
        var random = Seeded(seed: seed)
        let pieces = ["0", "1", "25", "255", "256", "01", "a", "fFfF", "12345", ":", "::", ".", "1.2.3.4", "g", "%"]
        for _ in 0..<50 {
            let text = (0..<Int.random(in: 0...16, using: &random)).map { _ in
                Bool.random(using: &random) ? ":" : pieces.randomElement(using: &random)!
            }.joined()
            #expect(read(text) == slowly(text), "\(text)")
            let dotted = (0..<Int.random(in: 3...5, using: &random)).map { _ in pieces.randomElement(using: &random)! }
                .joined(separator: ".")
            #expect(read(dotted) == slowly(dotted), "\(dotted)")
        }
    }
}
