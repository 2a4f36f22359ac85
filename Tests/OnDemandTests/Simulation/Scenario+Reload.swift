@testable import OnDemand

/// Changes of the configuration while the daemon runs.
extension Scenario {
    struct Reload {
        enum Change: Equatable {
            case nothing
            /// An unreadable file.
            case broken
            case remove, add
            case disable, enable
            /// Another name for the same service: one service is removed, one is added.
            case rename
            /// Another address.
            case move
            /// Another command line, applied at once or at the next start.
            case replace(atOnce: Bool)
            /// Removes the command, or restores it.
            case toggleLaunch
            case toggleSecondListener
            /// Removes the requirements of the service, or restores them.
            case toggleRequirements
            /// Removes all processes and their uses, or restores them.
            case toggleProcesses
            /// Toggles one property of a cable.
            case cable(CableScenario.Variant.Property)

            var isOfCable: Bool { if case .cable = self { true } else { false } }
        }

        var at: Duration
        var change: Change
        var service = 0
        var cable = 0
        /// The same change to another service in the same file; nil: none.
        var andAlso: Int?
    }

    /// Content of the configuration file at one time.
    struct Variant: Equatable {
        struct Service: Equatable {
            var isThere = true
            var isEnabled: Bool
            var launches: Bool
            var names = 0
            var moves = 0
            var commands = 0
            var restarts = false
            var requiresNothing = false
        }

        var services: [Service]
        var hasSecondListener = false
        var hasNoProcesses = false
        var cables: [CableScenario.Variant]

        init(_ scenario: Scenario) {
            cables = scenario.cables?.cables.map { _ in .init() } ?? []
            services = scenario.services.map { Service(isEnabled: $0.isEnabled, launches: $0.launches) }
        }

        mutating func apply(_ reload: Reload) {
            if let other = reload.andAlso { apply(Reload(at: reload.at, change: reload.change, service: other)) }
            var service = services[reload.service]
            switch reload.change {
            case .nothing, .broken: break
            case .remove: service.isThere = false
            case .add: service.isThere = true
            case .disable: service.isEnabled = false
            case .enable: service.isEnabled = true
            case .rename: service.names += 1
            case .move: service.moves = 1 - service.moves
            case .replace(let atOnce):
                service.commands += 1
                service.restarts = atOnce
            case .toggleLaunch: service.launches.toggle()
            case .toggleSecondListener: hasSecondListener.toggle()
            case .toggleRequirements: service.requiresNothing.toggle()
            case .toggleProcesses: hasNoProcesses.toggle()
            case .cable(let property): cables[reload.cable].toggle(property)
            }
            services[reload.service] = service
            // At least one service is required.
            if services.allSatisfy({ !$0.isThere }) { services[reload.service].isThere = true }
        }
    }

    static let secondAddress = SocketAddress.ipv4(octets: [127, 0, 0, 1], port: 3001)

    func configuration(_ variant: Variant) throws -> Configuration {
        var configuration = try configuration
        if variant.hasSecondListener { configuration.listen.append(Self.secondAddress) }
        if variant.hasNoProcesses { configuration.processes = [] }
        if let cables {
            configuration.cables = try cables.configuration(variant.cables)
            configuration.closeJitter = cables.closeJitter
        }
        let hasNoProcesses = variant.hasNoProcesses
        configuration.services = zip(configuration.services, variant.services).enumerated().compactMap { index, pair in
            var (service, variant) = pair
            guard variant.isThere else { return nil }
            if variant.names > 0 { service.name += "-\(variant.names)" }
            service.enabled = variant.isEnabled
            // An unmanaged service runs elsewhere: a connection to a process that is being stopped is then legitimate.
            if variant.launches || services[index].launches {
                let address = Self.address(of: index, moves: variant.launches ? variant.moves : 2)
                let picksPort = variant.launches && services[index].picksPort
                service.target.address = picksPort ? address.with(port: 0) : address
            }
            service.launch = variant.launches ? launch(of: services[index], index) : nil
            service.launch?.arguments = ["\(variant.moves)", "\(variant.commands)"]
            service.onReload = variant.restarts ? .restart : .nextStart
            if variant.requiresNothing { service.policy.requires = [] }
            if hasNoProcesses { service.policy.requires.removeAll { $0.hasPrefix("p") } }
            return service
        }
        return configuration
    }

    /// Why clients of this service may get something other than its response; nil if there is no reason.
    func reloadExcuse(for service: Int) -> String? {
        let takesAway: [Reload.Change] = [.remove, .disable, .rename, .toggleLaunch]
        let mine = reloads.filter { $0.service == service }.map(\.change)
        return mine.contains(where: takesAway.contains) ? "a reload that takes it away" : nil
    }

    /// Whether a reload may end its tunnels although it does not change the service.
    func reloadMayEndTunnels(of service: Int) -> Bool {
        reloads.contains { reload in
            reload.service == service && !reload.change.isOfCable
                && ![.nothing, .broken, .toggleSecondListener].contains(reload.change)
        }
    }
}

extension Simulation {
    /// Returns the configuration that the daemon reads on a reload.
    func loadConfiguration() -> Result<Configuration, UnreadableConfiguration> {
        do {
            guard !fileIsBroken else { throw UnreadableConfiguration(lines: ["config:1:1: error: broken"]) }
            return .success(try scenario.configuration(variant))
        } catch {
            return .failure(UnreadableConfiguration(lines: ["\(error)"]))
        }
    }

    func arrangeReloads() {
        for reload in scenario.reloads {
            kernel.scenario(after: reload.at) { [weak self] in self?.write(reload) }
        }
    }

    private func write(_ reload: Scenario.Reload) {
        variant.apply(reload)
        if reload.change.isOfCable { cableWorld?.mayRestart = true }
        cableWorld?.apply(variant.cables)
        fileIsBroken = reload.change == .broken
        if scenario.reloadMayEndTunnels(of: reload.service) { kernel.sendsAway = true }
        // From here on generations with and without requirements coexist, and the order of starts is not checked.
        switch reload.change {
        case .toggleRequirements: kernel.children.requirements[reload.service] = []
        case .toggleProcesses: for number in kernel.children.services { kernel.children.requirements[number] = [] }
        default: break
        }
        kernel.raise(.hangUp)
    }

    /// Restores the initial file.
    func restoreConfiguration() {
        fileIsBroken = false
        guard variant != Scenario.Variant(scenario) else { return }
        variant = Scenario.Variant(scenario)
        cableWorld?.apply(variant.cables)
        kernel.raise(.hangUp)
    }

    /// Checks that removed backends are gone and that configured backends exist once.
    func judgeSeats(_ daemon: Daemon<SimulatedKernel>) {
        for backend in daemon.supervisor.inOrder where daemon.supervisor.backends.isRemoved(backend) {
            kernel.complain("\(backend.name) was removed from the configuration and is still \(backend.machine.state)")
        }
        if !daemon.backends.removedServices.isEmpty { kernel.complain("removed services are still present") }
        let names = daemon.supervisor.inOrder.map(\.name)
        if Set(names).count != names.count { kernel.complain("a backend exists twice: \(names)") }
        if Set(daemon.running.backendIDs.map(\.index)).intersection(daemon.backends.freeIDs.map(\.index)).count > 0 {
            kernel.complain("a backend ID is used and free")
        }
    }
}
