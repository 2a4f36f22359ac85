/// What a new configuration changes about the running one: decided as a value, before anything is touched.
struct ReloadPlan: Equatable {
    /// What becomes of a service or process of the new configuration; who it is, its name says.
    enum Fate: Equatable {
        case unchanged
        /// Only what the next request meets: paths, headers, whether upgrades may pass, the path in the target.
        case rerouted
        /// What its process is made of or lives by: takes effect at its next start, which with `restarts` is now.
        case changed(restarts: Bool)
        case enabled
        case disabled
        case added
        /// The same name for something of another kind, once with a command and once without: the old one leaves and
        /// the new one is added.
        case replaced

        var keepsItsPlace: Bool { self != .added && self != .replaced }
    }

    /// By position in the new configuration.
    let fates: [Fate]
    /// Positions in the old configuration of those that leave: removed, or replaced by their namesake.
    let leaving: [Int]
    /// The same for what has no routes.
    let processFates: [Fate]
    let leavingProcesses: [Int]
    let doors: DoorPlan
    /// Something besides services and listeners is different.
    let changesSettings: Bool

    init(from old: Configuration, to new: Configuration) {
        let before = Dictionary(uniqueKeysWithValues: old.services.map { ($0.name, $0) })
        let fates = new.services.map { service in
            before[service.name].map { Self.fate(from: $0, to: service, in: new) } ?? .added
        }
        let kept = zip(new.services, fates).filter { $1 != .replaced }.map(\.0.name)
        self.fates = fates
        leaving = old.services.indices.filter { !kept.contains(old.services[$0].name) }
        let known = Dictionary(uniqueKeysWithValues: old.processes.map { ($0.name, $0) })
        processFates = new.processes.map { process in
            known[process.name].map { Self.fate(from: $0, to: process, in: new) } ?? .added
        }
        let names = new.processes.map(\.name)
        leavingProcesses = old.processes.indices.filter { !names.contains(old.processes[$0].name) }
        doors = DoorPlan(from: old.doors, to: new.doors)
        var (oldStatus, newStatus) = (old.status, new.status)
        // Where it listens is a matter of doors.
        if let listen = newStatus?.listen { oldStatus?.listen = listen }
        changesSettings =
            old.settings != new.settings || (oldStatus != nil && newStatus != nil && oldStatus != newStatus)
    }

    private static func fate(
        from old: Configuration.Service, to new: Configuration.Service, in configuration: Configuration
    ) -> Fate {
        if (old.launch == nil) != (new.launch == nil) { return .replaced }
        if old.enabled != new.enabled { return new.enabled ? .enabled : .disabled }
        if old == new { return .unchanged }
        guard old.processSide != new.processSide else { return .rerouted }
        guard new.enabled, new.launch != nil else { return .changed(restarts: false) }
        let isInTheWay = configuration.claims(old.target.address, besides: new.name)
        return .changed(restarts: new.onReload == .restart || isInTheWay)
    }

    private static func fate(
        from old: Configuration.Process, to new: Configuration.Process, in configuration: Configuration
    ) -> Fate {
        if old.enabled != new.enabled { return new.enabled ? .enabled : .disabled }
        if old == new { return .unchanged }
        var processSide = new
        processSide.onReload = old.onReload
        guard old != processSide else { return .rerouted }
        guard new.enabled else { return .changed(restarts: false) }
        let isInTheWay = old.address.map { configuration.claims($0, besides: new.name) } ?? false
        return .changed(restarts: new.onReload == .restart || isInTheWay)
    }
}

extension Configuration {
    /// Whether somebody else is to listen there, so that who does now cannot wait until it is idle.
    fileprivate func claims(_ address: SocketAddress, besides name: String) -> Bool {
        // With port 0 each has its own.
        guard address.port != 0 else { return false }
        return services.contains {
            $0.name != name && $0.enabled && $0.launch != nil && $0.target.address == address
        } || processes.contains { $0.name != name && $0.enabled && $0.address == address }
    }
}

extension Configuration.Service {
    /// What a running process cannot be told any more. What is not named here belongs to it.
    fileprivate var processSide: Configuration.Service {
        var service = self
        service.paths = []
        service.headers = []
        service.websocket = false
        service.origins = [.any]
        service.limits = ServiceLimits()
        service.wakeOn = .any
        service.target.path = nil
        service.target.authority = ""
        service.onReload = .nextStart
        service.policy.closeJitter = .zero
        service.policy.drainTimeout = .zero
        return service
    }
}

extension Configuration {
    /// What is left without the lists of services and listeners.
    fileprivate var settings: Configuration {
        var settings = self
        settings.listen = []
        settings.status = nil
        settings.control = nil
        settings.services = []
        settings.processes = []
        // Not of the daemon that runs.
        settings.reactors = 1
        return settings
    }
}
