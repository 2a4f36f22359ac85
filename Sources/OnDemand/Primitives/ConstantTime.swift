/// Comparisons of secrets: how long they take tells nothing about how much of an offered value is right.
enum ConstantTime {
    /// The length of the secret is not hidden; its content is.
    static func areEqual(_ offered: Span<UInt8>, _ secret: Span<UInt8>) -> Bool {
        guard offered.count == secret.count else { return false }
        var difference: UInt8 = 0
        for index in offered.indices { difference |= offered[index] ^ secret[index] }
        return difference == 0
    }
}
