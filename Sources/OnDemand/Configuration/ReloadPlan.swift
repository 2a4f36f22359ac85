/// The differences between a new and the running configuration, as a value without side effects.
struct ReloadPlan: Equatable {
    /// The change of a service or process of the new configuration; its name identifies it.
    enum Change: Equatable {
        case unchanged
        /// Only routing settings changed: paths, headers, limits, `websocket`, the path in the target.
        case rerouted
        /// Process settings changed: they apply at its next start; `restarts` starts it again now.
        case changed(restarts: Bool)
        case enabled
        case disabled
        case added
        /// A managed service became unmanaged or the other way round: the old one is removed and the new one added.
        case replaced

        var keepsItsPlace: Bool { self != .added && self != .replaced }
    }

    /// The change of a command of the new configuration.
    enum CommandChange: Equatable {
        case unchanged, changed, added
    }

    /// By index in the new configuration.
    let changes: [Change]
    /// Indices of services in the old configuration that are removed or replaced.
    let leaving: [Int]
    /// The same for processes without routes.
    let processChanges: [Change]
    let removedProcesses: [Int]
    /// The same for cables; all clients of a removed one are disconnected.
    let cableChanges: [CableChange]
    let removedCables: [Int]
    /// The same for commands. A run keeps the definition that it was started with.
    let commandChanges: [CommandChange]
    let removedCommands: [Int]
    let listenerSpecs: ListenerDiff
    /// Whether global settings changed.
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
        let served = Dictionary(uniqueKeysWithValues: old.cables.map { ($0.name, $0) })
        cableChanges = new.cables.map { cable in
            served[cable.name].map { CableChange(from: $0, to: cable) } ?? .added
        }
        let cableNames = Set(new.cables.map(\.name))
        removedCables = old.cables.indices.filter { !cableNames.contains(old.cables[$0].name) }
        let allowed = Dictionary(uniqueKeysWithValues: old.commands.map { ($0.name, $0) })
        commandChanges = new.commands.map { command in
            allowed[command.name].map { $0 == command ? .unchanged : .changed } ?? .added
        }
        let commandNames = Set(new.commands.map(\.name))
        removedCommands = old.commands.indices.filter { !commandNames.contains(old.commands[$0].name) }
        listenerSpecs = ListenerDiff(from: old.listenerSpecs, to: new.listenerSpecs)
        var (oldStatus, newStatus) = (old.status, new.status)
        // Addresses are part of the listeners' diff.
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
    /// The names of the entries that will listen at each address. A process of another name at such an address must
    /// stop at once.
    fileprivate var claims: [SocketAddress: Set<String>] {
        let services = services.filter { $0.enabled && $0.launch != nil }.map { ($0.target.address, $0.name) }
        let processes = processes.filter(\.enabled).compactMap { process in
            process.address.map { ($0, process.name) }
        }
        // Port 0 is different for each.
        let fixed = (services + processes).filter { $0.0.port != 0 }
        return Dictionary(fixed.map { ($0.0, [$0.1]) }, uniquingKeysWith: { $0.union($1) })
    }
}

extension Configuration.Service {
    /// The settings of its process: all but those that apply while it runs.
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
    /// The global settings: all but the lists of services and listeners.
    fileprivate var settings: Configuration {
        var settings = self
        settings.listen = []
        settings.status = nil
        settings.control = nil
        settings.services = []
        settings.processes = []
        settings.cables = []
        settings.commands = []
        // Needs a restart of the daemon.
        settings.threads = 1
        return settings
    }
}
