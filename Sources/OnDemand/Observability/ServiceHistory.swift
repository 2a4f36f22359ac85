/// The last 24 hours of one service, as they are told and kept.
struct ServiceHistory: Equatable, Sendable {
    let name: String
    var states = StateHistory()
    var connections = ConnectionHistory()
}
