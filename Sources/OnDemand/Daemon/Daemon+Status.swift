/// The snapshot that the page, the API, metrics and `ondemandd status` show.
extension Daemon {
    func snapshot() -> Snapshot {
        proxy.mergeTraffic()
        let openTunnels = proxy.openTunnels()
        let services = zip(configuration.services, backendIDs).map { service, id in
            var description = Snapshot.Service(
                name: service.name, state: service.enabled ? .unmanaged : .disabled, stateAge: kernel.now() - began,
                paths: service.paths.map(\.text), webSocket: service.websocket, requires: service.policy.requires)
            proxy.describe(id, in: &description)
            description.openTunnels = openTunnels[id.index]
            supervisor.describe(id, in: &description)
            return description
        }
        let processes = zip(configuration.processes, processBackendIDs).map { process, id in
            var description = Snapshot.Service(
                name: process.name, kind: .process, state: .disabled, stateAge: kernel.now() - began,
                requires: process.policy.requires)
            supervisor.describe(id, in: &description)
            return description
        }
        return Snapshot(
            version: Version.text, uptime: kernel.now() - began, residentBytes: kernel.residentBytes(of: nil),
            listening: proxy.clientAddresses.map(\.description), services: services + processes, cables: cableSnapshots,
            commands: commandSnapshots,
            isShuttingDown: !isRunning, commandsEnabled: configuration.status?.token != nil, reloads: reloads,
            rejected: proxy.rejectedTotal,
            localReplies: proxy.localReplies.map { .init(name: "\($0.status)", count: $0.count) })
    }
}
