/// A pattern of `streams.public`: `*` stands for any bytes, none included; every other byte for itself.
struct StreamPattern: Equatable, Sendable {
    private let bytes: [UInt8]

    init(_ text: String) { bytes = Array(text.utf8) }

    /// As written.
    var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Takes at most the product of both lengths: behind a `*`, only the last one is ever tried again.
    func matches(_ name: [UInt8]) -> Bool {
        var position = 0
        var place = 0
        var retry: (position: Int, place: Int)?
        while place < name.count {
            if position < bytes.count, bytes[position] == Self.any {
                position += 1
                retry = (position, place)
            } else if position < bytes.count, bytes[position] == name[place] {
                position += 1
                place += 1
            } else if let last = retry {
                position = last.position
                place = last.place + 1
                retry = (position, place)
            } else {
                return false
            }
        }
        return bytes[position...].allSatisfy { $0 == Self.any }
    }

    private static let any = UInt8(ascii: "*")
}
