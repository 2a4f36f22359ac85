/// Turns the output of children into log lines without blocking the children or the daemon.
///
/// - Readable pipes are queued and read in the next turn within one share for all of them. Lines cost far more than
///   bytes, so a child that prints empty lines must not delay clients.
/// - A pipe with more to read goes to the end of the queue.
/// - At the end of a process its output is read at once. Lines beyond a share are logged in later turns.
extension Supervisor {
    typealias PipePath = WritableKeyPath<SupervisedBackend.Child, SupervisedBackend.OutputPipe>

    /// Lines of an ended process that are still to be logged.
    struct LateOutput {
        let backend: SupervisedBackend
        let path: PipePath
        var lines: OutputLines
    }

    /// Handles an event of a pipe, and the resumption of the queue.
    func outputReady(_ token: Token, isResumed: Bool) {
        guard !isResumed else { return readOutputs() }
        guard let backend = backend(of: token), let child = backend.child else { return }
        let path = Self.pipe(of: token)
        guard !child[keyPath: path].isQueued else { return }
        backend.child?[keyPath: path].isQueued = true
        outputQueue.append(token)
        askForOutputTurn()
    }

    /// Schedules one turn for all pipes.
    private func askForOutputTurn() {
        guard !isOutputTurnAsked,
            let token = outputQueue.first ?? lateOutput.first.map({ Self.token(of: $0) })
        else { return }
        isOutputTurnAsked = true
        reactor.resumeLater(token)
    }

    /// Reads the share of one turn for all children.
    private func readOutputs() {
        isOutputTurnAsked = false
        var share = WorkShare(items: Limits.outputLinesPerTurn, time: Limits.outputTimePerTurn, from: kernel.now())
        let queue = outputQueue
        outputQueue = []
        var served = 0
        while served < queue.count, !share.isUsedUp {
            readQueued(queue[served], &share)
            served += 1
        }
        outputQueue = Array(queue[served...]) + outputQueue
        logLateOutput(&share)
        askForOutputTurn()
    }

    private static func token(of late: LateOutput) -> Token {
        Token(
            late.path == \.errors ? SupervisorToken.errors : .output, index: late.backend.id.index, generation: 0)
    }

    private func backend(of token: Token) -> SupervisedBackend? {
        guard let backend = backends[BackendID(index: token.index)], backend.child != nil,
            backend.machine.generation.number & 0xff_ffff == token.generation
        else { return nil }
        return backend
    }

    private static func pipe(of token: Token) -> PipePath { SupervisorToken(token) == .errors ? \.errors : \.output }

    private func readQueued(_ token: Token, _ share: inout WorkShare) {
        guard let backend = backend(of: token) else { return }
        let path = Self.pipe(of: token)
        backend.child?[keyPath: path].isQueued = false
        guard backend.child?[keyPath: path].descriptor != nil else { return }
        for _ in 0..<Limits.outputReadsPerTurn {
            guard logLines(of: backend, path, &share) else { break }
            guard fillPipeLines(of: backend, path) else { break }
        }
        let hasMore = !logLines(of: backend, path, &share)
        childPrinted(backend)
        // The pipe may be empty, so that no further event comes.
        if hasMore, backend.child?[keyPath: path].isQueued == false {
            backend.child?[keyPath: path].isQueued = true
            outputQueue.append(token)
        }
    }

    /// Logs complete lines. Returns false if the share ended first.
    private func logLines(of backend: SupervisedBackend, _ path: PipePath, _ share: inout WorkShare) -> Bool {
        while backend.child?[keyPath: path].lines.unreadCount ?? 0 > 0 {
            guard share.takeItem(kernel.now) else { return false }
            guard let line = backend.child?[keyPath: path].lines.next() else { return true }
            record(line, of: backend, path)
        }
        return true
    }

    /// Reads once. Returns false if the pipe is empty or closed.
    private func fillPipeLines(of backend: SupervisedBackend, _ path: PipePath) -> Bool {
        guard let descriptor = backend.child?[keyPath: path].descriptor else { return false }
        switch kernel.read(fromPipe: descriptor, into: &buffers) {
        case .bytes(let count):
            backend.child?[keyPath: path].lines.add(buffers.span.extracting(0..<count))
            // The pipe has more bytes or has ended.
            return count == buffers.count
        case .wouldBlock:
            return false
        case .ended, .failed:
            closePipe(of: backend, path)
            return false
        }
    }

