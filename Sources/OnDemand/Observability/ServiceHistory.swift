/// The last 24 hours of one service, as served and saved.
struct ServiceHistory: Equatable, Sendable {
    let name: String
    var states = StateHistory()
    var connections = ConnectionHistory()
}
