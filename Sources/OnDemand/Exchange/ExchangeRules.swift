/// What a conversation has to know of the configuration: immutable, shared by all conversations of a listener.
final class ExchangeRules: Sendable {
    let routes: RouteTable
    /// By the index of their `BackendID`.
    let services: [ServiceRules]
    let headLimits: HeadLimits

    init(routes: RouteTable, services: [ServiceRules], headLimits: HeadLimits = HeadLimits()) {
        self.routes = routes
        self.services = services
        self.headLimits = headLimits
    }
}

/// One service, as far as its requests are concerned.
struct ServiceRules: Sendable {
    let name: String
    /// Replaces the matched part of the path; nil leaves it alone.
    let targetPath: String?
    /// For the `Host` of a request that has none.
    let authority: String
    let webSocket: Bool
    let headers: [HeaderTemplate]
    /// Which requests may wake it.
    var wakeOn = WakeRule.any
}
