/// What a new configuration changes about the running one: decided as a value, before anything is touched.
struct ReloadPlan: Equatable {
    /// What becomes of a service or process of the new configuration; who it is, its name says.
    enum Change: Equatable {
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
    let changes: [Change]
    /// Positions in the old configuration of those that leave: removed, or replaced by their namesake.
    let leaving: [Int]
    /// The same for what has no routes.
    let processChanges: [Change]
    let removedProcesses: [Int]
    let listenerSpecs: ListenerDiff
    /// Something besides services and listeners is different.
    let changesSettings: Bool

    init(from old: Configuration, to new: Configuration) {
        let before = Dictionary(uniqueKeysWithValues: old.services.map { ($0.name, $0) })
        let claims = new.claims
        let changes = new.services.map { service in
            before[service.name].map { Self.change(from: $0, to: service, claims) } ?? .added
        }
        let kept = Set(zip(new.services, changes).filter { $1 != .replaced }.map(\.0.name))
        self.changes = changes
        leaving = old.services.indices.filter { !kept.contains(old.services[$0].name) }
        let known = Dictionary(uniqueKeysWithValues: old.processes.map { ($0.name, $0) })
        processChanges = new.processes.map { process in
            known[process.name].map { Self.change(from: $0, to: process, claims) } ?? .added
        }
        let names = Set(new.processes.map(\.name))
        removedProcesses = old.processes.indices.filter { !names.contains(old.processes[$0].name) }
        listenerSpecs = ListenerDiff(from: old.listenerSpecs, to: new.listenerSpecs)
        var (oldStatus, newStatus) = (old.status, new.status)
        // Where it listens is a matter of doors.
        if let listen = newStatus?.listen { oldStatus?.listen = listen }
        changesSettings =
            old.settings != new.settings || (oldStatus != nil && newStatus != nil && oldStatus != newStatus)
    }

    private static func change(
        from old: Configuration.Service, to new: Configuration.Service, _ claims: [SocketAddress: Set<String>]
    ) -> Change {
        if (old.launch == nil) != (new.launch == nil) { return .replaced }
        if old.enabled != new.enabled { return new.enabled ? .enabled : .disabled }
        if old == new { return .unchanged }
        guard old.processSide != new.processSide else { return .rerouted }
        guard new.enabled, new.launch != nil else { return .changed(restarts: false) }
        let isInTheWay = claims[old.target.address]?.subtracting([new.name]).isEmpty == false
        return .changed(restarts: new.onReload == .restart || isInTheWay)
    }

    private static func change(
        from old: Configuration.Process, to new: Configuration.Process, _ claims: [SocketAddress: Set<String>]
    ) -> Change {
        if old.enabled != new.enabled { return new.enabled ? .enabled : .disabled }
        if old == new { return .unchanged }
        var processSide = new
        processSide.onReload = old.onReload
        guard old != processSide else { return .rerouted }
        guard new.enabled else { return .changed(restarts: false) }
        let isInTheWay = old.address.map { claims[$0]?.subtracting([new.name]).isEmpty == false } ?? false
        return .changed(restarts: new.onReload == .restart || isInTheWay)
    }
}

extension Configuration {
    /// The names of what is to listen at each address. A process there that goes by another name cannot wait until it
    /// is idle.
    fileprivate var claims: [SocketAddress: Set<String>] {
        let services = services.filter { $0.enabled && $0.launch != nil }.map { ($0.target.address, $0.name) }
        let processes = processes.filter(\.enabled).compactMap { process in
            process.address.map { ($0, process.name) }
        }
        // With port 0 each has its own.
        let fixed = (services + processes).filter { $0.0.port != 0 }
        return Dictionary(fixed.map { ($0.0, [$0.1]) }, uniquingKeysWith: { $0.union($1) })
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
        settings.threads = 1
        return settings
    }
}
