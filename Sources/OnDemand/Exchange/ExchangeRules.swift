/// What a conversation has to know of the configuration: immutable, shared by all conversations of a listener.
final class ExchangeRules: Sendable {
    let routes: RouteTable
    /// By the index of their `BackendID`.
    let services: [ServiceRules]
    let limits: PeerLimits
    /// Whose word about a client is taken.
    let trustedProxies: TrustedProxies
    /// Whether backends are told that the request came through here (RFC 9110, 7.6.3).
    let addsVia: Bool
    /// Clients come through a proxy that announces them, each connection with a header of its own.
    let expectsProxyHeader: Bool
    /// They are not clients of a service but ask about the daemon, also while it leaves.
    let isAboutDaemon: Bool
    /// Who may ask about the daemon.
    let statusGuard: StatusAccessControl
    /// By the index of their `CableID`.
    let cables: [CableAccess]

    init(
        routes: RouteTable, services: [ServiceRules], limits: PeerLimits = PeerLimits(),
        trustedProxies: TrustedProxies = TrustedProxies(), addsVia: Bool = false, expectsProxyHeader: Bool = false,
        isAboutDaemon: Bool = false, statusGuard: StatusAccessControl = StatusAccessControl(),
        cables: [CableAccess] = []
    ) {
        self.routes = routes
        self.services = services
        self.limits = limits
        self.trustedProxies = trustedProxies
        self.addsVia = addsVia
        self.expectsProxyHeader = expectsProxyHeader
        self.isAboutDaemon = isAboutDaemon
        self.statusGuard = statusGuard
        self.cables = cables
    }

    var headLimits: HeadLimits {
        HeadLimits(
            maximumHeaderBytes: limits.maximumHeaderBytes, maximumFields: limits.maximumHeaderFields,
            maximumURIBytes: limits.maximumURIBytes)
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
    var limits = ServiceLimits()
    /// The pages that may open a WebSocket here.
    var origins: [OriginRule] = [.any]

    /// For a number that no service has.
    static let unknown = ServiceRules(name: "", targetPath: nil, authority: "", webSocket: false, headers: [])
}
