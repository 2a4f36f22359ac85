/// Brings the cable server, the command runner and the listeners to a configuration: cables and commands, the routes to
/// them and to services, and the names that operators use.
final class EndpointRules<K: Kernel> {
    private let proxy: Proxy<K>
    private let supervisor: Supervisor<K>
    private let cableServer: CableServer<K>

    private var runner: CommandRunner<K> { supervisor.runner }

    init(proxy: Proxy<K>, supervisor: Supervisor<K>, cableServer: CableServer<K>) {
        (self.proxy, self.supervisor, self.cableServer) = (proxy, supervisor, cableServer)
    }

    // MARK: Cables and commands

    /// Cables and commands of the same name keep their clients and runs; removed and disabled cables disconnect their
    /// clients within `close_jitter`.
    func updateEndpoints(of running: RunningConfiguration, from old: Configuration) {
        let configuration = running.configuration
        endBroadcastRules(of: old, in: configuration)
        cableServer.cables.closeJitter = configuration.closeJitter
        drainMoved(from: old, to: configuration)
        var keys = DerivedStreamKeys()
        for cable in configuration.cables {
            guard let id = cableServer.cables.id(named: cable.name) else {
                cableServer.cables.add(definition(of: cable, running, &keys), isUnused: proxy.cables.isUnused)
                continue
            }
            // Deriving keys takes a millisecond, so an unchanged cable is left alone.
            if !old.cables.contains(cable) { cableServer.cables.update(id, definition(of: cable, running, &keys)) }
            cableServer.cables.update(id, running.backendSettings(of: cable))
            if !cable.enabled { drain(id, by: configuration, isRemoval: false) }
        }
        updateCommands(of: configuration)
    }

    /// Clients of a cable with another Redis server reconnect, because messages may have been missed.
    private func drainMoved(from old: Configuration, to configuration: Configuration) {
        let redis = Dictionary(uniqueKeysWithValues: configuration.cables.map { ($0.name, $0.redis) })
        for cable in old.cables where redis[cable.name] != .some(cable.redis) {
            if let id = cableServer.cables.id(named: cable.name) {
                drain(id, by: configuration, isRemoval: true)
            }
        }
    }

    private func drain(_ id: CableID, by configuration: Configuration, isRemoval: Bool) {
        cableServer.cables.drain(
            id, over: configuration.closeJitter, waitingFor: configuration.drainTimeout, isRemoval: isRemoval)
    }

    private func definition(
        of cable: Configuration.Cable, _ running: RunningConfiguration, _ keys: inout DerivedStreamKeys
    ) -> CableDriver<K>.Definition {
        .init(
            name: cable.name, rules: cable.rules(&keys), pingInterval: cable.pingInterval,
            hasActionCable: cable.actionCable,
            redis: cable.redis.map { ($0.url, $0.channelPrefix.map { Array($0.utf8) }) },
            backend: running.backendSettings(of: cable))
    }

