/// Messages between the proxy (clients) and the daemon itself (configuration, state), delivered between events, when no
/// other message is on its way.
///
/// Each request is answered in the same turn of the event loop.

/// From the proxy. `requester` is the token of the connection that waits for the response.
enum DaemonRequest {
    case snapshot(SnapshotView, requester: Token)
    /// The state for the status streams that are open.
    case event
    /// The last 24 hours of each service.
    case history(requester: Token)
    /// The last lines of a backend's output, and with `follows` all later ones.
    case output(BackendID, lines: Int, follows: Bool, requester: Token)
    /// nil: by a signal.
    case reload(requester: Token?)
}

/// From the daemon.
enum DaemonReply {
    case snapshot(Snapshot, SnapshotView, requester: Token)
    case event(Snapshot)
    /// In the order of the configuration.
    case history([ServiceHistory], requester: Token)
    /// Each line has its line end.
    case output(BackendID, [String], follows: Bool, requester: Token)
    case reloaded(ReloadOutcome, requester: Token)
}

/// What a response shows of a snapshot.
enum SnapshotView {
    /// A resource of the status listener, or its JSON on the control socket.
    case resource(StatusResource)
    /// The beginning of a status stream.
    case stream
    /// A table of services, or the text of another form.
    case services(ControlRequest.StatusForm)
    case commands(ControlRequest.StatusForm)
}

/// The names that operators use. The daemon sends them with each configuration.
struct LocalNames {
    /// Services in the order of the configuration, then processes without routes.
    var services: [String] = []
    /// Without unmanaged services, which take no operations.
    var backends: [String: BackendID] = [:]
    /// In the order of the configuration.
    var commands: [(name: String, id: CommandID)] = []

    func backend(named name: String) throws(ControlError) -> BackendID {
        if let id = backends[name] { return id }
        throw services.contains(name) ? .cannotBeRun(name) : .unknown(name, known: services)
    }

    func command(named name: String) throws(ControlError) -> CommandID {
        if let command = commands.first(where: { $0.name == name }) { return command.id }
        throw .unknownCommand(name, known: commands.map(\.name))
    }
}
