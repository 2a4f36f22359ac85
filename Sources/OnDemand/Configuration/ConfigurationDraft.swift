/// Decoded values with their positions, so that checks between keys can name both places.
struct ConfigurationDraft {
    var listen: [Located<SocketAddress>] = []
    var proxyProtocol: [SocketAddress] = []
    var inherited: [Located<String>] = []
    var announcedNames: [String] = []
    var status: Located<SocketAddress>?
    var statusToken: BearerToken?
    var allowedHosts: [String] = []
    var stateDirectory: String?
    var control: Located<SocketAddress>?
    var services: [ServiceDraft] = []
    var processes: [ProcessDraft] = []
    var cables: [CableDraft] = []
    var commands: [CommandDraft] = []
    var log = Configuration.Log()
    var limits: Located<PeerLimits>?
    var trustedProxies = TrustedProxies()
    var via = false
    var threads = 1
    var drainTimeout = Configuration().drainTimeout
    var closeJitter = Configuration().closeJitter
}

/// One entry of `reverse_proxies`; nil stands for a missing or wrong value that was reported.
struct ServiceDraft {
    var name: Located<String>?
    var enabled = true
    var paths: [Located<PathPattern>] = []
    var target: Located<Configuration.Target>?
    var websocket = false
    var headers: [HeaderTemplate] = []
    var origins: [OriginRule] = [.any]
    var limits = ServiceLimits()
    var launch: LaunchCommand?
    var policy = BackendPolicy()
    var backoff: Located<RestartBackoff>?
    var wakeOn: Located<WakeRule>?
    var requires: [Located<String>] = []
    var onReload = Configuration.OnReload.nextStart
}

/// One entry of `managed_processes`; nil as in `ServiceDraft`.
struct ProcessDraft {
    var name: Located<String>?
    var enabled = true
    var launch = LaunchCommand(command: "")
    var address: Located<SocketAddress>?
    var startDelay = Duration.zero
    var policy = BackendPolicy()
    var backoff: Located<RestartBackoff>?
    var requires: [Located<String>] = []
    var onReload = Configuration.OnReload.nextStart
}

/// A value and its position in the file.
struct Located<Value> {
    let value: Value
    let path: String
    let position: TextPosition

    func error(_ sentence: String) -> ConfigurationError {
        ConfigurationError(path: path, position: position, sentence: sentence)
    }

    /// The position as text, for the message at the other side of a conflict.
    var place: String { "\(path) in line \(position.line)" }
}

extension ConfigurationDraft {
    /// Builds the configuration; called only when no error was reported.
    func configuration(_ environment: [LaunchCommand.Variable]) -> Configuration {
        Configuration(
            listen: listen.map(\.value), proxyProtocol: proxyProtocol, inherited: inherited.map(\.value),
            announcedNames: announcedNames,
            status: status.map { Configuration.Status(listen: $0.value, token: statusToken, names: allowedHosts) },
            stateDirectory: stateDirectory, control: control?.value,
            services: services.map { draft in
                let hibernates = cables.contains {
                    $0.cable.hibernation != nil && $0.cable.backend == draft.name?.value
                }
                return draft.service(
                    closeJitter: closeJitter, drainTimeout: drainTimeout, isBehindHibernatingCable: hibernates)
            },
            processes: processes.map { $0.process() }, cables: cables.map { $0.finished() },
            commands: commands.map { $0.finished() }, log: log, limits: limits?.value ?? PeerLimits(),
            trustedProxies: trustedProxies, via: via,
            threads: threads, drainTimeout: drainTimeout, closeJitter: closeJitter, environment: environment)
    }
}

extension ServiceDraft {
    fileprivate func service(
        closeJitter: Duration, drainTimeout: Duration, isBehindHibernatingCable: Bool
    ) -> Configuration.Service {
        guard let name, let target else { preconditionFailure("a missing name or target has been reported") }
        var policy = policy
        policy.isBehindHibernatingCable = isBehindHibernatingCable
        policy.closeJitter = closeJitter
        policy.drainTimeout = drainTimeout
        policy.requires = requires.map(\.value)
        return Configuration.Service(
            name: name.value, enabled: enabled, paths: paths.map(\.value), target: target.value, websocket: websocket,
            headers: headers, origins: origins, limits: limits, launch: launch, policy: policy,
            wakeOn: wakeOn?.value ?? .any, onReload: onReload)
    }
}

extension ProcessDraft {
    fileprivate func process() -> Configuration.Process {
        guard let name else { preconditionFailure("a missing name has been reported") }
        var policy = policy
        policy.requires = requires.map(\.value)
        return Configuration.Process(
            name: name.value, enabled: enabled, launch: launch, address: address?.value, startDelay: startDelay,
            policy: policy, onReload: onReload)
    }
}