    /// Runs in progress are left alone.
    private func updateCommands(of configuration: Configuration) {
        runner.environment = configuration.environment
        runner.update(configuration.commands.map(\.definition), isUnused: proxy.endpoints.isUnused)
        var verifiers: [String: StreamNameVerifier] = [:]
        for (cable, id) in servedCables(of: configuration) { verifiers[cable.name] = cableServer.verifier(of: id) }
        runner.signedName = { [verifiers] stream, cable in
            verifiers[cable]?.sign(stream).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    private func servedCables(
        of configuration: Configuration
    ) -> [(cable: Configuration.Cable, id: CableID)] {
        configuration.cables.compactMap { cable in cableServer.cables.id(named: cable.name).map { (cable, $0) } }
    }

    private func servedCommands(
        of configuration: Configuration
    ) -> [(command: Configuration.Command, id: CommandID)] {
        configuration.commands.compactMap { command in runner.commands.id(named: command.name).map { (command, $0) } }
    }

    // MARK: Rules

    /// Applies the configuration to all listeners.
    func updateRules(of running: RunningConfiguration) {
        let configuration = running.configuration
        let cables = servedCables(of: configuration)
        let access = access(to: cables, running)
        let commands = servedCommands(of: configuration)
        for (purpose, expectsProxyHeader) in [(ListenerSpec.Purpose.clients, false), (.proxyProtocol, true)] {
            let rules = configuration.exchangeRules(
                for: running.backendIDs, expectsProxyHeader: expectsProxyHeader, routes(to: cables, commands), access,
                self.access(to: commands))
            proxy.update(rules, for: purpose)
        }
        updateOperatorRules(cables, access, configuration)
        proxy.endpoints.update(names(of: configuration))
    }

    /// Rules of the control socket, of the status listener and of the broadcast listeners.
    private func updateOperatorRules(
        _ cables: [(cable: Configuration.Cable, id: CableID)], _ access: [CableAccess], _ configuration: Configuration
    ) {
        let control = Route(pattern: .fixed("/*"), destination: .local(.control))
        proxy.update(
            ExchangeRules(
                routes: RouteTable(broadcastRoutes(to: cables, below: .control) + [control]), services: [],
                cables: access.map { $0.published(by: .all) }),
            for: .control)
        let operators = CableAccess.Publishers.operators(configuration.statusGuard)
        proxy.update(
            configuration.statusRules(
                broadcastRoutes(to: cables, below: .status), access.map { $0.published(by: operators) }),
            for: .status)
        for (cable, id) in cables where cable.broadcast?.listen != nil {
            let route = Route(pattern: .fixed("/*"), destination: .local(.broadcast(id)))
            proxy.update(
                ExchangeRules(
                    routes: RouteTable([route]), services: [], limits: configuration.limits,
                    trustedProxies: configuration.trustedProxies, cables: access),
                for: .broadcast(cable: cable.name))
        }
    }

    /// Connections to a broadcast listener outlive it. Their next requests lead nowhere.
    private func endBroadcastRules(of old: Configuration, in configuration: Configuration) {
        for cable in old.cables where cable.broadcast?.listen != nil {
            let namesake = configuration.cables.first { $0.name == cable.name }
            guard namesake?.broadcast?.listen == nil else { continue }
            proxy.update(
                ExchangeRules(routes: RouteTable([]), services: [], limits: configuration.limits),
                for: .broadcast(cable: cable.name))
        }
    }

    private func routes(
        to cables: [(cable: Configuration.Cable, id: CableID)],
        _ commands: [(command: Configuration.Command, id: CommandID)]
    ) -> [Route] {
        let ofCables = cables.flatMap { cable, id in
            cable.paths.map { Route(pattern: $0, destination: .local(.cable(id))) }
                + (cable.broadcast?.path.map { [Route(pattern: $0, destination: .local(.broadcast(id)))] } ?? [])
        }
        let ofCommands = commands.flatMap { command, id in
            [
                Route(pattern: command.path, destination: .local(.command(id))),
                Route(pattern: command.runPath, destination: .local(.run(id))),
            ]
        }
        return ofCables + ofCommands
    }

    /// Where operators broadcast, by the name of the cable.
    private func broadcastRoutes(
        to cables: [(cable: Configuration.Cable, id: CableID)], below place: ControlRequest.Place
    ) -> [Route] {
        cables.compactMap { cable, id in
            (try? PathPattern(parsing: "/\(place.rawValue)/cables/\(cable.name)/broadcast"))
                .map { Route(pattern: $0, destination: .local(.broadcast(id))) }
        }
    }

    // MARK: Access

    /// By the index of their `CableID`.
    private func access(
        to cables: [(cable: Configuration.Cable, id: CableID)], _ running: RunningConfiguration
    ) -> [CableAccess] {
        var access = Array(repeating: CableAccess.unknown, count: cableServer.cables.end)
        let statusPage = running.configuration.status.map { status in
            StatusPageOrigins(listener: proxy.listeners.statusAddress ?? status.listen, names: status.names)
        }
        for (cable, id) in cables {
            access[id.index] = cable.access
            access[id.index].statusPage = statusPage
            access[id.index].backend = running.backend(of: cable)?.id
        }
        return access
    }

    /// By the index of their `CommandID`.
    private func access(to commands: [(command: Configuration.Command, id: CommandID)]) -> [CommandAccess] {
        var access = Array(repeating: CommandAccess.unknown, count: runner.commands.count)
        for (command, id) in commands { access[id.index] = CommandAccess(key: command.key) }
        return access
    }

    // MARK: Names

    private func names(of configuration: Configuration) -> LocalNames {
        let backends = supervisor.inOrder.filter { !supervisor.backends.isRemoved($0) }
        let services = configuration.services.map(\.name)
        let known = Set(services)
        return LocalNames(
            services: services + backends.map(\.name).filter { !known.contains($0) },
            backends: Dictionary(backends.map { ($0.name, $0.id) }, uniquingKeysWith: { first, _ in first }),
            commands: servedCommands(of: configuration).map { ($0.command.name, $0.id) })
    }
}

extension CableAccess {
    fileprivate func published(by publishers: Publishers) -> CableAccess {
        var access = self
        access.publishers = publishers
        return access
    }
}

extension RunningConfiguration {
    /// What a cable needs to know of its backend; nil without one.
    fileprivate func backendSettings<K: Kernel>(of cable: Configuration.Cable) -> CableDriver<K>.BackendSettings? {
        backend(of: cable).map { id, service in
            var rules = RelayMachine.Rules()
            rules.backendAccepts = cable.connect == .backend
            rules.hibernates = cable.hibernation != nil
            rules.channels = BackendChannels(listed: cable.hibernation?.channels ?? [])
            rules.hasSource = cable.redis != nil
            rules.maximumSubscriptions = cable.limits.maximumSubscriptions
            rules.clientsKeepAwake = service.idleWhen == .noConnections
            rules.sendsNotice = cable.hibernation?.sendsNotice ?? false
            return .init(backend: id, rules: rules, maximumAge: cable.hibernation?.maximumAge)
        }
    }
}

extension Configuration.Cable {
    func rules(_ keys: inout DerivedStreamKeys) -> CableMachine.Rules {
        CableMachine.Rules(
            resolver: SubscriptionResolver(
                publicStreams: streams.publicStreams,
                verifier: StreamNameVerifier(
                    secret: streams.secret, turboKeys: keys.keys(from: streams.railsSecretKeyBase)),
                channels: streams.channels, hasBackend: backend != nil),
            maximumMessageBytes: limits.maximumMessageBytes, maximumSubscriptions: limits.maximumSubscriptions,
            maximumQueuedBytes: limits.maximumQueuedBytes, sendTimeout: limits.sendTimeout, hasSource: redis != nil)
    }

    var access: CableAccess {
        var access = CableAccess(name: name, actionCable: actionCable, turboCable: turboCable)
        access.origins =
            switch origins {
            case .sameOrigin: .sameOrigin
            case .listed(let rules): .listed(rules)
            }
        access.tokens = tokens.flatMap { tokens in
            ClientTokenVerifier(secret: tokens.secret).map {
                .init(verifier: $0, parameter: Array(tokens.parameter.utf8), isRequired: tokens.isRequired)
            }
        }
        access.publishers = broadcast?.key.map { .holders(of: $0) } ?? .local
        access.maximumBodyBytes = broadcast?.maximumBodyBytes ?? access.maximumBodyBytes
        access.maximumConnections = limits.maximumConnections
        access.backendAccepts = connect == .backend
        access.isEnabled = enabled
        return access
    }
}