    private func record(_ line: String, of backend: SupervisedBackend, _ path: PipePath) {
        let record = logOutput(line, of: backend, path)
        backend.tail.add(record)
    }

    /// Logs a line and passes it to log subscribers. Returns the record as an operator reads it.
    @discardableResult
    private func logOutput(_ line: String, of backend: SupervisedBackend, _ path: PipePath) -> String {
        let stream = path == \.errors ? "stderr" : "stdout"
        log(.output, LogField("service", backend.name), LogField("stream", stream), LogField("line", line))
        let record = outputRecord(line, path)
        // The ID may be another service's by now.
        if backends[backend.id] === backend { replies.post(.printed(backend.id, record)) }
        return record
    }

    private func outputRecord(_ line: String, _ path: PipePath) -> String {
        let clock = kernel.wallClock()
        let time = TimeText.utc(seconds: clock.seconds, nanoseconds: clock.nanoseconds)
        return "\(time) \(path == \.errors ? "stderr" : "stdout") \(line.withoutControls)\n"
    }

    /// Closes a pipe. Bytes read earlier stay in its lines.
    private func closePipe(of backend: SupervisedBackend, _ path: PipePath) {
        guard let descriptor = backend.child?[keyPath: path].descriptor else { return }
        kernel.close(descriptor)
        backend.child?[keyPath: path].descriptor = nil
        var share = endShare()
        finishLines(of: backend, path, &share)
    }

    /// Closes both pipes although other processes may still hold them.
    func closeOutput(of backend: SupervisedBackend) {
        drainOutput(of: backend)
        closePipe(of: backend, \.output)
        closePipe(of: backend, \.errors)
    }

    // MARK: End of a process

    private func endShare() -> WorkShare {
        WorkShare(items: Limits.outputLinesAtEnd, time: Limits.outputTimePerTurn, from: kernel.now())
    }

    /// Logs the last output of a process before its end.
    func drainOutput(of backend: SupervisedBackend) {
        var share = endShare()
        for path: PipePath in [\.output, \.errors] {
            for _ in 0..<Limits.outputReadsAtEnd {
                _ = logLines(of: backend, path, &share)
                guard fillPipeLines(of: backend, path) else { break }
            }
            if logLines(of: backend, path, &share) { continue }
            keepLate(backend, path)
        }
    }

    private func finishLines(of backend: SupervisedBackend, _ path: PipePath, _ share: inout WorkShare) {
        guard logLines(of: backend, path, &share) else { return keepLate(backend, path) }
        if let rest = backend.child?[keyPath: path].lines.takeRest() { record(rest, of: backend, path) }
    }

    /// Keeps lines for later turns. The tail and the failure report get the last lines at once.
    private func keepLate(_ backend: SupervisedBackend, _ path: PipePath) {
        guard let lines = backend.child?[keyPath: path].lines else { return }
        backend.child?[keyPath: path].lines = OutputLines()
        for line in lines.lastLines(Limits.keptOutputLines) { backend.tail.add(outputRecord(line, path)) }
        let kept = lateOutput.reduce(0) { $0 + $1.lines.unreadCount }
        guard kept + lines.unreadCount <= Limits.lateOutputBytes else {
            return log(.logLinesDropped, LogField("service", backend.name), LogField("bytes", lines.unreadCount))
        }
        lateOutput.append(LateOutput(backend: backend, path: path, lines: lines))
        askForOutputTurn()
    }

    private func logLateOutput(_ share: inout WorkShare) {
        while !lateOutput.isEmpty {
            while lateOutput[0].lines.unreadCount > 0 {
                guard share.takeItem(kernel.now) else { return }
                guard let line = lateOutput[0].lines.next() else { break }
                logOutput(line, of: lateOutput[0].backend, lateOutput[0].path)
            }
            var late = lateOutput.removeFirst()
            if let rest = late.lines.takeRest() { logOutput(rest, of: late.backend, late.path) }
        }
    }

    /// Logs the remaining lines at the end of the daemon.
    func finishOutput() {
        var share = WorkShare(items: .max, time: Limits.killGrace, from: kernel.now())
        logLateOutput(&share)
    }
}
