/// Which requests may wake a sleeping backend. Other requests may join a running start or use an awake backend;
/// otherwise they are rejected with Retry-After.
struct WakeRule: Equatable, Sendable {
    enum Condition: Equatable, Sendable {
        /// A WebSocket handshake.
        case upgrade
        /// A header of this name with any value.
        case header(String)
        case path(PathPattern)
    }

    /// One matching condition is enough; nil lets every request wake it.
    let conditions: [Condition]?

    static let any = WakeRule(conditions: nil)
}

extension WakeRule {
    /// Returns whether the request may wake the backend. `path` is the raw path without query.
    func allows(path: Span<UInt8>, isUpgrade: Bool, hasHeader: (String) -> Bool) -> Bool {
        guard let conditions else { return true }
        for condition in conditions {
            switch condition {
            case .upgrade: if isUpgrade { return true }
            case .header(let name): if hasHeader(name) { return true }
            case .path(let pattern): if pattern.matches(path) { return true }
            }
        }
        return false
    }
}
