/// Why a text from a client or a publisher is not usable JSON, and at which byte.
struct JSONScanError: Error, Equatable, Sendable {
    enum Reason: Equatable, Sendable {
        /// The text ends early, or has a byte that the grammar does not allow there.
        case syntax
        case invalidUTF8
        case tooDeep
        /// Valid JSON, but the value is not an object.
        case notAnObject
    }

    let reason: Reason
    let offset: Int

    init(_ reason: Reason, at offset: Int) {
        self.reason = reason
        self.offset = offset
    }
}
