import Testing

@testable import OnDemand

struct ProxyHeaderTests {
    private static let signature: [UInt8] = [13, 10, 13, 10, 0, 13, 10, 81, 85, 73, 84, 10]
    private static let four: [UInt8] = [192, 0, 2, 1, 198, 51, 100, 1, 0x9c, 0x40, 0x01, 0xbb]
    private static let tls: [UInt8] = [0x20, 0, 5, 1, 0, 0, 0, 0]

    private static func block(_ command: UInt8 = 0x21, _ family: UInt8 = 0x11, _ rest: [UInt8] = four) -> [UInt8] {
        signature + [command, family, UInt8(rest.count >> 8), UInt8(rest.count & 0xff)] + rest
    }

    private func examine(_ bytes: [UInt8]) throws -> ProxyHeader? { try ProxyHeader.examine(bytes.span) }

    private func client(_ text: String) throws -> String? {
        try examine(Array("PROXY \(text)\r\n".utf8))?.client?.description
    }

    @Test("a line has the connection's addresses, in either family, or is unknown")
    func lines() throws {
        #expect(try client("TCP4 192.0.2.1 198.51.100.1 40000 443") == "192.0.2.1:40000")
        #expect(try client("TCP6 2001:db8::1 ::1 65535 0") == "[2001:db8::1]:65535")
        #expect(try examine(Array("PROXY UNKNOWN\r\n".utf8)) == ProxyHeader(byteCount: 15))
        #expect(try examine(Array("PROXY UNKNOWN ff x y\r\nGET".utf8)) == ProxyHeader(byteCount: 22))
    }

    @Test("a block has the same in bytes, and the client's use of TLS")
    func blocks() throws {
        let plain = SocketAddress.ipv4(octets: [192, 0, 2, 1], port: 40_000)
        #expect(try examine(Self.block() + [1]) == ProxyHeader(client: plain, byteCount: 28))
        let more = Self.block(0x21, 0x11, Self.four + [4, 0, 2, 9, 9] + Self.tls)
        #expect(try examine(more) == ProxyHeader(client: plain, isEncrypted: true, byteCount: more.count))
        let octets = [0x20, 1, 0xd, 0xb8] + Array(repeating: 0, count: 11) + [7] as [UInt8]
        let six = Self.block(0x21, 0x21, octets + octets + [0, 80, 1, 187])
        #expect(try examine(six)?.client == .ipv6(octets: octets, port: 80))
        #expect(try examine(Self.block(0x21, 0x31, Array(repeating: 0, count: 216)))?.client == .unix(path: ""))
    }

    @Test("a LOCAL or UNKNOWN header names no client")
    func local() throws {
        #expect(try examine(Self.block(0x20, 0x00, [])) == ProxyHeader(byteCount: 16))
        #expect(try examine(Self.block(0x20, 0x11)) == ProxyHeader(byteCount: 28))
        #expect(try examine(Self.block(0x21, 0x00, [1, 2, 3])) == ProxyHeader(byteCount: 19))
    }

    @Test("a header has the same result in any split, and one byte less is incomplete")
    func splits() throws {
        let headers = [
            Array("PROXY TCP4 192.0.2.1 198.51.100.1 40000 443\r\n".utf8), Self.block(0x21, 0x11, Self.four + Self.tls),
        ]
        for header in headers {
            for count in 0..<header.count { #expect(try examine(Array(header[..<count])) == nil) }
            #expect(try examine(header + Array("GET / HTTP/1.1".utf8))?.byteCount == header.count)
        }
    }

    @Test(
        "a line with anything else in it is rejected",
        arguments: [
            "TCP4 192.0.2.1 198.51.100.1 40000", "TCP4 192.0.2.1 198.51.100.1 40000 443 ",
            "TCP4  192.0.2.1 1.1.1.1 1 1",
            "TCP4 192.0.2.01 198.51.100.1 1 1", "TCP4 ::1 ::1 1 1", "TCP6 192.0.2.1 ::1 1 1",
            "TCP4 1.1.1.1 1.1.1.1 01 1",
            "TCP4 1.1.1.1 1.1.1.1 65536 1", "TCP4 1.1.1.1 1.1.1.1 +1 1", "tcp4 1.1.1.1 1.1.1.1 1 1",
            "UDP4 1.1.1.1 1.1.1.1 1 1",
            "", "TCP4 1.1.1.1 1.1.1.1  1", "TCP4 1.1.1.1\t1.1.1.1 1 1", "TCP4 1.1.1.1 1.1.1.1 1 1\n", "UNKNOWN\u{7f}",
        ])
    func badLines(text: String) { #expect(throws: ProxyHeaderError.malformed) { try client(text) } }

    @Test("a block with anything else in it is rejected")
    func badBlocks() {
        let bad = [
            Self.block(0x11), Self.block(0x22), Self.block(0x21, 0x12), Self.block(0x21, 0x41),
            Self.block(0x21, 0x11, Array(Self.four.dropLast())), Self.block(0x21, 0x11, Self.four + [4]),
            Self.block(0x21, 0x11, Self.four + [4, 0, 2, 9]), Self.block(0x21, 0x11, Self.four + [0x20, 0, 0]),
        ]
        for bytes in bad { #expect(throws: ProxyHeaderError.malformed) { try examine(bytes) } }
    }

    @Test("an invalid header is detected at its first wrong byte, and an endless one at its limit")
    func others() {
        for text in ["GET / HTTP/1.1\r\n", "PROXI", "Q", "\r\n\r\n\u{0}\r\nQUIX"] {
            #expect(throws: ProxyHeaderError.missing) { try examine(Array(text.utf8)) }
        }
        let endless = Array("PROXY UNKNOWN \(String(repeating: "x", count: 200))".utf8)
        #expect(throws: ProxyHeaderError.tooLong) { try examine(endless) }
        #expect(throws: ProxyHeaderError.tooLong) { try examine(Self.signature + [0x21, 0x11, 0xff, 0xff]) }
    }

    @Test("no bytes trap, and the result does not depend on the split", arguments: 0..<300 as Range<UInt64>)
    func anything(seed: UInt64) {
        var random = Seeded(seed: seed)
        var bytes =
            seed.isMultiple(of: 2)
            ? Self.block(0x21, 0x11, Self.four + Self.tls) : Array("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n".utf8)
        for _ in 0..<Int.random(in: 1...3, using: &random) {
            bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
        }
        let whole = Result { try examine(bytes) }
        var early: Result<ProxyHeader?, any Error> = .success(nil)
        for count in 0...bytes.count {
            early = Result { try examine(Array(bytes[..<count])) }
            if case .success(nil) = early { continue }
            break
        }
        switch (whole, early) {
        case (.success(let one), .success(let other)): #expect(one == other)
        case (.failure, .failure): break
        default: Issue.record("\(bytes): \(whole) at once, \(early) in pieces")
        }
    }
}
