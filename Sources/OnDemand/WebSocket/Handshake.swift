/// How a server proves that it understood a WebSocket upgrade (RFC 6455, 1.3 and 4.2.2).
package enum Handshake {
    private static let suffix = Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)

    /// `Sec-WebSocket-Accept` for a `Sec-WebSocket-Key`, which is taken as it was written, not decoded.
    package static func acceptValue(forKey key: [UInt8]) -> [UInt8] {
        Base64.encode(SHA1.digest(key + suffix))
    }

    package static func acceptValue(forKey key: String) -> String {
        String(decoding: acceptValue(forKey: Array(key.utf8)), as: UTF8.self)
    }

    /// A key is sixteen bytes in base64, so always 22 characters and two signs of padding (4.1, item 7).
    package static func isValidKey(_ key: [UInt8]) -> Bool {
        key.count == 24 && key[22...].allSatisfy { $0 == Base64.padding } && key[..<22].allSatisfy(Base64.isLetter)
    }
}
