/// What a reload has done, for whoever asked for it and for the log.
enum ReloadOutcome: Equatable {
    case done(ReloadSummary)
    /// Nothing was changed; one line for each thing that is wrong, as a compiler would write it.
    case refused([String])
    /// The daemon is leaving.
    case tooLate
}

/// The names of what changed, in the order of the new configuration; of what is gone, in that of the old one.
struct ReloadSummary: Equatable {
    var added: [String] = []
    var changed: [String] = []
    /// Of those that changed: whose process is replaced at once, and not at its next start.
    var restarted: [String] = []
    var enabled: [String] = []
    var disabled: [String] = []
    var removed: [String] = []
    /// Addresses.
    var opened: [String] = []
    var closed: [String] = []
    /// Something besides services and listeners.
    var changesSettings = false
    /// Keys that count only for a daemon that starts.
    var afterRestart: [String] = []

    /// What changed, each as a name and a list; nothing when nothing did.
    var parts: [(name: String, what: String)] {
        let lists = [
            ("added", added), ("changed", changed), ("restarted", restarted), ("enabled", enabled),
            ("disabled", disabled), ("removed", removed), ("opened", opened), ("closed", closed),
            ("settings", changesSettings ? ["changed"] : []), ("after_restart", afterRestart),
        ]
        return lists.filter { !$1.isEmpty }.map { ($0, $1.joined(separator: ",")) }
    }
}
