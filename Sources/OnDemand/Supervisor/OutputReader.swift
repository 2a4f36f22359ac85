/// Turns the output of backends' processes into log lines without blocking the processes or the daemon.
///
/// - Input: the pipes of each process (`began`), their readiness, the exit of the leader (`drain`) and the end of the
///   generation (`ended`).
/// - Output: log lines, messages for log subscribers, and the last lines of each backend.
/// - Readable pipes are queued and read in the next turn within one share for all of them. Lines cost far more than
///   bytes, so a process that prints empty lines must not delay clients.
/// - A pipe with more to read goes to the end of the queue.
/// - At the end of a process its output is read at once. Lines beyond a share are logged in later turns.
///
/// Invariants: at most one generation of a backend has pipes. A queued pipe is in the queue once.
final class OutputReader<K: Kernel> {
    private enum Stream: Int, CaseIterable {
        case output, errors

        var name: String { self == .errors ? "stderr" : "stdout" }
        var token: SupervisorToken { self == .errors ? .errors : .output }

        init(_ token: Token) { self = SupervisorToken(token) == .errors ? .errors : .output }
    }

    private struct Pipe {
        /// nil: closed.
        var descriptor: Descriptor?
        var lines = OutputLines()
        /// It is readable and waits for its share of a turn.
        var isQueued = false
    }

    /// The output of one backend. The last lines outlive its processes.
    private final class Source {
        let id: BackendID
        let name: String
        /// The generation of the pipes, as tokens have it.
        var generation: UInt32 = 0
        /// By stream; empty: no generation has pipes.
        var pipes: [Pipe] = []
        var tail = OutputTail()

        init(_ id: BackendID, name: String) { (self.id, self.name) = (id, name) }
    }

    /// Lines of an ended process that are still to be logged.
    private struct LateOutput {
        let source: Source
        let stream: Stream
        var lines: OutputLines
    }

    private let reactor: Reactor<K>
    private let log: Log
    private let replies: Mailbox<BackendReply>
    private var sources: [BackendID: Source] = [:]
    /// Readable pipes in read order.
    private var queue: [Token] = []
    private var isTurnAsked = false
    private var late: [LateOutput] = []
    /// Empty until the first process is started.
    private var buffer: [UInt8] = []

    private var kernel: K { reactor.kernel }

    init(reactor: Reactor<K>, log: Log, replies: Mailbox<BackendReply>) {
        self.reactor = reactor
        self.log = log
        self.replies = replies
    }

    // MARK: Processes

    /// Another process of this backend is about to start.
    func beginGeneration(of id: BackendID) { sources[id]?.tail.beginGeneration() }

    func began(_ id: BackendID, name: String, _ generation: Generation, output: Descriptor, errors: Descriptor) {
        if buffer.isEmpty { buffer = Array(repeating: 0, count: Limits.outputReadBytes) }
        let source = sources[id] ?? Source(id, name: name)
        sources[id] = source
        source.generation = generation.number & 0xff_ffff
        source.pipes = [Pipe(descriptor: output), Pipe(descriptor: errors)]
        for stream in Stream.allCases { watch(source, stream) }
    }

