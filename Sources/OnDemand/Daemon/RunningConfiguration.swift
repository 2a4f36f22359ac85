/// The configuration that applies, with the numbers of its services and processes.
struct RunningConfiguration {
    var configuration: Configuration
    /// Of the services, in the order of the configuration.
    var backendIDs: [BackendID]
    /// Of the processes without routes, in the order of the configuration.
    var processBackendIDs: [BackendID]

    /// Numbers the backends of the first configuration.
    init(first configuration: Configuration) {
        self.configuration = configuration
        backendIDs = configuration.services.indices.map { BackendID(index: $0) }
        processBackendIDs = configuration.processes.indices.map { BackendID(index: BackendID.firstProcess + $0) }
    }

    var services: Zip2Sequence<[Configuration.Service], [BackendID]> { zip(configuration.services, backendIDs) }

    var processes: Zip2Sequence<[Configuration.Process], [BackendID]> {
        zip(configuration.processes, processBackendIDs)
    }

    /// The service that serves what the cable does not; nil without one.
    func backend(of cable: Configuration.Cable) -> (id: BackendID, service: Configuration.Service)? {
        services.first { $0.0.name == cable.backend }.map { ($0.1, $0.0) }
    }
}

extension ProxyService {
    init(_ service: Configuration.Service) {
        self.init(
            name: service.name, address: service.target.address, gate: BackendGate(), idleWhen: service.idleWhen,
            limits: service.limits)
    }
}

extension SupervisedBackend {
    convenience init(_ process: Configuration.Process, as id: BackendID) {
        self.init(
            id: id, kind: .process, name: process.name, address: process.address, command: process.launch,
            policy: process.policy, gate: BackendGate(), startDelay: process.startDelay, isEnabled: process.enabled)
    }

    /// nil: the service is unmanaged.
    convenience init?(_ service: Configuration.Service, as id: BackendID, _ gate: BackendGate) {
        guard let launch = service.launch else { return nil }
        self.init(
            id: id, name: service.name, address: service.target.address, command: launch, policy: service.policy,
            gate: gate, isEnabled: service.enabled)
    }
}
