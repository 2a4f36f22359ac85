/// The driver of runs: starts the programs of commands on terminals, performs what `RunMachine` decides, and passes
/// their output to the cable server.
///
/// - Input: requests of the proxy (`handle`), the first subscriber of a stream, exits (from `Supervisor.reapChildren`),
///   readiness of terminals, timers, and the shutdown.
/// - Output: responses (`CommandReply`), messages for streams (`StreamRequest`), log lines.
/// - A run has a *slot* from its start until its last message has left. Then only its `RunTable` knows it.
/// - The ready terminals are read in turn, a bounded number of times per iteration of the event loop: each, and all of
///   them together. One with more to read goes to the end of the queue.
///
/// Invariants: a terminal is open until the process tree has ended and its output is read: closing it would send
/// SIGHUP. What a client sees is posted before the messages that its request causes.
final class CommandRunner<K: Kernel> {
    let reactor: Reactor<K>
    let log: Log
    let trees: ProcessTrees<K>
    let replies: Mailbox<CommandReply>
    let streams: Mailbox<StreamRequest>
    /// The mailbox whose messages make the daemon deliver those of the others.
    let work: Mailbox<BackendRequest>
    var commands = CommandList()
    /// By slot; nil: free.
    var runs: [CommandRun?] = []
    var runCount = 0
    /// Tells the runs of a slot apart.
    private var lastNumber: UInt32 = 0
    var buffer: [UInt8] = []
    /// Runs whose terminals are read in the next iterations of the event loop, in this order.
    var readQueue: [Token] = []
    var share = TerminalShare()
    /// The last run has ended since `takeBecameIdle` was called.
    var becameIdle = false
    /// Variables of every process besides its own.
    var environment: [LaunchCommand.Variable] = []
    /// The signed name of a stream for clients of a cable; nil: the cable has no secret. Set before the first request.
    var signedName: (_ stream: [UInt8], _ cable: String) -> String? = { _, _ in nil }
    private(set) var isShuttingDown = false
    /// The daemon waits for nothing more: terminals are read whatever their cables have to deliver.
    private(set) var isKilling = false
    /// Cables that have too much to deliver: terminals of runs that print to them are not read.
    private(set) var congestedCables: [String] = []

    var kernel: K { reactor.kernel }

    init(
        reactor: Reactor<K>, log: Log, trees: ProcessTrees<K>, replies: Mailbox<CommandReply> = Mailbox(),
        streams: Mailbox<StreamRequest> = Mailbox(), work: Mailbox<BackendRequest> = Mailbox()
    ) {
        self.reactor = reactor
        self.log = log
        self.trees = trees
        self.replies = replies
        self.streams = streams
        self.work = work
    }

    func post(_ reply: CommandReply) {
        replies.post(reply)
        work.post(.commandWork)
    }

    func post(_ request: StreamRequest) {
        streams.post(request)
        work.post(.commandWork)
    }

    // MARK: The configuration

    /// Brings the runner to the configuration. Runs keep their definition. A number is used again only if it
    /// `isUnused`: no request of its earlier command is on its way.
    func update(_ definitions: [CommandDefinition], isUnused: (CommandID) -> Bool) {
        commands.update(definitions, isUnused: isUnused, hasRuns: hasRuns)
    }

    private func hasRuns(of id: CommandID) -> Bool { runs.contains { $0?.command == id } }

    func forgetIfRemoved(_ index: Int) {
        let id = CommandID(index: index)
        commands.forgetIfRemoved(id, hasRuns: hasRuns(of: id))
    }

    // MARK: The start

    func start(
        _ id: CommandID, _ definition: CommandDefinition, _ request: RunRequest, for requester: Token,
        isFollowed: Bool
    ) {
        guard !isShuttingDown else { return refuse(id, .shutdown, RunReply.shuttingDown, requester) }
        if let other = commands.conflict(of: id) {
            return refuse(id, .busy, RunReply.busy(other), requester)
        }
        let runID = RunID(high: kernel.random(), low: kernel.random())
        let stream = definition.stream.name(parameters: request.values, id: runID.text)
        let slot = runs.firstIndex { $0 == nil } ?? runs.count
        if slot == runs.count { runs.append(nil) }
        // 0 is the number of the queue.
        lastNumber = lastNumber == 0xff_ffff ? 1 : lastNumber + 1
        let run = CommandRun(
            runID, of: id, definition, slot: slot, number: lastNumber, stream: stream, isHeld: !isFollowed,
            at: kernel.now(), wall: kernel.wallClock().seconds)
        runs[slot] = run
        runCount += 1
        commands.started(runID, of: id)
        if isFollowed {
            run.followers.append(requester)
            post(.following(runID, requester: requester))
        } else {
            let signed = signedName(stream, definition.cable)
            post(.response(RunReply.started(runID, stream: stream, signedStream: signed), requester: requester))
            run.awaitsSubscriber = true
            post(.awaitSubscriber(cable: definition.cable, stream: stream))
        }
        spawn(run, request)
    }

    func spawn(_ run: CommandRun, _ request: RunRequest) {
        let directory = kernel.absoluteDirectory(of: run.definition.launch)
        let launch = run.definition.launch(request, id: run.id, directory: directory).over(environment)
        do throws(SystemError) {
            let spawned = try kernel.spawnOnTerminal(launch)
            run.process = spawned.process
            run.terminal = spawned.terminal
            trees.began(spawned.process, of: .run(run.slot), stopPlan: run.definition.stopPlan)
            watch(run, spawned.terminal)
            log.record(.runStarted, about(run) + [LogField("pid", spawned.process.number)])
            dispatch(run, .spawned)
        } catch {
            log.record(.runFailed, about(run) + [LogField("detail", error.description)])
            dispatch(run, .spawnFailed)
        }
    }

