/// The last 24 hours of all services: served on request and, with `state_dir`, kept across restarts of the daemon.
///
/// The file is written after a change and at exit. No timer is armed for it, so it never wakes the daemon.
extension Daemon {
    private static var fileName: String { "history.json" }

    private var historyFile: String? { configuration.stateDirectory.map { "\($0)/\(Self.fileName)" } }

    /// In the order of the configuration.
    func history() -> [ServiceHistory] {
        let now = kernel.wallClock().seconds
        let services = zip(configuration.services, backendIDs).map { service, id in
            ServiceHistory(
                name: service.name, states: supervisor.states(of: id).completed(at: now),
                connections: proxy.connectionHistories[id.index].completed(at: now))
        }
        let processes = zip(configuration.processes, processBackendIDs).map { process, id in
            ServiceHistory(name: process.name, states: supervisor.states(of: id).completed(at: now))
        }
        return services + processes
    }

    /// Loads the history of an earlier daemon before the first new entry.
    func restoreHistory() {
        guard let file = historyFile else { return }
        let days: [ServiceHistory]
        do throws(SystemError) {
            let bytes = try kernel.contents(ofFile: file, atMost: JSONReader.byteLimit)
            do throws(HistoryJSON.Problem) {
                days = try HistoryJSON.read(bytes, at: kernel.wallClock().seconds)
            } catch {
                return log(.historyUnreadable, LogField("file", file), LogField("reason", error.sentence))
            }
        } catch {
            if error.code != .noSuchFile {
                log(.historyUnreadable, LogField("file", file), LogField("reason", error.code.description))
            }
            return
        }
        let byName = Dictionary(days.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for (service, id) in zip(configuration.services, backendIDs) {
            guard let day = byName[service.name] else { continue }
            supervisor.restore(day.states, of: id)
            proxy.connectionHistories[id.index] = day.connections
        }
        for (process, id) in zip(configuration.processes, processBackendIDs) {
            if let day = byName[process.name] { supervisor.restore(day.states, of: id) }
        }
    }

    /// Saves the history after a change: at most once per `Limits.historyPause`, and at once when all backends are
    /// asleep, because no later change may come.
    func saveHistoryIfDue() {
        let now = kernel.now()
        guard supervisor.isAllAsleep || historySaved.map({ now - $0 >= Limits.historyPause }) ?? true else { return }
        saveHistory()
    }

    /// Logs the first of consecutive write failures.
    func saveHistory() {
        guard let file = historyFile else { return }
        let days = history()
        let share = max(1, Limits.historyIntervalsKept / max(1, days.count))
        let text = HistoryJSON.text(of: days, at: kernel.wallClock().seconds, states: share)
        historySaved = kernel.now()
        do throws(SystemError) {
            try kernel.replaceFile(file, with: Array((text + "\n").utf8))
            historyWriteHasFailed = false
        } catch {
            if !historyWriteHasFailed {
                log(.historyWriteFailed, LogField("file", file), LogField("reason", error.code.description))
            }
            historyWriteHasFailed = true
        }
    }
}
