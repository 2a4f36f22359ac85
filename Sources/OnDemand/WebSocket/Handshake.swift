/// The accept value of a WebSocket handshake (RFC 6455, 1.3 and 4.2.2).
package enum Handshake {
    private static let suffix = Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)

    /// Returns `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`, which is not decoded.
    package static func acceptValue(forKey key: [UInt8]) -> [UInt8] {
        let digest = digest(ofKey: key.span)
        var value: [UInt8] = []
        Base64.forEachCharacter(of: digest.storage.span.extracting(0..<digest.count)) { value.append($0) }
        return value
    }

    package static func acceptValue(forKey key: String) -> String {
        String(decoding: acceptValue(forKey: Array(key.utf8)), as: UTF8.self)
    }

    /// Returns whether this is the `Sec-WebSocket-Accept` for this key, without allocation.
    static func accepts(_ value: Span<UInt8>, key: Span<UInt8>) -> Bool {
        let digest = digest(ofKey: key)
        guard value.count == Base64.count(of: digest.count) else { return false }
        var (index, difference): (Int, UInt8) = (0, 0)
        Base64.forEachCharacter(of: digest.storage.span.extracting(0..<digest.count)) { character in
            difference |= value[index] ^ character
            index += 1
        }
        return difference == 0
    }

    private static func digest(ofKey key: Span<UInt8>) -> Digest {
        var hash = SHA1()
        hash.append(key)
        let suffix = suffix
        hash.append(suffix.span)
        return hash.finish()
    }

    /// A key is sixteen bytes in base64, so always 22 characters and two signs of padding (4.1, item 7).
    package static func isValidKey(_ key: [UInt8]) -> Bool {
        key.count == 24 && key[22...].allSatisfy { $0 == Base64.padding } && key[..<22].allSatisfy(Base64.isLetter)
    }
}
