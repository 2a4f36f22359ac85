/// The ways bytes can arrive: whole, split once at any position, one by one. A result must not depend on it.
enum Splits {
    static func all(of bytes: [UInt8]) -> [[[UInt8]]] {
        let cuts = bytes.indices.dropFirst().map { [Array(bytes[..<$0]), Array(bytes[$0...])] }
        return [[bytes]] + cuts + [bytes.map { [$0] }]
    }
}
