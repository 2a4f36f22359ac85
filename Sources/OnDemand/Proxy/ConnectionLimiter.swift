/// How many connections there are of a kind, and whether one more may come.
struct ConnectionLimiter: Equatable {
    private(set) var count = 0
    /// The operator was told that it is full, and it has not been much emptier since.
    private var isTold = false

    func hasRoom(under limit: Int?) -> Bool { limit.map { count < $0 } ?? true }

    mutating func enter() { count += 1 }

    mutating func leave(under limit: Int?) {
        precondition(count > 0, "more left than had come")
        count -= 1
        if let limit, count <= limit - max(1, limit / 4) { isTold = false }
    }

    /// True once each time it gets full: a flood must not flood the log as well.
    mutating func isNews() -> Bool {
        defer { isTold = true }
        return !isTold
    }
}
