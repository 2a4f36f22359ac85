/// The commands of the configuration, by the index of their `CommandID`: the definition, the counters and the runs of
/// each.
///
/// A command is identified by its name. One that is removed keeps its number until its runs have left.
struct CommandList {
    private struct Entry {
        var definition: CommandDefinition
        var table = RunTable()
        var counters = Snapshot.Command.Counters()
        var rejected = Counters<RunRejection>()
        /// Output of its runs that waits for subscribers.
        var heldBytes = 0
        /// It is not in the configuration any more; its runs finish.
        var isRemoved = false
    }

    /// nil where no command has the number.
    private var entries: [Entry?] = []

    var count: Int { entries.count }

    /// No number is in use.
    var isEmpty: Bool { entries.allSatisfy { $0 == nil } }

    // MARK: The configuration

    /// Brings the list to the configuration. A number is used again only if it `isUnused`: no request of its earlier
    /// command is on its way.
    mutating func update(
        _ definitions: [CommandDefinition], isUnused: (CommandID) -> Bool, hasRuns: (CommandID) -> Bool
    ) {
        for index in entries.indices { entries[index]?.isRemoved = true }
        for definition in definitions {
            if let index = entries.firstIndex(where: { $0?.definition.name == definition.name }) {
                entries[index]?.definition = definition
                entries[index]?.isRemoved = false
                continue
            }
            let index = entries.indices.first { entries[$0] == nil && isUnused(CommandID(index: $0)) }
            if index == nil { entries.append(nil) }
            entries[index ?? entries.count - 1] = Entry(definition: definition)
        }
        for index in entries.indices {
            forgetIfRemoved(CommandID(index: index), hasRuns: hasRuns(CommandID(index: index)))
        }
    }

    mutating func forgetIfRemoved(_ id: CommandID, hasRuns: Bool) {
        guard let entry = entries[id.index], entry.isRemoved, entry.table.running.isEmpty, !hasRuns else { return }
        entries[id.index] = nil
    }

    /// The number of the command with this name.
    func id(named name: String) -> CommandID? {
        entries.firstIndex { $0?.definition.name == name && $0?.isRemoved == false }.map { CommandID(index: $0) }
    }

    /// The definition of new runs. nil: the request was on its way when the command was removed.
    subscript(id: CommandID) -> CommandDefinition? { served(id)?.definition }

    private func served(_ id: CommandID) -> Entry? {
        guard entries.indices.contains(id.index), let entry = entries[id.index], !entry.isRemoved else { return nil }
        return entry
    }

    // MARK: Runs

    /// The run that prevents another one; nil: another one may start.
    func conflict(of id: CommandID) -> RunID? {
        served(id).flatMap { $0.table.conflict(maximum: $0.definition.maximumRunning) }
    }

    mutating func started(_ run: RunID, of id: CommandID) {
        entries[id.index]?.table.started(run)
        entries[id.index]?.counters.started += 1
    }

    /// `summary` is the last state of the run.
    mutating func ended(
        _ run: RunID, of id: CommandID, _ outcome: RunMachine.Outcome, as summary: Snapshot.Run, at now: Instant
    ) {
        entries[id.index]?.counters.count(outcome)
        entries[id.index]?.table.ended(run, as: summary, at: now)
    }

    /// An ended run that is kept.
    func ended(_ run: RunID, of id: CommandID, at now: Instant) -> Snapshot.Run? {
        served(id)?.table.ended(run, at: now)
    }

    mutating func rejected(_ reason: RunRejection, of id: CommandID) {
        guard entries.indices.contains(id.index) else { return }
        entries[id.index]?.rejected[reason] += 1
    }

    mutating func changeHeldOutput(by bytes: Int, of id: CommandID) { entries[id.index]?.heldBytes += bytes }

    func holdsTooMuch(_ id: CommandID) -> Bool { entries[id.index]?.heldBytes ?? 0 > Limits.heldCommandBytes }

    // MARK: The status

    /// `running` returns the state of a run in progress.
    func describe(
        _ id: CommandID, path: String, at now: Instant, running: (RunID) -> Snapshot.Run?
    ) -> Snapshot.Command? {
        guard let entry = served(id) else { return nil }
        let definition = entry.definition
        var description = Snapshot.Command(name: definition.name, path: path, cable: definition.cable)
        description.parameters = definition.parameters
        description.maximumRunning = definition.maximumRunning
        description.counters = entry.counters
        description.counters.rejected = entry.rejected.all
        description.running = entry.table.running.compactMap(running)
        description.last = entry.table.last(at: now)
        return description
    }
}

extension Snapshot.Command.Counters {
    fileprivate mutating func count(_ outcome: RunMachine.Outcome) {
        switch outcome.ending {
        case .exited where outcome.exit == .status(0): succeeded += 1
        case .exited, .killed: failed += 1
        case .timedOut: timedOut += 1
        case .stopped, .shutdown: stopped += 1
        case .spawnFailed: spawnFailed += 1
        }
    }
}
