/// Comparison of secrets in constant time.
enum ConstantTime {
    /// Compares all bytes. The time reveals the length of the secret, not its content.
    static func areEqual(_ offered: Span<UInt8>, _ secret: Span<UInt8>) -> Bool {
        guard offered.count == secret.count else { return false }
        var difference: UInt8 = 0
        for index in offered.indices { difference |= offered[index] ^ secret[index] }
        return difference == 0
    }
}
