/// Why a service could not be used, with what somebody needs who is to mend it: told in the log, by `ondemandd status`
/// and on the status page, and never to a client.
struct FailureReport: Equatable {
    /// What it did, without its name in front: `ended with status 1 before it accepted connections`.
    let detail: String
    /// As a shell would be given it.
    let command: String
    let directory: String
    /// How its process ended; nil where none was started, or where it was still running.
    var exit: String?
    /// The last lines that it printed in this life, as `ondemandd logs` shows them.
    var output: [String] = []

    /// All but the sentence, for a terminal, to stand below it.
    var lines: [String] {
        var facts = [("command", command), ("directory", directory)]
        if let exit { facts.append(("exit", exit)) }
        facts += output.enumerated().map { ($0.offset == 0 ? "output" : "", $0.element) }
        return facts.map { name, fact in
            "  \(name)\(String(repeating: " ", count: 11 - name.count))\(fact.withoutControls)"
        }
    }
}