    func watch(_ run: CommandRun, _ terminal: Descriptor) {
        do throws(SystemError) {
            // Edge-triggered: a program may close its terminal, and open it again.
            try kernel.watch(terminal, for: .edges, as: token(run))
        } catch {
            log(.systemError, LogField("detail", error.description))
            run.isUnwatched = true
        }
    }

    func token(_ run: CommandRun) -> Token {
        Token(CommandRunnerToken.terminal, index: run.slot, generation: run.number)
    }

    func run(for token: Token) -> CommandRun? {
        guard runs.indices.contains(token.index), let run = runs[token.index], run.number == token.generation else {
            return nil
        }
        return run
    }

    // MARK: Events

    /// The leader of a run's tree has exited, and is reaped afterwards.
    func exited(_ slot: Int, _ exit: Exit) {
        guard runs.indices.contains(slot), let run = runs[slot] else { return }
        dispatch(run, .exited(exit))
    }

    func timerFired(_ slot: Int, _ timer: RunTimer) {
        guard runs.indices.contains(slot), let run = runs[slot] else { return }
        guard timer == .output else { return dispatch(run, .timerFired(timer)) }
        run.armedOutput = nil
        if run.isUnwatched, run.terminal != nil { run.isReadable = true }
        read(run)
    }

    func terminalReady(_ token: Token) {
        guard token != Self.queueToken else { return readQueued() }
        guard let run = run(for: token), run.terminal != nil else { return }
        run.isReadable = true
        // Terminals that wait are read first.
        if readQueue.isEmpty { read(run) } else { enqueue(run) }
    }

    func handle(_ reply: StreamReply) {
        switch reply {
        case .subscribed(let cable, let stream):
            for run in runs.compactMap(\.self)
            where run.awaitsSubscriber && run.definition.cable == cable && run.stream == stream {
                run.awaitsSubscriber = false
                run.output.subscribed(at: kernel.now())
                read(run)
            }
        case .congested(let cable): congestedCables.append(cable)
        case .relieved(let cable):
            congestedCables.removeAll { $0 == cable }
            for run in runs.compactMap(\.self) where run.definition.cable == cable { read(run) }
        }
    }

    /// The run's cable has too much to deliver: the terminal fills, and the program waits.
    func isCongested(_ run: CommandRun) -> Bool { !isKilling && congestedCables.contains(run.definition.cable) }

    // MARK: The machine

    func dispatch(_ run: CommandRun, _ event: RunMachine.Event) {
        for effect in run.machine.apply(event, at: kernel.now()) { perform(effect, run) }
        // The daemon may have been out of descriptors when the last process of the tree was reaped.
        if event == .timerFired(.stopStep), run.machine.awaitsTree { trees.lookLater() }
        // Reading may have waited for the end of the tree.
        if run.machine.isDraining { read(run) }
    }

    func perform(_ effect: RunMachine.Effect, _ run: CommandRun) {
        switch effect {
        case .arm(let timer, let instant): reactor.arm(.run(run.slot, timer), at: instant)
        case .disarm(let timer): reactor.disarm(.run(run.slot, timer))
        case .signal(let signal): self.signal(run, signal)
        case .hangUp: hangUp(run)
        case .reportOverdue: reportOverdue(run)
        case .readRest:
            run.isReadable = run.terminal != nil
            run.output.readRest()
        case .end(let outcome): end(run, outcome)
        }
    }

    /// The tree has ended and its output is read; messages may still be under way.
    func end(_ run: CommandRun, _ outcome: RunMachine.Outcome) {
        if let terminal = run.terminal { kernel.close(terminal) }
        run.terminal = nil
        if let process = run.process { trees.ended(process) }
        run.remaining = nil
        run.output.close(RunEndLine.text(outcome, timeout: run.definition.timeout))
        let summary = run.summary(at: kernel.now())
        run.summary = summary
        commands.ended(run.id, of: run.command, outcome, as: summary, at: kernel.now())
        var fields = about(run)
        if let exit = outcome.exit { fields.append(LogField("exit", exit.word)) }
        fields += [
            LogField("ending", outcome.ending.rawValue), LogField("duration_ms", summary.duration.wholeMilliseconds),
        ]
        log.record(.runEnded, fields)
        forgetIfRemoved(run.command.index)
        settle(run)
    }

    // MARK: Log

    func about(_ run: CommandRun) -> [LogField] {
        [LogField("command", run.definition.name), LogField("run", run.id.text)]
    }

    // MARK: The shutdown

    /// Stops all runs. KILL follows at `killAt` at the latest. Output waits for no subscriber any more.
    func shutDown(killAt: Instant) {
        isShuttingDown = true
        for run in runs.compactMap(\.self) {
            run.output.release(at: kernel.now())
            dispatch(run, .shutdownRequested(killAt: killAt))
            read(run)
        }
    }

    /// Sends SIGKILL to all process trees.
    func killAll() {
        (isShuttingDown, isKilling) = (true, true)
        for run in runs.compactMap(\.self) {
            run.output.release(at: kernel.now())
            dispatch(run, .killRequested)
            read(run)
        }
    }

    /// No run is left, and every message has been passed on.
    var isIdle: Bool { runCount == 0 }

    /// Whether messages for this cable may follow.
    func uses(cable name: String) -> Bool { runs.contains { $0?.definition.cable == name } }
}
