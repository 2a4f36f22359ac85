/// Reload of the configuration while the daemon runs. All of it is checked first, then all of it applies.
///
/// Order of a valid reload:
///
/// 1. Open the new log file and the new listeners. A failure here changes nothing.
/// 2. Redefine the kept services, remove the others, register the new ones.
/// 3. Start, restart, enable and disable backends (`finishReload`).
/// 4. Close the listeners that are gone and apply the new rules.
final class Reloader<K: Kernel> {
    private let load: () -> Result<Configuration, UnreadableConfiguration>
    private let log: DaemonLog<K>
    private let listeners: ListenerSet<K>
    private let backends: BackendRegistry<K>
    private let rules: EndpointRules<K>
    private(set) var counts = Snapshot.Reloads()

    /// `load` reads the configuration again.
    init(
        load: @escaping () -> Result<Configuration, UnreadableConfiguration>, log: DaemonLog<K>,
        listeners: ListenerSet<K>, backends: BackendRegistry<K>, rules: EndpointRules<K>
    ) {
        (self.load, self.log, self.listeners) = (load, log, listeners)
        (self.backends, self.rules) = (backends, rules)
    }

    /// Returns the outcome for the operator. A refused configuration changes nothing.
    func reload(_ running: inout RunningConfiguration) -> ReloadOutcome {
        switch load() {
        case .failure(let refusal): return refuse(refusal.lines)
        case .success(let new):
            let plan = ReloadPlan(from: running.configuration, to: new)
            let logFile: LogOutput<K>.Prepared
            let opened: [[Int]]
            do throws(SystemError) {
                // Only these steps can fail.
                logFile = try log.prepare(new.log)
                do throws(SystemError) {
                    opened = try listeners.prepare(new.listenerSpecs, as: plan.listenerSpecs)
                } catch {
                    log.abandon(logFile)
                    throw error
                }
            } catch {
                return refuse(["\(error)"])
            }
            let summary = ReloadSummary(plan, from: running.configuration, to: new)
            log.update(new.log, logFile)
            apply(new, plan, opened, to: &running)
            counts.note(wasRefused: false)
            log.log.record(.reloaded, summary.parts.map { LogField($0.name, $0.what) })
            return .done(summary)
        }
    }

    private func refuse(_ lines: [String]) -> ReloadOutcome {
        counts.note(wasRefused: true)
        for line in lines { log.log(.reloadFailed, LogField("error", line)) }
        return .refused(lines)
    }

    private func apply(
        _ new: Configuration, _ plan: ReloadPlan, _ opened: [[Int]], to running: inout RunningConfiguration
    ) {
        let old = running.configuration
        running = backends.change(running, to: new, plan)
        listeners.change(to: opened, of: new.listenerSpecs, as: plan.listenerSpecs)
        // The number of threads does not change.
        running.configuration.threads = old.threads
        rules.updateEndpoints(of: running, from: old)
        rules.updateRules(of: running)
    }
}

extension ReloadSummary {
    init(_ plan: ReloadPlan, from old: Configuration, to new: Configuration) {
        let names = new.names
        for (name, change) in zip(names, plan.changes + plan.processChanges) {
            switch change {
            case .unchanged: break
            case .rerouted, .replaced, .changed(restarts: false): changed.append(name)
            case .changed(restarts: true):
                changed.append(name)
                restarted.append(name)
            case .enabled: enabled.append(name)
            case .disabled: disabled.append(name)
            case .added: added.append(name)
            }
        }
        for (name, change) in zip(new.cables.map(\.name), plan.cableChanges) {
            switch change {
            case .unchanged: break
            case .changed: changed.append(name)
            case .enabled: enabled.append(name)
            case .disabled: disabled.append(name)
            case .added: added.append(name)
            }
        }
        for (name, change) in zip(new.commands.map(\.name), plan.commandChanges) {
            switch change {
            case .unchanged: break
            case .changed: changed.append(name)
            case .added: added.append(name)
            }
        }
        let remaining = Set(new.allNames)
        removed = old.allNames.filter { !remaining.contains($0) }
        opened = zip(new.listenerSpecs, plan.listenerSpecs.sources).filter { $1 == nil }.map { "\($0.0)" }
        closed = plan.listenerSpecs.closed.map { "\(old.listenerSpecs[$0])" }
        changesSettings = plan.changesSettings
        afterRestart = old.threads == new.threads ? [] : ["threads"]
    }
}

extension Configuration {
    fileprivate var names: [String] { services.map(\.name) + processes.map(\.name) }
    fileprivate var allNames: [String] { names + cables.map(\.name) + commands.map(\.name) }
}
