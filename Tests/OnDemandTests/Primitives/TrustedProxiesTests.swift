import Testing

@testable import OnDemand

struct TrustedProxiesTests {
    @Test("a network contains the addresses with its bits, and no other")
    func networks() {
        let odd = TrustedProxies(networks: [.init(octets: [10, 1, 128, 0], bits: 17)])
        #expect(odd.includes([10, 1, 128, 0]) && odd.includes([10, 1, 255, 255]))
        #expect(!odd.includes([10, 1, 127, 255]) && !odd.includes([10, 2, 128, 0]))
        #expect(!odd.includes(Array(repeating: 10, count: 16)))
        let all = TrustedProxies(networks: [.init(octets: [0, 0, 0, 0], bits: 0)])
        #expect(all.includes([255, 1, 2, 3]) && !all.includes(Array(repeating: 1, count: 16)))
        #expect(!TrustedProxies().includes([127, 0, 0, 1]))
    }

    @Test("an IPv4-mapped address is the same host")
    func mapped() {
        let loopback = TrustedProxies(networks: TrustedProxies.loopback)
        #expect(loopback.includes(Array(repeating: 0, count: 10) + [0xff, 0xff, 127, 0, 0, 1]))
        #expect(loopback.includes(Array(repeating: 0, count: 15) + [1]))
        #expect(!loopback.includes(Array(repeating: 0, count: 16)))
        let network = TrustedProxies.Network(
            octets: Array(repeating: 0, count: 10) + [0xff, 0xff, 10, 0, 0, 0], bits: 104)
        #expect(TrustedProxies(networks: [network]).includes([10, 1, 2, 3]))
        #expect(!TrustedProxies(networks: [network]).includes([11, 1, 2, 3]))
        let all = TrustedProxies(networks: [.init(octets: Array(repeating: 0, count: 16), bits: 0)])
        #expect(!all.includes([10, 1, 2, 3]) && all.includes(Array(repeating: 7, count: 16)))
    }

    @Test("Unix sockets are trusted only if configured")
    func unixSockets() {
        #expect(TrustedProxies(includesUnixSockets: true).includes(.unix(path: "")))
        #expect(!TrustedProxies(networks: TrustedProxies.private).includes(.unix(path: "")))
    }
}
