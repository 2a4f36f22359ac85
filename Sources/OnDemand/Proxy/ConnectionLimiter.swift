/// Counts connections of one kind against a limit.
struct ConnectionLimiter: Equatable {
    private(set) var count = 0
    /// The limit was logged, and the count has not dropped by a quarter since.
    private var isLogged = false

    func hasRoom(under limit: Int?) -> Bool { limit.map { count < $0 } ?? true }

    mutating func enter() { count += 1 }

    mutating func leave(under limit: Int?) {
        precondition(count > 0, "more connections ended than began")
        count -= 1
        if let limit, count <= limit - max(1, limit / 4) { isLogged = false }
    }

    /// Returns true once each time the limit is reached, so that a flood of connections does not flood the log.
    mutating func shouldLog() -> Bool {
        defer { isLogged = true }
        return !isLogged
    }
}
