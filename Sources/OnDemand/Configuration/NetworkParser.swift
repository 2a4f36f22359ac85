/// Parses trusted networks: `loopback`, `private`, `10.0.0.0/8`, `2001:db8::/32`, a single address.
enum NetworkParser {
    static func parse(_ text: String) throws(ValueProblem) -> TrustedProxies {
        switch text {
        case "loopback": return TrustedProxies(networks: TrustedProxies.loopback, includesUnixSockets: true)
        case "private": return TrustedProxies(networks: TrustedProxies.private)
        default: return TrustedProxies(networks: [try network(text)])
        }
    }

    private static func network(_ text: String) throws(ValueProblem) -> TrustedProxies.Network {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let octets = IPAddressText.ipv4(parts[0]) ?? IPAddressText.ipv6(parts[0]) else {
            throw ValueProblem("is not a network; write \"loopback\", \"private\", or one such as \"10.0.0.0/8\"")
        }
        let longest = octets.count * 8
        guard parts.count == 2 else { return TrustedProxies.Network(octets: octets, bits: longest) }
        guard parts[1].utf8.count <= 3, let bits = Int(parts[1]), (0...longest).contains(bits), parts[1].first != "+"
        else { throw ValueProblem("has no number from 0 to \(longest) behind its slash") }
        let network = TrustedProxies.Network(octets: octets, bits: bits)
        // Reject `10.0.0.1/8`: it may mean either the network or the address.
        guard octets == masked(octets, to: bits) else {
            throw ValueProblem("has bits set behind the first \(bits); the network's own address has none")
        }
        return network
    }

    private static func masked(_ octets: [UInt8], to bits: Int) -> [UInt8] {
        octets.enumerated().map { index, octet in
            let kept = min(8, max(0, bits - index * 8))
            return kept == 0 ? 0 : octet & (0xff << UInt8(8 - kept))
        }
    }
}
