/// What the parts of the daemon need of a configuration: the rules of listeners, and times.
extension Configuration {
    /// Rules of the client listeners.
    func exchangeRules(
        for backendIDs: [BackendID], expectsProxyHeader: Bool, _ cableRoutes: [Route] = [],
        _ cables: [CableAccess] = [],
        _ commands: [CommandAccess] = []
    ) -> ExchangeRules {
        // No route leads to an unused ID.
        let count = (backendIDs.map(\.index).max() ?? -1) + 1
        var rules = Array(repeating: ServiceRules.unknown, count: count)
        for (service, id) in zip(services, backendIDs) {
            rules[id.index] = ServiceRules(
                name: service.name, targetPath: service.target.path, authority: service.target.authority,
                webSocket: service.websocket, headers: service.headers, wakeOn: service.wakeOn,
                limits: service.limits, origins: service.origins)
        }
        return ExchangeRules(
            routes: RouteTable(routes(to: backendIDs) + cableRoutes), services: rules, limits: limits,
            trustedProxies: trustedProxies,
            addsVia: via, expectsProxyHeader: expectsProxyHeader, cables: cables, commands: commands)
    }

    /// Rules of the status listener. Its routes belong to no service and wake nothing.
    func statusRules(_ broadcastRoutes: [Route], _ cables: [CableAccess]) -> ExchangeRules {
        let resources: [(StaticString, StatusResource)] = [
            ("/", .page), ("/api/status", .snapshot), ("/events", .events), ("/metrics", .metrics),
            ("/api/history", .history), ("/api/services/*", .service), ("/api/cables/*", .service),
            ("/healthz", .health), ("/readyz", .readiness),
        ]
        let routes = resources.map { path, resource in
            Route(pattern: .fixed(path), destination: .local(.status(resource)))
        }
        return ExchangeRules(
            routes: RouteTable(routes + broadcastRoutes), services: [], limits: limits, isAboutDaemon: true,
            statusGuard: statusGuard, cables: cables)
    }

    var statusGuard: StatusAccessControl {
        var statusGuard = StatusAccessControl(token: status?.token, names: status?.names ?? [])
        if case .unix? = status?.listen { statusGuard.isUnixSocket = true }
        return statusGuard
    }

    /// Upper bound for stopping all backends: the longest stop plan of a service, plus the plans of those that stop
    /// after their dependents.
    var longestStop: Duration {
        let policies = services.map(\.policy) + processes.map(\.policy)
        let required = Set(policies.flatMap(\.requires))
        let inTurn = services.filter { required.contains($0.name) }.map(\.policy) + processes.map(\.policy)
        return inTurn.reduce(services.map(\.policy.stopPlan.length).max() ?? .zero) { $0 + $1.stopPlan.length }
    }
}

extension Configuration.Service {
    /// An unmanaged service is never stopped, so no client data has to keep it awake.
    var idleWhen: IdleWhen { launch == nil ? .noConnections : policy.idleWhen }
}
