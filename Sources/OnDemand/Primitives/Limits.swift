/// Limits of the daemon that are not configurable: value, unit, reason, and what the peer gets.
enum Limits {
    // MARK: Sockets

    /// Idle time of a socket before the first keepalive probe. Below 30 s, after which a phone network's address
    /// translation may drop an idle connection.
    static let keepAliveIdle: Duration = .seconds(15)
    static let keepAliveInterval: Duration = .seconds(5)
    static let keepAliveProbes: Int32 = 3
    /// Unacknowledged data or unanswered probes for this long close the connection (tcp(7), TCP_USER_TIMEOUT). The sum
    /// of the three keepalive numbers.
    static let peerSilence: Duration = .seconds(30)

    // MARK: Relaying

    /// Size of one read, unless the kernel reports that the sink accepts more at once. It therefore bounds the bytes in
    /// user space per direction, as long as the kernel's report is right (docs/decisions/0003).
    static let readBufferBytes = 64 * 1024
    /// Reads per connection, direction and iteration of the event loop; the rest waits, so that no connection starves.
    static let readsPerTurn = 4
    /// Reads of ordinary size per iteration. A direction whose sink accepted them all is a bulk transfer and gets a
    /// read as large as the sink accepts.
    static let ordinaryReadsPerTurn = 3
    /// Size of a bulk read: large reads need fewer wake-ups, and more than this gains nothing. No tunnel holds more.
    static let largeReadBytes = 512 * 1024
    /// Frames cost more than bytes, and 64 KiB may hold 10,000. After a read with more frames, the next reads are
    /// small, one per direction and iteration, until frames are larger again.
    static let framesPerRead = 512
    static let smallReadBytes = 4 * 1024
    static let smallFrameBytes = 32
    /// Interim responses (RFC 9110, 15.2) in one read; more get 502.
    static let interimAnswersPerRead = 32
    /// Connections per iteration that continue after they used up their share; connections that have just become ready
    /// go first.
    static let resumedPerTurn = 256
    static let resumedTimePerTurn: Duration = .milliseconds(4)
    /// Steps of an exchange after which the clock is read, and its time limit from there; most requests need fewer
    /// steps.
    static let stepsBeforeClock = 16
    static let conversationTimePerTurn: Duration = .milliseconds(1)
    /// Runs of such steps per iteration: a request that another driver answers takes two.
    static let runsPerTurn = 2
    /// Accepted connections per listener and iteration, for the same reason.
    static let acceptsPerTurn = 64
    /// Pause of a listener after the process ran out of descriptors or memory.
    static let acceptPause: Duration = .milliseconds(100)
    /// First pause before a listener that was shut down from outside is reopened; it doubles up to the second value.
    /// Its address may belong to another program by then.
    static let reopenPauseFirst: Duration = .milliseconds(100)
    static let reopenPauseLongest: Duration = .seconds(30)
    /// Idle connections that are closed when descriptors run out: enough for a burst, few enough that most browsers
    /// keep theirs.
    static let idleLinksClosedForRoom = 16

    /// When this many connections have closed, or tunnels have opened, or clients of cables have come or left, and no
    /// more follow, freed memory is returned to the system.
    static let manyConnections = 256
    /// Time without such a number of them before that; more would need the pages again.
    static let memoryTrimPause: Duration = .seconds(1)
    /// Fields of a response head; more get 502. Twice the default of requests.
    static let responseFields = 256
    /// Bytes discarded from a client that still sends although its response is complete, and total bytes of a client
    /// that only listens. Enough that a browser's upload does not destroy the response by a reset (RFC 9112, 9.6); more
    /// closes the connection.
    static let lingerBytes = 1024 * 1024
    /// Steps of an exchange per iteration, for the same reason; far more than a request needs.
    static let stepsPerTurn = 64

    /// Concurrent 503 rejections of connections over a limit; further ones are closed at once, because each holds a
    /// descriptor.
    static let rejectionsAtOnce = 64
    /// Distinct close codes counted per service: all registered ones, and some.
    static let closeCodesCounted = 32

    /// Stack of a worker thread: a dozen calls deep, with buffers elsewhere. Only touched pages use memory.
    static let threadStackBytes = 512 * 1024

    // MARK: Status

    /// Interval of updates of ages and memory to status streams; without streams there are none.
    static let statusRefresh: Duration = .seconds(1)
    /// Changes within this time are sent together.
    static let statusBurst: Duration = .milliseconds(50)
    /// Displayed bytes of a path and a user agent.
    static let shownBytes = 200
    /// Length of `status.token`: not guessable, and small enough for any head.
    static let statusTokenBytes = 16...256

