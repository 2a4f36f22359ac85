/// The connections that speak HTTP, by the index of their slot.
///
/// Invariant: a session is in the table from its accept until its connection ends or becomes a tunnel or a cable
/// session.
final class HTTPSessionTable {
    private var slots = Slots()

    /// One value, so that a look-up is one access.
    private struct Slots {
        /// nil: a tunnel, or a vacant slot.
        var sessions: [HTTPSession?] = []

        subscript(index: Int) -> HTTPSession? { sessions.indices.contains(index) ? sessions[index] : nil }

        mutating func insert(_ session: HTTPSession) {
            while sessions.count <= session.token.index { sessions.append(nil) }
            sessions[session.token.index] = session
        }
    }

    subscript(index: Int) -> HTTPSession? { slots[index] }

    /// nil: the session has ended.
    func named(_ token: Token) -> HTTPSession? {
        guard let session = slots[token.index], session.token == token else { return nil }
        return session
    }

    func insert(_ session: HTTPSession) { slots.insert(session) }

    func remove(_ session: HTTPSession) { slots.sessions[session.token.index] = nil }

    /// The slots of all sessions in ascending order.
    var indices: [Int] {
        let sessions = slots.sessions
        return sessions.indices.filter { sessions[$0] != nil }
    }

    /// All sessions in the order of their slots.
    var all: some Sequence<HTTPSession> { slots.sessions.lazy.compactMap { $0 } }

    /// Frees the memory of many slots, after the last session.
    func trim() {
        precondition(slots.sessions.allSatisfy { $0 == nil }, "a session was forgotten")
        slots.sessions = []
    }
}
