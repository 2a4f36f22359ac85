/// Keyed digests (RFC 2104). The key is taken in once, so that each digest costs as little as its message.
package struct HMAC<Core: HashCore>: Sendable {
    /// After the key, exclusive-ored with 0x36 and with 0x5c.
    private let inner: Hash<Core>
    private let outer: Hash<Core>

    package init(key: [UInt8]) {
        let digest = Hash<Core>.digest(key)
        let short = key.count > Core.blockBytes ? digest.bytes : key
        let padded = short + [UInt8](repeating: 0, count: Core.blockBytes - short.count)
        inner = Self.hash(after: padded.map { $0 ^ 0x36 })
        outer = Self.hash(after: padded.map { $0 ^ 0x5c })
    }

    package func digest(of message: [UInt8]) -> Digest { digest(of: message.span) }

    package func digest(of message: Span<UInt8>) -> Digest {
        var hash = inner
        hash.append(message)
        return finish(hash)
    }

    /// Of a digest, for iterations.
    func digest(of message: Digest) -> Digest { digest(of: message.storage.span.extracting(0..<message.count)) }

    private func finish(_ inner: consuming Hash<Core>) -> Digest {
        let digest = inner.finish()
        var hash = outer
        hash.append(digest.storage.span.extracting(0..<digest.count))
        return hash.finish()
    }

    private static func hash(after block: [UInt8]) -> Hash<Core> {
        var hash = Hash<Core>()
        hash.append(block.span)
        return hash
    }
}
