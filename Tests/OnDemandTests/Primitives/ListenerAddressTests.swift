import Testing

@testable import OnDemand

struct ListenerAddressTests {
    private func address(_ text: String, port: UInt16 = 80) -> SocketAddress {
        let octets = text.split(separator: ".").compactMap { UInt8($0) }
        if octets.count == 4 { return .ipv4(octets: octets, port: port) }
        let bytes = Array(text.utf8)
        let number = IPAddress(ByteRange(0, bytes.count), in: bytes.span)!.number
        return .ipv6(octets: (0..<16).map { UInt8(truncatingIfNeeded: number >> UInt128(120 - 8 * $0)) }, port: port)
    }

    @Test(
        "a listener is reached by its own address, and on a wildcard by those of its families that are local",
        arguments: [
            ("127.0.0.1", false, "127.0.0.1", .always), ("127.0.0.1", false, "127.0.0.2", .never),
            ("127.0.0.1", false, "::ffff:127.0.0.1", .always), ("::ffff:127.0.0.1", false, "127.0.0.1", .always),
            ("127.0.0.1", false, "0.0.0.0", .always), ("127.0.0.2", false, "0.0.0.0", .never),
            ("127.0.0.1", false, "::1", .never), ("192.0.2.1", false, "192.0.2.1", .always),
            ("0.0.0.0", false, "127.0.0.1", .always), ("0.0.0.0", false, "127.9.9.9", .always),
            ("0.0.0.0", false, "0.0.0.0", .always), ("0.0.0.0", false, "192.0.2.1", .ifAddressIsLocal),
            ("0.0.0.0", false, "::1", .never), ("::ffff:0.0.0.0", false, "127.0.0.1", .always),
            ("::1", false, "::1", .always), ("::1", false, "::", .always), ("::1", false, "::2", .never),
            ("::", false, "::1", .always), ("::", false, "2001:db8::1", .ifAddressIsLocal),
            ("::", false, "127.0.0.1", .never), ("::", false, "::ffff:127.0.0.1", .never),
            ("::", true, "127.0.0.1", .always), ("::", true, "::ffff:127.0.0.1", .always),
            ("::", true, "192.0.2.1", .ifAddressIsLocal), ("::", true, "::1", .always),
        ] as [(String, Bool, String, ListenerAddress.Reach)])
    func reach(listener: String, acceptsIPv4: Bool, target: String, expected: ListenerAddress.Reach) throws {
        let listener = try #require(ListenerAddress(address(listener), acceptsIPv4: acceptsIPv4))
        #expect(listener.reach(from: address(target)) == expected)
        #expect(listener.reach(from: address(target, port: 81)) == .never, "another port")
    }

    @Test("a Unix socket is no TCP listener, and reaches none")
    func unixSocket() throws {
        #expect(ListenerAddress(.unix(path: "/run/x.sock")) == nil)
        #expect(try #require(ListenerAddress(address("::"))).reach(from: .unix(path: "/run/x.sock")) == .never)
    }
}
