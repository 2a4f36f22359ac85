/// The connections that speak HTTP, by the index of their slot.
///
/// Invariant: a session is in the table from its accept until its connection ends or becomes a tunnel or a session of a
/// cable.
final class HTTPSessionTable {
    /// nil: a tunnel, or a vacant slot.
    private var sessions: [HTTPSession?] = []

    subscript(index: Int) -> HTTPSession? { sessions.indices.contains(index) ? sessions[index] : nil }

    /// nil: the session has ended.
    func named(_ token: Token) -> HTTPSession? {
        guard let session = self[token.index], session.token == token else { return nil }
        return session
    }

    func insert(_ session: HTTPSession) {
        while sessions.count <= session.token.index { sessions.append(nil) }
        sessions[session.token.index] = session
    }

    func remove(_ session: HTTPSession) { sessions[session.token.index] = nil }

    /// The slots of all sessions in ascending order.
    var indices: [Int] { sessions.indices.filter { sessions[$0] != nil } }

    /// All sessions in the order of their slots.
    var all: some Sequence<HTTPSession> { sessions.lazy.compactMap { $0 } }

    /// Frees the memory of many slots, after the last session.
    func trim() {
        precondition(sessions.allSatisfy { $0 == nil }, "a session was forgotten")
        sessions = []
    }
}