    /// Log lines about wrong tokens per interval; the rest is counted in the next line. Enough to notice guessing, too
    /// few to fill a disk.
    static let unauthorizedLogLines = 10
    static let unauthorizedLogWindow: Duration = .seconds(60)

    // MARK: History

    /// State changes kept per service and day; the oldest are dropped first. A service that wakes every 5 min with four
    /// changes needs 1152.
    static let historyIntervals = 1200
    /// The same for all services in the file, which stays below the 1 MiB that is read back.
    static let historyIntervalsKept = 30_000
    /// Minimum pause between writes of the history file, which may be 1 MiB of text.
    static let historyPause: Duration = .seconds(60)

    // MARK: Files

    /// Bytes of `env_file`; more is an error, as for the configuration itself (`JSONReader.byteLimit`).
    static let environmentFileBytes = 1024 * 1024
    /// How long a configuration that is a pipe may be silent before it is an error: enough for a program that writes
    /// one, short enough for a waiting service manager.
    static let pipePatience: Duration = .seconds(10)

    // MARK: Log

    /// Bytes that wait for a slow log reader; further lines are dropped and counted. A burst of output fits in.
    static let logBacklogBytes = 1024 * 1024
    /// Backlog lines written per iteration: about 1 ms of work with a fast reader.
    static let logLinesPerFlush = 500
    /// The first and the longest pause before a backlog is retried.
    static let logRetryFirst: Duration = .milliseconds(5)
    static let logRetryLongest: Duration = .seconds(1)
    /// Consecutive failed attempts before a log reader is not retried until there are new lines: about 30 s.
    static let logRetries = 40
    /// Log lines per second about connections that the daemon closes, per service and thread, with the same burst. It
    /// limits floods by hostile clients.
    static let linesPerSecond = 10

    // MARK: Waiting for peers

    /// From the first byte of a head to its end; then 408 and close.
    static let headerTimeout: Duration = .seconds(10)
    /// Idle time of a connection between requests; then it is closed (RFC 9112, 9.5).
    static let keepAliveTimeout: Duration = .seconds(75)
    /// How long a backend's connection waits for the next request of its client. Below the keep-alive timeouts of
    /// servers (gunicorn 2 s, Node 5 s, Puma 20 s), so that a server rarely closes it under a request. Enough for a
    /// page with its resources, and short for servers that dedicate a worker to each connection.
    static let upstreamKeepAlive: Duration = .seconds(1)
    /// Longest pause within a request body; then 408.
    static let bodyTimeout: Duration = .seconds(30)
    /// From the last byte of a request to the end of the response head; then 504.
    static let responseTimeout: Duration = .seconds(60)
    /// From connect to connected; then 504. A ready backend accepts at once unless its queue is full.
    static let connectTimeout: Duration = .seconds(5)
    /// Pause before a connect to a Unix socket with a full queue is retried: it fails at once and sends no event
    /// (unix(7)).
    static let connectRetryPause: Duration = .milliseconds(10)
    /// Time without progress after which a client that has ended its direction behind a complete request is gone, if
    /// its system has acknowledged everything. nginx waits 0 s. This serves clients that only close their sending side
    /// (shutdown(2), `nc -N`), if the response begins soon.
    static let departureTimeout: Duration = .seconds(1)
    /// Reading and discarding after our last byte, so that a reset does not destroy the response (RFC 9112, 9.6).
    static let lingerTimeout: Duration = .seconds(2)

    /// From our close frame to the client's, or from the request for one to the end of the backend's current frame;
    /// then the connection closes without it (RFC 6455, 7.1.1).
    static let closeTimeout: Duration = .seconds(2)
    /// KiB that are read and discarded behind the close frame of a failed connection, so that a reset does not destroy
    /// the frame. More than is in flight at one time; then the connection is closed.
    static let discardedKibibytes = 1024
    /// Longest time in which a client reads nothing of a response. Also the longest time without progress in a tunnel
    /// of which one side has ended.
    static let sendTimeout: Duration = .seconds(10)

    // MARK: Control

    /// Timeout of the command line for an immediate response of the daemon (exit code 69).
    static let controlTimeout: Duration = .seconds(10)
    /// Interval of the elapsed time on a terminal.
    static let progressPause: Duration = .milliseconds(100)

    // MARK: Supervision

