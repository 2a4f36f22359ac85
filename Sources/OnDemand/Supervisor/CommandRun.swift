/// One run, until its last message has left.
final class CommandRun {
    let id: RunID
    let command: CommandID
    let definition: CommandDefinition
    let slot: Int
    /// For its token.
    let number: UInt32
    let stream: [UInt8]
    let startedAt: Instant
    let startedAtWall: Int64
    var machine: RunMachine
    var output: RunOutput
    var process: ProcessID?
    /// nil: the program was not started, the terminal was closed to end the session, or the tree has ended.
    var terminal: Descriptor?
    /// The terminal may have unread bytes.
    var isReadable = false
    /// It is in the queue of readable terminals.
    var isQueued = false
    /// Events of the terminal are not reported, because the system refused it: it is read by time.
    var isUnwatched = false
    var awaitsSubscriber = false
    /// When the timer for output fires; nil: it is not armed.
    var armedOutput: Instant?
    var refusesSignals = false
    /// Processes that are alive when the stop is overdue, as of the last retry. nil: not overdue.
    var remaining: [ProcessDescription]?
    /// Bytes that count for the held output of its command.
    var heldBytes = 0
    var followers: [Token] = []
    /// The last state, once the machine has ended.
    var summary: Snapshot.Run?

    init(
        _ id: RunID, of command: CommandID, _ definition: CommandDefinition, slot: Int, number: UInt32,
        stream: [UInt8], isHeld: Bool, at now: Instant, wall: Int64
    ) {
        self.id = id
        self.command = command
        self.definition = definition
        self.slot = slot
        self.number = number
        self.stream = stream
        startedAt = now
        startedAtWall = wall
        machine = RunMachine(timeout: definition.timeout, stopPlan: definition.stopPlan)
        output = RunOutput(isHeld: isHeld, at: now)
    }
}
