/// The state of a backend as the log, the metrics, the API, the history and the status page name it.
///
/// `BackendMachine.State` is the machine's own state, with the data of each case; this is its public name, and the two
/// states of a service that has no running machine.
enum BackendState: String, CaseIterable, Sendable {
    /// It is never started; requests get 503.
    case disabled
    case asleep, starting, awake, stopping
    /// A start failed; the next one is delayed by `restart_backoff`.
    case backoff
    /// The service has a target and no command: requests are relayed, no process is started or stopped.
    case unmanaged
    case shuttingDown = "shutting_down"
}
