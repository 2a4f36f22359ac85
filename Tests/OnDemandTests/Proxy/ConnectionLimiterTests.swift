import Testing

@testable import OnDemand

struct ConnectionLimiterTests {
    @Test("a connection is allowed below the limit, and always without one")
    func room() {
        var limiter = ConnectionLimiter()
        #expect(limiter.hasRoom(under: 1) && limiter.hasRoom(under: nil))
        limiter.enter()
        #expect(!limiter.hasRoom(under: 1) && limiter.hasRoom(under: nil))
        limiter.leave(under: 1)
        #expect(limiter.hasRoom(under: 1))
    }

    @Test("a full limiter is reported once, until its count has dropped clearly")
    func summary() {
        var limiter = ConnectionLimiter()
        for _ in 0..<8 { limiter.enter() }
        let (first, second) = (limiter.shouldLog(), limiter.shouldLog())
        #expect(first && !second)
        limiter.leave(under: 8)
        let afterOne = limiter.shouldLog()
        limiter.leave(under: 8)
        let afterTwo = limiter.shouldLog()
        #expect(!afterOne && afterTwo)
    }

    @Test("an IPv4 address is one client in any notation, and so are the 64 bits of an IPv6 prefix")
    func clientPrefixes() {
        let plain = SocketAddress.ipv4(octets: [192, 0, 2, 1], port: 1)
        let dressed = SocketAddress.ipv6(octets: Array(repeating: 0, count: 10) + [0xff, 0xff, 192, 0, 2, 1], port: 2)
        #expect(ClientPrefix(plain) == ClientPrefix(dressed))
        #expect(ClientPrefix(plain) != ClientPrefix(.ipv4(octets: [192, 0, 2, 2], port: 1)))
        let clientPrefix: [UInt8] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 1]
        let one = ClientPrefix(.ipv6(octets: clientPrefix + Array(repeating: 1, count: 8), port: 1))
        #expect(one == ClientPrefix(.ipv6(octets: clientPrefix + Array(repeating: 2, count: 8), port: 1)))
        #expect(
            one
                != ClientPrefix(
                    .ipv6(octets: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 2] + Array(repeating: 1, count: 8), port: 1)))
        #expect(ClientPrefix(.unix(path: "")) == nil)
    }
}
