/// Builds the snapshot that the page, the API, metrics and `ondemandd status` show, from what each driver knows.
final class SnapshotBuilder<K: Kernel> {
    private let proxy: Proxy<K>
    private let supervisor: Supervisor<K>
    private let cableServer: CableServer<K>
    private let began: Instant

    init(proxy: Proxy<K>, supervisor: Supervisor<K>, cableServer: CableServer<K>, began: Instant) {
        (self.proxy, self.supervisor, self.cableServer, self.began) = (proxy, supervisor, cableServer, began)
    }

    func snapshot(
        of running: RunningConfiguration, reloads: Snapshot.Reloads, isShuttingDown: Bool
    ) -> Snapshot {
        let uptime = proxy.kernel.now() - began
        proxy.workers.mergeTraffic(into: proxy.relay)
        return Snapshot(
            version: Version.text, uptime: uptime, residentBytes: proxy.kernel.residentBytes(of: nil),
            listening: proxy.listeners.clientAddresses.map(\.description),
            services: services(of: running, uptime) + processes(of: running, uptime), cables: cables(of: running),
            commands: commands(of: running.configuration),
            isShuttingDown: isShuttingDown, operationsEnabled: running.configuration.status?.token != nil,
            reloads: reloads, rejected: proxy.listeners.rejectedTotal,
            localReplies: proxy.log.localReplies.map { .init(name: "\($0.status)", count: $0.count) })
    }

    private func services(of running: RunningConfiguration, _ uptime: Duration) -> [Snapshot.Service] {
        let openTunnels = proxy.openTunnels()
        return running.services.map { service, id in
            var description = Snapshot.Service(
                name: service.name, state: service.enabled ? .unmanaged : .disabled, stateAge: uptime,
                paths: service.paths.map(\.text), webSocket: service.websocket, requires: service.policy.requires)
            proxy.services.describe(id, in: &description)
            description.traffic = proxy.relay.traffic(of: id)
            description.openTunnels = openTunnels[id.index]
            supervisor.describe(id, in: &description)
            return description
        }
    }

    private func processes(of running: RunningConfiguration, _ uptime: Duration) -> [Snapshot.Service] {
        running.processes.map { process, id in
            var description = Snapshot.Service(
                name: process.name, kind: .process, state: .disabled, stateAge: uptime,
                requires: process.policy.requires)
            supervisor.describe(id, in: &description)
            return description
        }
    }

    private func cables(of running: RunningConfiguration) -> [Snapshot.Cable] {
        running.configuration.cables.compactMap { cable in
            guard let id = cableServer.cables.id(named: cable.name) else { return nil }
            var description = Snapshot.Cable(name: cable.name, isEnabled: cable.enabled, paths: cable.paths.map(\.text))
            if cable.actionCable { description.protocols.append("action_cable") }
            if cable.turboCable { description.protocols.append("turbo_cable") }
            cableServer.cables.describe(id, in: &description)
            if let backend = running.backend(of: cable), let slept = description.backend?.sleptConnected {
                description.backend?.name = backend.service.name
                let resident = supervisor.residentBytes(of: backend.id)
                description.backend?.savedByteSeconds = resident.map {
                    Double($0) * Double(slept.wholeMilliseconds) / 1000
                }
            }
            return description
        }
    }

    private func commands(of configuration: Configuration) -> [Snapshot.Command] {
        configuration.commands.compactMap { command in
            supervisor.runner.commands.id(named: command.name).flatMap {
                supervisor.runner.describe($0, path: command.path.text)
            }
        }
    }
}
