/// The last 24 hours of all services: served on request and, with `state_dir`, kept across restarts of the daemon.
///
/// The file is written after a change and at exit. No timer is armed for it, so it never wakes the daemon.
final class HistoryFile<K: Kernel> {
    private let kernel: K
    private let log: Log
    private let supervisor: Supervisor<K>
    private let services: ServiceTable<K>
    /// Time of the last write. nil: not yet written.
    private var saved: Instant?
    /// The last write failed, and the failure is logged.
    private var hasFailed = false

    init(kernel: K, log: Log, supervisor: Supervisor<K>, services: ServiceTable<K>) {
        (self.kernel, self.log, self.supervisor, self.services) = (kernel, log, supervisor, services)
    }

    private func path(for configuration: Configuration) -> String? {
        configuration.stateDirectory.map { "\($0)/history.json" }
    }

    /// In the order of the configuration.
    func history(of running: RunningConfiguration) -> [ServiceHistory] {
        let now = kernel.wallClock().seconds
        let services = running.services.map { service, id in
            ServiceHistory(
                name: service.name, states: supervisor.states(of: id).completed(at: now),
                connections: self.services.connectionHistory(of: id).completed(at: now))
        }
        let processes = running.processes.map { process, id in
            ServiceHistory(name: process.name, states: supervisor.states(of: id).completed(at: now))
        }
        return services + processes
    }

    /// Loads the history of an earlier daemon before the first new entry.
    func restore(to running: RunningConfiguration) {
        guard let file = path(for: running.configuration) else { return }
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
        for (service, id) in running.services {
            guard let day = byName[service.name] else { continue }
            supervisor.restore(day.states, of: id)
            services.restore(day.connections, of: id)
        }
        for (process, id) in running.processes {
            if let day = byName[process.name] { supervisor.restore(day.states, of: id) }
        }
    }

    /// Saves the history after a change: at most once per `Limits.historyPause`, and at once when all backends are
    /// asleep, because no later change may come.
    func saveIfDue(_ running: RunningConfiguration) {
        let now = kernel.now()
        guard supervisor.isAllAsleep || saved.map({ now - $0 >= Limits.historyPause }) ?? true else { return }
        save(running)
    }

    /// Logs the first of consecutive write failures.
    func save(_ running: RunningConfiguration) {
        guard let file = path(for: running.configuration) else { return }
        let days = history(of: running)
        let share = max(1, Limits.historyIntervalsKept / max(1, days.count))
        let text = HistoryJSON.text(of: days, at: kernel.wallClock().seconds, states: share)
        saved = kernel.now()
        do throws(SystemError) {
            try kernel.replaceFile(file, with: Array((text + "\n").utf8))
            hasFailed = false
        } catch {
            if !hasFailed {
                log(.historyWriteFailed, LogField("file", file), LogField("reason", error.code.description))
            }
            hasFailed = true
        }
    }
}
