/// The streams that a client may name without a signature (`streams.public`).
enum PublicStreams: Equatable, Sendable {
    case none
    case all
    case matching([StreamPattern])

    /// Reserved names are never public, whatever the patterns say.
    func allow(_ name: [UInt8]) -> Bool {
        guard StreamName.isValid(name), !StreamName.isReserved(name) else { return false }
        return switch self {
        case .none: false
        case .all: true
        case .matching(let patterns): patterns.contains { $0.matches(name) }
        }
    }
}
