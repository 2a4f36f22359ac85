/// Why a service is unavailable, with details for the operator: for the log, `ondemandd status` and the status page,
/// never for clients.
struct FailureReport: Equatable {
    /// The failure without the service's name: `ended with status 1 before it accepted connections`.
    let detail: String
    /// The command line as for a shell.
    let command: String
    let directory: String
    /// Exit of the process; nil where none was started or it is still running.
    var exit: String?
    /// The last lines of its output in this generation, as `ondemandd logs` prints them.
    var output: [String] = []

    /// The details as lines for a terminal, without the sentence.
    var lines: [String] {
        var facts = [("command", command), ("directory", directory)]
        if let exit { facts.append(("exit", exit)) }
        facts += output.enumerated().map { ($0.offset == 0 ? "output" : "", $0.element) }
        return facts.map { name, fact in
            "  \(name)\(String(repeating: " ", count: 11 - name.count))\(fact.withoutControls)"
        }
    }
}
