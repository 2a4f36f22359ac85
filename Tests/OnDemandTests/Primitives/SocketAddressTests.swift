import Foundation
import Testing

@testable import OnDemand

struct SocketAddressTests {
    private func text(_ groups: [UInt16]) -> String {
        SocketAddress.ipv6(octets: groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }, port: 1).host
    }

    @Test("an address is printed in the notation of the configuration")
    func description() {
        #expect(SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3000).description == "127.0.0.1:3000")
        #expect(SocketAddress.unix(path: "/run/x.sock").description == "unix:/run/x.sock")
        let loopback = SocketAddress.ipv6(octets: Array(repeating: 0, count: 15) + [1], port: 80)
        #expect(loopback.description == "[::1]:80")
        #expect(loopback.host == "::1")
        #expect(SocketAddress.unix(path: "/run/x.sock").host == "unix:")
    }

    @Test(
        "IPv6 is printed in the notation of RFC 5952",
        arguments: [
            ([0, 0, 0, 0, 0, 0, 0, 0], "::"),
            ([0, 0, 0, 0, 0, 0, 0, 1], "::1"),
            ([1, 0, 0, 0, 0, 0, 0, 0], "1::"),
            ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], "2001:db8::1"),
            // 4.2.2: one group of zeros is not shortened.
            ([0x2001, 0xdb8, 0, 1, 1, 1, 1, 1], "2001:db8:0:1:1:1:1:1"),
            // 4.2.3: the longest run, and of two equal ones the first.
            ([0x2001, 0, 0, 1, 0, 0, 0, 1], "2001:0:0:1::1"),
            ([0x2001, 0xdb8, 0, 0, 1, 0, 0, 1], "2001:db8::1:0:0:1"),
            ([0, 0, 1, 0, 0, 0, 0, 0], "0:0:1::"),
            // 4.1 and 4.3: no leading zeros, lower case.
            ([0xABCD, 0x0012, 3, 4, 5, 6, 7, 8], "abcd:12:3:4:5:6:7:8"),
            ([1, 2, 3, 4, 5, 6, 0, 0], "1:2:3:4:5:6::"),
        ] as [([UInt16], String)])
    func compression(groups: [UInt16], expected: String) {
        #expect(text(groups) == expected)
    }

    @Test("every printed address parses to itself")
    func roundTrip() throws {
        var generator = Seeded(seed: 6)
        for _ in 0..<500 {
            let groups = (0..<8).map { _ in
                Bool.random(using: &generator) ? 0 : UInt16.random(in: 0...0xffff, using: &generator)
            }
            let octets = groups.flatMap { [UInt8($0 >> 8), UInt8($0 & 0xff)] }
            let address = SocketAddress.ipv6(octets: octets, port: 3000)
            #expect(try AddressParser.listen(address.description) == address)
        }
    }
}
