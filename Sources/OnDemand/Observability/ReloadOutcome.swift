/// The outcome of a reload, for its requester and the log.
enum ReloadOutcome: Equatable {
    case done(ReloadSummary)
    /// Nothing changed; one line per error, as in `ondemandd check`.
    case refused([String])
    /// The daemon is shutting down.
    case tooLate
}

/// The changed names in the order of the new configuration; removed ones in that of the old one.
struct ReloadSummary: Equatable {
    var added: [String] = []
    var changed: [String] = []
    /// Changed services whose processes are replaced at once.
    var restarted: [String] = []
    var enabled: [String] = []
    var disabled: [String] = []
    var removed: [String] = []
    /// Addresses of opened listeners.
    var opened: [String] = []
    var closed: [String] = []
    /// Whether global settings changed.
    var changesSettings = false
    /// Changed keys that need a restart of the daemon.
    var afterRestart: [String] = []

    /// The changes as pairs of a name and a list; empty without changes.
    var parts: [(name: String, what: String)] {
        let lists = [
            ("added", added), ("changed", changed), ("restarted", restarted), ("enabled", enabled),
            ("disabled", disabled), ("removed", removed), ("opened", opened), ("closed", closed),
            ("settings", changesSettings ? ["changed"] : []), ("after_restart", afterRestart),
        ]
        return lists.filter { !$1.isEmpty }.map { ($0, $1.joined(separator: ",")) }
    }
}
