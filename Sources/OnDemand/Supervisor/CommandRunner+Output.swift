/// Reads the terminals of runs in turn, and passes their output to the cable server and to followers.
extension CommandRunner {
    /// Stands for the queue of readable terminals.
    static var queueToken: Token { Token(CommandRunnerToken.terminal, index: 0, generation: 0) }

    func enqueue(_ run: CommandRun) {
        guard !run.isQueued else { return }
        run.isQueued = true
        readQueue.append(token(run))
        reactor.resumeLater(Self.queueToken)
    }

    func readQueued() {
        let queue = readQueue
        readQueue = []
        var served = 0
        while served < queue.count, mayRead() {
            let run = run(for: queue[served])
            run?.isQueued = false
            if let run { read(run) }
            served += 1
        }
        readQueue = queue[served...] + readQueue
        if !readQueue.isEmpty { reactor.resumeLater(Self.queueToken) }
    }

    /// Reads what may be read now, and passes it on.
    func read(_ run: CommandRun) {
        guard !run.isQueued else { return settle(run) }
        if buffer.isEmpty { buffer = Array(repeating: 0, count: Limits.terminalReadBytes) }
        var reads = 0
        while run.isReadable, !isCongested(run), let terminal = run.terminal {
            let room = run.output.room(at: kernel.now())
            guard room > 0 else { break }
            guard reads < Limits.terminalReadsPerTurn, mayRead() else {
                enqueue(run)
                break
            }
            reads += 1
            switch kernel.read(fromTerminal: terminal, into: &buffer, atMost: min(room, buffer.count)) {
            case .bytes(let count):
                run.output.append(buffer.span.extracting(0..<count), at: kernel.now())
                if run.output.room(at: kernel.now()) == 0 { send(run) }
            case .wouldBlock, .ended, .failed: run.isReadable = false
            }
        }
        // Without a process nothing is written any more, but by one of another tree that holds the terminal.
        if run.machine.isDraining, !run.isReadable || run.output.isRestRead { return dispatch(run, .outputRead) }
        settle(run)
    }

    private func mayRead() -> Bool { share.takeRead(in: reactor.turn, kernel.now) }

    /// Passes messages on and arms the timer of the next one. The run may be over then.
    func settle(_ run: CommandRun) {
        send(run)
        boundHeldOutput(run)
        guard !run.output.hasEnded else { return finish(run) }
        let mayRead = !isCongested(run)
        var next = run.output.deadline(wantsToRead: run.isReadable && !run.isQueued && mayRead, at: kernel.now())
        if run.isUnwatched, run.terminal != nil, mayRead {
            let look = kernel.now() + Limits.commandMessagePause
            next = min(next ?? look, look)
        }
        guard next != run.armedOutput else { return }
        run.armedOutput = next
        if let next {
            reactor.arm(.run(run.slot, .output), at: next)
        } else {
            reactor.disarm(.run(run.slot, .output))
        }
    }

    func send(_ run: CommandRun) {
        while let message = run.output.next(at: kernel.now()) {
            switch message {
            case .text(let text):
                post(.publish(cable: run.definition.cable, stream: run.stream, text: text))
                for follower in run.followers { post(.output(text, requester: follower)) }
            case .end:
                post(.publish(cable: run.definition.cable, stream: run.stream, text: RunOutput.endText))
            }
        }
    }

    /// Frees the slot: the last message has left.
    func finish(_ run: CommandRun) {
        guard runs.indices.contains(run.slot), runs[run.slot] === run, let summary = run.summary else { return }
        for follower in run.followers { post(.followEnded(summary, requester: follower)) }
        reactor.disarm(.run(run.slot, .output))
        runs[run.slot] = nil
        let isAwaited = runs.contains {
            $0?.awaitsSubscriber == true && $0?.stream == run.stream && $0?.definition.cable == run.definition.cable
        }
        forgetIfRemoved(run.command.index)
        if run.awaitsSubscriber, !isAwaited { post(.forget(cable: run.definition.cable, stream: run.stream)) }
        runCount -= 1
        guard runCount == 0 else { return }
        (runs, buffer, readQueue) = ([], [], [])
        becameIdle = true
    }

    /// Returns whether the last run has ended since the last call: memory may be returned to the system.
    func takeBecameIdle() -> Bool {
        defer { becameIdle = false }
        return becameIdle
    }
}
