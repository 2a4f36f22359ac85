/// The sentences that an operator gets for an operation, made from what is known of the backend.
struct OperationOutcome {
    let name: String
    let process: ProcessID?
    let startup: Duration?
    /// Processes of an overdue stop.
    let remaining: [ProcessDescription]
    let refusesSignals: Bool
    let failure: FailureReport?

    init(of backend: SupervisedBackend) {
        name = backend.name
        process = backend.child?.process
        startup = backend.history.lastStartup
        remaining = backend.child?.remaining ?? []
        refusesSignals = backend.child?.refusesSignals == true
        failure = backend.history.lastFailure
    }

    /// The result of an operation that does not wait.
    func received(_ operation: BackendOperation) -> OperationResult { .done("\(name) \(operation.acknowledgement)") }

    /// The result of an operation that has waited.
    func result(_ verdict: PendingOperation.Verdict, of operation: BackendOperation) -> OperationResult {
        switch verdict {
        case .isReady:
            let startup = startup.map { ", startup \($0.wholeMilliseconds) ms" } ?? ""
            let process = process.map { " (pid \($0.number)\(startup))" } ?? ""
            return .done("\(name) is \(operation == .pin ? "pinned and " : "")awake\(process)")
        case .hasEnded: return .done("\(name) is \(operation == .disable ? "disabled" : "stopped")")
        case .isNoted: return received(operation)
        case .hasFailed:
            guard let failure else { return .failed("\(name) did not start: in backoff") }
            return .failed((["\(name) did not start: \(failure.detail)"] + failure.lines).joined(separator: "\n"))
        case .wasStopped: return .failed("\(name) was stopped before it was awake")
        case .stopTimedOut:
            let remaining = remaining.map(\.shown).joined(separator: ", ")
            let why = refusesSignals ? "; the daemon is not permitted to signal them" : ""
            return .failed("\(name) is not stopped: still running: \(remaining)\(why)")
        case .daemonLeaves: return .failed("\(name) is shutting down")
        }
    }
}

extension BackendOperation {
    fileprivate var acknowledgement: String {
        switch self {
        case .start: "received the operation start"
        case .stop: "received the operation stop"
        case .restart: "received the operation restart"
        case .pin: "is pinned"
        case .unpin: "is no longer pinned"
        case .enable: "is enabled"
        case .disable: "is disabled"
        }
    }
}
