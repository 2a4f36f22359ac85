/// The last 24 hours of one service, as they are told and kept.
struct ServiceDay: Equatable, Sendable {
    let name: String
    var states = StateDay()
    var connections = ConnectionDay()
}
