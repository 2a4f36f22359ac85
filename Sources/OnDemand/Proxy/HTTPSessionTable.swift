/// The connections that speak HTTP, by the index of their slot; one value, so that a look-up is one access.
struct HTTPSessionTable {
    /// nil: a tunnel, or a vacant slot.
    private var sessions: [HTTPSession?] = []

    subscript(index: Int) -> HTTPSession? { sessions.indices.contains(index) ? sessions[index] : nil }

    mutating func insert(_ session: HTTPSession) {
        while sessions.count <= session.token.index { sessions.append(nil) }
        sessions[session.token.index] = session
    }

    mutating func remove(_ session: HTTPSession) { sessions[session.token.index] = nil }

    /// The slots of all sessions in ascending order.
    var indices: [Int] { sessions.indices.filter { sessions[$0] != nil } }

    /// All sessions in the order of their slots.
    var all: some Sequence<HTTPSession> { sessions.lazy.compactMap { $0 } }

    /// Frees the memory of many slots, after the last session.
    mutating func trim() {
        precondition(sessions.allSatisfy { $0 == nil }, "a session was forgotten")
        sessions = []
    }
}
