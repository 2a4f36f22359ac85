/// The part of the configuration that an exchange needs: immutable, shared by all exchanges of a listener.
final class ExchangeRules: Sendable {
    let routes: RouteTable
    /// Indexed by `BackendID.index`.
    let services: [ServiceRules]
    let limits: PeerLimits
    /// The peers whose forwarding headers are trusted.
    let trustedProxies: TrustedProxies
    /// Whether forwarded requests get a `Via` field (RFC 9110, 7.6.3).
    let addsVia: Bool
    /// Whether each connection begins with a PROXY header that names the client.
    let expectsProxyHeader: Bool
    /// Whether the listener serves the daemon's status; it stays open during the shutdown.
    let isAboutDaemon: Bool
    /// Access control of the status listener.
    let statusGuard: StatusAccessControl
    /// By the index of their `CableID`.
    let cables: [CableAccess]
    /// By the index of their `CommandID`.
    let commands: [CommandAccess]

    init(
        routes: RouteTable, services: [ServiceRules], limits: PeerLimits = PeerLimits(),
        trustedProxies: TrustedProxies = TrustedProxies(), addsVia: Bool = false, expectsProxyHeader: Bool = false,
        isAboutDaemon: Bool = false, statusGuard: StatusAccessControl = StatusAccessControl(),
        cables: [CableAccess] = [], commands: [CommandAccess] = []
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
        self.commands = commands
    }

    var headLimits: HeadLimits {
        HeadLimits(
            maximumHeaderBytes: limits.maximumHeaderBytes, maximumFields: limits.maximumHeaderFields,
            maximumURIBytes: limits.maximumURIBytes)
    }
}

/// The settings that requests for one service need.
struct ServiceRules: Sendable {
    let name: String
    /// Replaces the matched part of the path; nil keeps the path.
    let targetPath: String?
    /// The `Host` for a request without one.
    let authority: String
    let webSocket: Bool
    let headers: [HeaderTemplate]
    /// Which requests may wake the backend.
    var wakeOn = WakeRule.any
    var limits = ServiceLimits()
    /// The Origins that may open a WebSocket.
    var origins: [OriginRule] = [.any]

    /// Settings for an index without a service.
    static let unknown = ServiceRules(name: "", targetPath: nil, authority: "", webSocket: false, headers: [])
}