    /// Unwatched output blocks the process when the pipe is full. The start continues nevertheless.
    private func watch(_ source: Source, _ stream: Stream) {
        guard let descriptor = source.pipes[stream.rawValue].descriptor else { return }
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .readable, as: token(of: source, stream))
        } catch {
            log(.systemError, LogField("detail", error.description))
        }
    }

    private func token(of source: Source, _ stream: Stream) -> Token {
        Token(stream.token, index: source.id.index, generation: source.generation)
    }

    /// Closes both pipes although other processes may still hold them.
    func ended(_ id: BackendID) {
        guard let source = sources[id] else { return }
        drain(source)
        for stream in Stream.allCases { close(source, stream) }
        source.pipes = []
    }

    /// Forgets a backend: the ID may be another one's next.
    func forget(_ id: BackendID) { sources[id] = nil }

    // MARK: The last lines

    /// The last lines of a backend's processes.
    func lastLines(of id: BackendID) -> [String] { sources[id]?.tail.lines ?? [] }

    /// The last lines of the current process without line ends, for a failure report.
    func recentOutput(of id: BackendID) -> [String] { sources[id]?.tail.recentOutput ?? [] }

    // MARK: Turns

    /// Handles an event of a pipe, and the resumption of the queue. Calls `printed` for backends whose processes have
    /// printed.
    func ready(_ token: Token, isResumed: Bool, printed: (BackendID) -> Void) {
        guard !isResumed else { return readQueue(printed) }
        guard let source = source(of: token), !source.pipes[Stream(token).rawValue].isQueued else { return }
        source.pipes[Stream(token).rawValue].isQueued = true
        queue.append(token)
        askForTurn()
    }

    /// Schedules one turn for all pipes.
    private func askForTurn() {
        guard !isTurnAsked, let token = queue.first ?? late.first.map({ token(of: $0.source, $0.stream) }) else {
            return
        }
        isTurnAsked = true
        reactor.resumeLater(token)
    }

    /// Reads the share of one turn for all processes.
    private func readQueue(_ printed: (BackendID) -> Void) {
        isTurnAsked = false
        var share = WorkShare(items: Limits.outputLinesPerTurn, time: Limits.outputTimePerTurn, from: kernel.now())
        let tokens = queue
        queue = []
        var served = 0
        while served < tokens.count, !share.isUsedUp {
            if let source = source(of: tokens[served]) {
                read(source, tokens[served], &share, printed)
            }
            served += 1
        }
        queue = Array(tokens[served...]) + queue
        logLate(&share)
        askForTurn()
    }

    private func source(of token: Token) -> Source? {
        guard let source = sources[BackendID(index: token.index)], !source.pipes.isEmpty,
            source.generation == token.generation
        else { return nil }
        return source
    }

    private func read(
        _ source: Source, _ token: Token, _ share: inout WorkShare, _ printed: (BackendID) -> Void
    ) {
        let stream = Stream(token)
        source.pipes[stream.rawValue].isQueued = false
        guard source.pipes[stream.rawValue].descriptor != nil else { return }
        for _ in 0..<Limits.outputReadsPerTurn {
            guard logLines(of: source, stream, &share) else { break }
            guard fill(source, stream) else { break }
        }
        let hasMore = !logLines(of: source, stream, &share)
        printed(source.id)
        // The pipe may be empty, so that no further event comes. The backend may have been stopped meanwhile.
        guard hasMore, self.source(of: token) != nil, !source.pipes[stream.rawValue].isQueued else { return }
        source.pipes[stream.rawValue].isQueued = true
        queue.append(token)
    }

    /// Logs complete lines. Returns false if the share ended first.
    private func logLines(of source: Source, _ stream: Stream, _ share: inout WorkShare) -> Bool {
        while source.pipes[stream.rawValue].lines.unreadCount > 0 {
            guard share.takeItem(kernel.now) else { return false }
            guard let line = source.pipes[stream.rawValue].lines.next() else { return true }
            source.tail.add(logged(line, of: source, stream))
        }
        return true
    }

    /// Reads once. Returns false if the pipe is empty or closed.
    private func fill(_ source: Source, _ stream: Stream) -> Bool {
        guard let descriptor = source.pipes[stream.rawValue].descriptor else { return false }
        switch kernel.read(fromPipe: descriptor, into: &buffer) {
        case .bytes(let count):
            source.pipes[stream.rawValue].lines.add(buffer.span.extracting(0..<count))
            // The pipe has more bytes or has ended.
            return count == buffer.count
        case .wouldBlock:
            return false
        case .ended, .failed:
            close(source, stream)
            return false
        }
    }

    /// Logs a line and passes it to log subscribers. Returns the record as an operator reads it.
    private func logged(_ line: String, of source: Source, _ stream: Stream) -> String {
        log(.output, LogField("service", source.name), LogField("stream", stream.name), LogField("line", line))
        let record = record(of: line, stream)
        // The ID may be another backend's by now.
        if sources[source.id] === source { replies.post(.printed(source.id, record)) }
        return record
    }

    private func record(of line: String, _ stream: Stream) -> String {
        let clock = kernel.wallClock()
        let time = TimeText.utc(seconds: clock.seconds, nanoseconds: clock.nanoseconds)
        return "\(time) \(stream.name) \(line.withoutControls)\n"
    }

    /// Closes a pipe. Bytes read earlier stay in its lines.
    private func close(_ source: Source, _ stream: Stream) {
        guard let descriptor = source.pipes[stream.rawValue].descriptor else { return }
        kernel.close(descriptor)
        source.pipes[stream.rawValue].descriptor = nil
        var share = endShare()
        guard logLines(of: source, stream, &share) else { return keepLate(source, stream) }
        if let rest = source.pipes[stream.rawValue].lines.takeRest() {
            source.tail.add(logged(rest, of: source, stream))
        }
    }

    // MARK: The end of a process

    private func endShare() -> WorkShare {
        WorkShare(items: Limits.outputLinesAtEnd, time: Limits.outputTimePerTurn, from: kernel.now())
    }

    /// Logs the last output of a process before its end.
    func drain(_ id: BackendID) {
        if let source = sources[id] { drain(source) }
    }

    private func drain(_ source: Source) {
        guard !source.pipes.isEmpty else { return }
        var share = endShare()
        for stream in Stream.allCases {
            for _ in 0..<Limits.outputReadsAtEnd {
                _ = logLines(of: source, stream, &share)
                guard fill(source, stream) else { break }
            }
            if !logLines(of: source, stream, &share) { keepLate(source, stream) }
        }
    }

    /// Keeps lines for later turns. The tail and the failure report get the last lines at once.
    private func keepLate(_ source: Source, _ stream: Stream) {
        let lines = source.pipes[stream.rawValue].lines
        source.pipes[stream.rawValue].lines = OutputLines()
        for line in lines.lastLines(Limits.keptOutputLines) { source.tail.add(record(of: line, stream)) }
        let kept = late.reduce(0) { $0 + $1.lines.unreadCount }
        guard kept + lines.unreadCount <= Limits.lateOutputBytes else {
            return logDropped(lines, of: source)
        }
        late.append(LateOutput(source: source, stream: stream, lines: lines))
        askForTurn()
    }

    private func logLate(_ share: inout WorkShare) {
        while !late.isEmpty {
            while late[0].lines.unreadCount > 0 {
                guard share.takeItem(kernel.now) else { return }
                guard let line = late[0].lines.next() else { break }
                _ = logged(line, of: late[0].source, late[0].stream)
            }
            var ended = late.removeFirst()
            if let rest = ended.lines.takeRest() { _ = logged(rest, of: ended.source, ended.stream) }
        }
    }

    /// Logs the remaining lines at the end of the daemon, and how much the time did not suffice for.
    func finish() {
        var share = WorkShare(items: .max, time: Limits.killGrace, from: kernel.now())
        logLate(&share)
        for rest in late { logDropped(rest.lines, of: rest.source) }
        late = []
    }

    private func logDropped(_ lines: OutputLines, of source: Source) {
        log(.logLinesDropped, LogField("service", source.name), LogField("bytes", lines.unreadCount))
    }
}
