/// Rules and routes of the configured cables, for the proxy and the cable server.
extension Daemon {
    /// Brings the cable server to the configuration: cables of the same name keep their clients; removed and disabled
    /// cables disconnect theirs within `close_jitter`.
    func updateCables(from old: Configuration) {
        endBroadcastRules(of: old)
        cableServer.closeJitter = configuration.closeJitter
        let redis = Dictionary(uniqueKeysWithValues: configuration.cables.map { ($0.name, $0.redis) })
        for cable in old.cables where redis[cable.name] != .some(cable.redis) {
            // Clients of a cable with another Redis server reconnect, because messages may have been missed.
            if let id = cableServer.id(named: cable.name) {
                drain(id, isRemoval: true)
            }
        }
        var keys = DerivedStreamKeys()
        for cable in configuration.cables {
            guard let id = cableServer.id(named: cable.name) else {
                let served = CableServer<K>.Cable(
                    name: cable.name,
                    machine: CableMachine(rules: cable.rules(&keys), pingInterval: cable.pingInterval),
                    hasActionCable: cable.actionCable)
                served.serve(behind: backendSettings(of: cable))
                cableServer.add(
                    served, redis: cable.redis.map { ($0.url, $0.channelPrefix.map { Array($0.utf8) }) },
                    isUnused: proxy.isUnused)
                continue
            }
            // Deriving keys takes a millisecond, so an unchanged cable is left alone.
            if !old.cables.contains(cable) {
                cableServer.update(
                    id, cable.rules(&keys), pingInterval: cable.pingInterval, hasActionCable: cable.actionCable)
            }
            cableServer.update(id, backendSettings(of: cable))
            if !cable.enabled { drain(id, isRemoval: false) }
        }
    }

    private func drain(_ id: CableID, isRemoval: Bool) {
        cableServer.drain(
            id, over: configuration.closeJitter, waitingUntil: kernel.now() + configuration.drainTimeout,
            isRemoval: isRemoval)
    }

    /// By the index of their `CableID`.
    var cableAccess: [CableAccess] {
        var access = Array(repeating: CableAccess.unknown, count: cableServer.cables.count)
        let statusPage = configuration.status.map { status in
            StatusPageOrigins(listener: proxy.statusAddress ?? status.listen, names: status.names)
        }
        for (cable, id) in servedCables {
            access[id.index] = cable.access
            access[id.index].statusPage = statusPage
            access[id.index].backend = backend(of: cable)?.id
        }
        return access
    }

    private func backend(of cable: Configuration.Cable) -> (id: BackendID, service: Configuration.Service)? {
        zip(backendIDs, configuration.services).first { $1.name == cable.backend }.map { ($0, $1) }
    }

    private func backendSettings(of cable: Configuration.Cable) -> CableServer<K>.BackendSettings? {
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

    var cableRoutes: [Route] {
        servedCables.flatMap { cable, id in
            cable.paths.map { Route(pattern: $0, destination: .local(.cable(id))) }
                + (cable.broadcast?.path.map { [Route(pattern: $0, destination: .local(.broadcast(id)))] } ?? [])
        }
    }

    /// Connections to a broadcast listener outlive it. Their next requests lead nowhere.
    private func endBroadcastRules(of old: Configuration) {
        for cable in old.cables where cable.broadcast?.listen != nil {
            let namesake = configuration.cables.first { $0.name == cable.name }
            guard namesake?.broadcast?.listen == nil else { continue }
            proxy.update(
                ExchangeRules(routes: RouteTable([]), services: [], limits: configuration.limits),
                for: .broadcast(cable: cable.name))
        }
    }

    /// Rules of the control socket, of the status listener and of the broadcast listeners.
    func updateBroadcastRules() {
        let control = Route(pattern: .fixed("/*"), destination: .local(.control))
        proxy.update(
            ExchangeRules(
                routes: RouteTable(broadcastRoutes(below: .control) + [control]), services: [],
                cables: cableAccess(for: .all)),
            for: .control)
        proxy.update(
            configuration.statusRules(
                broadcastRoutes(below: .status), cableAccess(for: .operators(configuration.statusGuard))),
            for: .status)
        for (cable, id) in servedCables where cable.broadcast?.listen != nil {
            let route = Route(pattern: .fixed("/*"), destination: .local(.broadcast(id)))
            proxy.update(
                ExchangeRules(
                    routes: RouteTable([route]), services: [], limits: configuration.limits,
                    trustedProxies: configuration.trustedProxies, cables: cableAccess),
                for: .broadcast(cable: cable.name))
        }
    }

    private func cableAccess(for publishers: CableAccess.Publishers) -> [CableAccess] {
        cableAccess.map { access in
            var access = access
            access.publishers = publishers
            return access
        }
    }

    /// Where operators broadcast, by the name of the cable.
    private func broadcastRoutes(below place: ControlRequest.Place) -> [Route] {
        servedCables.compactMap { cable, id in
            (try? PathPattern(parsing: "/\(place.rawValue)/cables/\(cable.name)/broadcast"))
                .map { Route(pattern: $0, destination: .local(.broadcast(id))) }
        }
    }

    var cableSnapshots: [Snapshot.Cable] {
        servedCables.map { cable, id in
            var description = Snapshot.Cable(name: cable.name, isEnabled: cable.enabled, paths: cable.paths.map(\.text))
            if cable.actionCable { description.protocols.append("action_cable") }
            if cable.turboCable { description.protocols.append("turbo_cable") }
            cableServer.describe(id, in: &description)
            if let backend = backend(of: cable), let slept = description.backend?.sleptConnected {
                description.backend?.name = backend.service.name
                let resident = supervisor.backends[backend.id]?.history.memory.lastResidentBytes
                description.backend?.savedByteSeconds = resident.map {
                    Double($0) * Double(slept.wholeMilliseconds) / 1000
                }
            }
            return description
        }
    }

    private var servedCables: [(cable: Configuration.Cable, id: CableID)] {
        configuration.cables.compactMap { cable in
            cableServer.id(named: cable.name).map { (cable, $0) }
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