    /// Time between TERM and KILL for processes that a killed daemon left behind.
    static let orphanTimeout: Duration = .seconds(2)
    /// Delay from a change of a process tree to the message to the guard, and to the start of the guard. It combines
    /// changes, and a program that is ready at once is not delayed. Until then only the mark protects
    /// (docs/decisions/0009).
    static let guardDelay: Duration = .milliseconds(20)
    /// Pause from the end of a guard, or a failure to start or message it, to the next attempt.
    static let guardPause: Duration = .seconds(1)
    /// Exits of processes that are handled in one iteration, and the time for them: each may begin a stop plan. The
    /// rest follow in later iterations.
    static let exitsPerTurn = 64
    static let exitTimePerTurn: Duration = .milliseconds(2)
    /// Timeout of a probe before it is retried.
    static let probeTimeout: Duration = .seconds(1)
    /// Timeout from the connection to the response of a probe. Longer than the first request of an application that
    /// loads its code on demand; retrying would only queue more requests.
    static let probeResponseTimeout: Duration = .seconds(5)
    /// Attempts to choose a port: one may be reserved for another backend that has not bound it yet.
    static let portChoices = 8
    /// Messages to a notify socket per iteration, and the time for them: each may need a lookup of the backend's
    /// processes.
    static let notificationsPerTurn = 16
    static let notificationTimePerTurn: Duration = .milliseconds(2)
    /// Foreign senders to a backend's notify socket that are remembered per start; any user can create many.
    static let foreignSendersKept = 64
    /// Returns of one request to the queue because of a missing listener. The pause grows to 50 ms, so this exceeds any
    /// start; it ends the loop where a system refuses connections to a listener.
    static let returnsToQueue = 1000
    /// Connections drained from the accept queue of an ended generation; the system's default limit per listener
    /// (listen(2), somaxconn).
    static let queueLeftovers = 4096
    /// One read of a probe's response, of which `readsPerTurn` are more than any response has.
    static let probeReadBytes = 64 * 1024
    /// One message to a notify socket, as service managers take it. The rest of a longer one is dropped.
    static let notificationBytes = 4 * 1024
    /// Bytes of a probe's response without a complete head; more fail the probe.
    static let probeAnswerBytes = 64 * 1024
    /// Time after the last step of a stop plan in which KILL is repeated; then the stop is overdue, and requests that
    /// wait for it are refused. A process that survives it hangs in the kernel or may not be signalled.
    static let stopGrace: Duration = .seconds(5)
    /// Bytes read of a script that cannot be run: the longest interpreter line (execve(2)).
    static let scriptLineBytes = 256
    /// Processes named in a log line or the status when they do not exit.
    static let namedProcesses = 16
    /// Interval of KILLs of an overdue stop.
    static let overdueStopRetry: Duration = .seconds(10)
    /// Requests that arrive in this last part of a backoff are queued for the next start. One crash of a young backend
    /// is then a slow response and no error page.
    static let queuedRest: Duration = .seconds(2)
    /// A crash after this time of being ready restarts without a backoff.
    static let stableUptime: Duration = .seconds(10)
    /// Bytes of a backend's output per log line; longer lines are split.
    static let outputLineBytes = 2048
    /// Reads per output pipe and iteration: output never delays the connections.
    static let outputReadsPerTurn = 4
    /// Lines of output per iteration of all processes, and the time for them. A line costs about 10 us, and clients
    /// wait at most a few milliseconds for output. The rest is read in later iterations.
    static let outputLinesPerTurn = 256
    static let outputTimePerTurn: Duration = .milliseconds(2)
    /// Lines of the last output logged before the exit of the process; more follow in later iterations.
    static let outputLinesAtEnd = 256
    /// Unlogged last output of all exited processes; more is dropped and counted in the log.
    static let lateOutputBytes = 4 * 1024 * 1024
    /// One read of a backend's output: the default size of a pipe (pipe(7)).
    static let outputReadBytes = 64 * 1024
    /// Last lines of a backend's output that an operator can read, by number and by size: one or two stack traces.
    static let keptOutputLines = 200
    static let keptOutputBytes = 64 * 1024
    /// Last lines of output that a failure includes, by number and by size: the head of a stack trace, in one log line.
    static let failureOutputLines = 20
    static let failureOutputBytes = 4 * 1024
    /// Reads of a backend's output after its exit, while other processes may still write to it.
    static let outputReadsAtEnd = 16
    /// Extra time of a shutdown after the longest stop plan.
    static let shutdownGrace: Duration = .seconds(5)
    /// Time from the final KILL of all processes to the daemon's exit.
    static let killGrace: Duration = .seconds(1)

    // MARK: Demonstration

    /// Startup time of the demonstration's backend: long enough to be visible.
    static let demoStartup: Duration = .milliseconds(1500)
    /// Interval of its pings, as with Action Cable.
    static let demoPing: Duration = .seconds(3)
    /// Connections to the demonstration's backend; more get 503. Each browser window needs one.
    static let demoConnections = 64
    /// Bytes of a message to it, which it stores until it is complete; a longer one is closed with 1009.
    static let demoMessageBytes = 16 * 1024
}
