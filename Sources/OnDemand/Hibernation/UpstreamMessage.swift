/// A message of an Action Cable server, as far as the daemon has to know it (Action Cable's `actioncable-v1-json`).
///
/// Servers write the members in any order and escape more than they have to, so everything is compared by value.
enum UpstreamMessage: Equatable {
    /// `isPlain`: it has no member besides its type, so a second connection is like the first one.
    case welcome(isPlain: Bool)
    case ping
    /// The identifier as the server wrote it: a JSON string inside the text.
    case confirmation(JSONSlice)
    case rejection(JSONSlice)
    case disconnect(DisconnectReason)
    /// A message of a channel, or one that the daemon does not know: for the client, unchanged.
    case data

    /// Reasons that are handled differently.
    enum DisconnectReason: Equatable { case unauthorized, serverRestart, remote, other }

    private static let keys = JSONKeys<5>(["type", "identifier", "reason", "sid", "extensions"])
    private static let types: [(name: [UInt8], kind: Kind)] = [
        (Array("ping".utf8), .ping), (Array("confirm_subscription".utf8), .confirmation),
        (Array("reject_subscription".utf8), .rejection), (Array("welcome".utf8), .welcome),
        (Array("disconnect".utf8), .disconnect),
    ]
    private static let reasons: [(name: [UInt8], reason: DisconnectReason)] = [
        (Array("unauthorized".utf8), .unauthorized), (Array("server_restart".utf8), .serverRestart),
        (Array("remote".utf8), .remote),
    ]

    private enum Kind { case ping, confirmation, rejection, welcome, disconnect }

    static func read(_ text: Span<UInt8>) -> UpstreamMessage {
        guard let values = try? keys.values(of: text), let type = values[0] else { return .data }
        switch types.first(where: { type.isString($0.name, in: text) })?.kind {
        case .ping: return .ping
        case .confirmation: return values[1].map { .confirmation($0) } ?? .data
        case .rejection: return values[1].map { .rejection($0) } ?? .data
        case .welcome: return .welcome(isPlain: values[3] == nil && values[4] == nil)
        case .disconnect:
            guard let word = values[2] else { return .disconnect(.other) }
            return .disconnect(reasons.first { word.isString($0.name, in: text) }?.reason ?? .other)
        case nil: return .data
        }
    }
}
