/// The conditions under which requests reach a command: shared by all connections of a listener.
struct CommandAccess: Sendable {
    /// A command of its own, and one of its runs.
    enum Place { case command, run }

    /// nil: no command has this number.
    let key: BearerToken?

    /// For a number that no command has.
    static let unknown = CommandAccess(key: nil)

    /// The response to a request that is not allowed; nil for one that is. The body has not been read yet. The key
    /// comes first: without it no response says anything about a run.
    func denial(of place: Place, _ head: RequestHead, in bytes: Span<UInt8>) -> LocalReply? {
        let values = head.values(of: .authorization).map { [UInt8](copying: bytes.extracting($0.indices)) }
        guard let key, key.matches(values) else {
            var denial = LocalReply(
                status: 401, body: "Missing or invalid bearer token.",
                fields: [.init(name: "WWW-Authenticate", value: "Bearer")])
            denial.isWrongSecret = !values.isEmpty
            return denial
        }
        let methods = place.methods
        guard !methods.contains(where: { bytes.isExactly($0, in: head.method) }) else { return nil }
        return LocalReply(
            status: 405, body: "Method not allowed; use \(place.words).",
            fields: [.init(name: "Allow", value: place.allowed)])
    }
}

extension CommandAccess.Place {
    fileprivate var methods: [String] {
        switch self {
        case .command: ["POST"]
        case .run: ["GET", "HEAD", "DELETE"]
        }
    }

    fileprivate var words: String {
        switch self {
        case .command: "POST"
        case .run: "GET or DELETE"
        }
    }

    fileprivate var allowed: String {
        switch self {
        case .command: "POST"
        case .run: "GET, HEAD, DELETE"
        }
    }
}
