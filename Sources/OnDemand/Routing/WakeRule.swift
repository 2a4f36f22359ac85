/// Which requests may wake a backend that sleeps. The others join a start that is under way and use what is awake;
/// otherwise they are told to come back.
struct WakeRule: Equatable, Sendable {
    enum Condition: Equatable, Sendable {
        /// A WebSocket handshake.
        case upgrade
        /// A header of this name, whatever it says.
        case header(String)
        case path(PathPattern)
    }

    /// One that fits is enough; nil lets every request wake it.
    let conditions: [Condition]?

    static let any = WakeRule(conditions: nil)
}

extension WakeRule {
    /// `path` is the raw path of the request target, without its query.
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
