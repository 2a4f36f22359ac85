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

    // MARK: Cables

    /// A stream's name is kept for each subscription; what applications make of models and tenants is shorter by far.
    /// A longer one is rejected, in a broadcast with 400.
    static let streamNameBytes = 1024
    /// A name of that length, escaped as JSON and in Base64, with its envelope and signature. A longer one is rejected
    /// before any digest is computed.
    static let signedStreamNameBytes = 10 * 1024
    /// An identifier is kept for each subscription; the longest signed name fits in, with attributes. A longer one is
    /// rejected.
    static let cableIdentifierBytes = 16 * 1024
    /// Messages of a stream that wait together and leave as one buffer. A larger buffer would not save system calls
    /// worth the name, and a client that takes a part of it keeps all of it in memory.
    static let cableBatchBytes = 64 * 1024
    /// Messages of such a buffer: each is written with the identifier of its subscription, which a client may make as
    /// long as `cableIdentifierBytes`.
    static let cableBatchMessages = 64
    /// Recipients of one stream before another stream has its turn: about a quarter of a millisecond.
    static let cableDeliveriesPerTurn = 64
    /// Bytes that cost as much as one more recipient.
    static let cableBytesPerDelivery = 16 * 1024
    /// Wake-ups for pings in a second, for any number of clients.
    static let cablePingsPerSecond = 8
    /// Slots of the longest ping interval: 30 s at that rate.
    static let cablePingSlots = 240
    /// TurboCable clients are looked at this often: pinged every third time, and ended when they were silent.
    static let turboCableLookInterval: Duration = .seconds(10)
    static let turboCableLooksPerPing = 3
    /// A TurboCable client that has sent nothing for this long is gone: its own server's limit.
    static let turboCableSilence: Duration = .seconds(60)

    /// One read of a cable's client, of its upstream or from Redis. One with small frames may hold thousands.
    static let sessionReadBytes = 16 * 1024
    /// Reads of one client in an iteration of the event loop; the rest is read in the next one.
    static let sessionReadsPerTurn = 4
    /// Messages of a client or upstream that are handled in one step, which is at most half a millisecond of work: a
    /// message may cost a system call, or a comparison with all subscriptions of its client.
    static let sessionMessagesPerStep = 32
    /// Steps of all clients and upstreams that became ready in an iteration, and the time for them. Further ones are
    /// resumed in the next iteration, within `resumedTimePerTurn`, each with one step.
    static let sessionStepsPerTurn = 64
    static let sessionTimePerTurn: Duration = .milliseconds(2)
    /// Deliveries in one iteration of the event loop: other clients wait no longer for a broadcast to many.
    static let cableDeliveryTime: Duration = .milliseconds(2)
    /// Clients that a shutdown or a removed cable disconnects are spread over steps of this length.
    static let cableDrainStep: Duration = .milliseconds(125)

    /// How long `broadcast.key` is: what cannot be guessed, and fits into any head.
    static let accessKeyBytes = 16...1024

    // MARK: Commands

    /// A parameter of a run, in bytes: names of databases and numbers of records are shorter by far. A longer one gets
    /// 400.
    static let commandParameterBytes = 1...128
    /// The name of a parameter; it becomes the name of an environment variable.
    static let commandParameterNameBytes = 1...64
    /// The ID of a run: 128 random bits in Base64 for URLs, without padding.
    static let runIDBytes = 22
    /// The body of a request for a run: all parameters that a command may have, with some room. A larger one gets 413.
    static let commandBodyBytes: UInt64 = 64 * 1024
    /// Ended runs of one command that are known, and for how long: a page asks for the result at once. Beyond it 404.
    static let keptRuns = 20
    static let keptRunTime: Duration = .seconds(600)
    /// `Retry-After` of a request for a run while the daemon shuts down.
    static let runRetry: Duration = .seconds(5)
    /// Output waits this long for the first subscriber of its stream: a page has to load. Then it flows.
    static let firstSubscriberTimeout: Duration = .seconds(10)
    /// Output that waits for it. Beyond it the terminal is not read, and the program waits when it is full.
    static let heldOutputBytes = 64 * 1024
    /// Bytes of an ended program that are read beyond that; the kernel keeps less in a terminal.
    static let terminalRestBytes = 128 * 1024
    /// Output in one message. A longer one is cut.
    static let commandMessageBytes = 16 * 1024
    /// Between two messages that are not full: 20 in a second, as fast as a person sees changes.
    static let commandMessagePause: Duration = .milliseconds(50)
    /// Output of one run that is read per second, and what may be read at once; beyond it the program waits. A browser
    /// shows less.
    static let commandOutputRate = 4 * 1024 * 1024
    static let commandOutputBurst: Duration = .microseconds(62_500)
    /// Output that waits for an operator who follows a run: one second of it. A follower that does not keep up is
    /// disconnected, and the run goes on.
    static let followedOutputBytes = 4 * 1024 * 1024
    /// One read of a terminal; the kernel returns a quarter of it at most.
    static let terminalReadBytes = 16 * 1024
    /// Reads of one terminal and of all in an iteration of the event loop; the rest is read in later iterations. All of
    /// them have `outputTimePerTurn` besides.
    static let terminalReadsPerTurn = 16
    static let allTerminalReadsPerTurn = 64
    /// The size of a run's terminal: what programs expect that know no other.
    static let terminalColumns: UInt16 = 80
    static let terminalRows: UInt16 = 24
    /// A shutdown sends KILL to runs this long before its drain time is over, or at a quarter of that time before, if
    /// that is shorter: their last messages have to leave.
    static let runKillLead: Duration = .seconds(1)

    // MARK: Hibernation

    /// A client's request head as it is kept for later connections to the backend; the daemon's default for a head. A
    /// client with a longer one is connected to the backend without the daemon between them.
    static let storedRequestBytes = 16 * 1024
    /// Subscriptions of a cable whose memory later clients with the same one share, and the longest of them: together
    /// they take no more than 32 KiB.
    static let sharedCopies = 64
    static let sharedCopyBytes = 512
    /// Commands of one client that wait while the backend starts. Beyond it the client is asked to reconnect.
    static let queuedCommands = 64
    static let queuedCommandBytes = 256 * 1024
    /// Of a wake, from its cause until its commands are sent. Beyond it the client is asked to reconnect.
    static let wakeTimeout: Duration = .seconds(30)
    /// Connections to one backend that are made again at the same time: accepting a client often costs it a query.
    static let restoresAtOnce = 50
    /// Between two attempts to connect to a backend that has just started.
    static let redialPause: Duration = .milliseconds(250)
    /// A connection that the backend ends before has not worked. The next attempt follows after `redialPause`; after so
    /// many of them in a row the client is asked to reconnect.
    static let shortUpstream: Duration = .seconds(1)
    static let shortUpstreams: UInt8 = 5
    /// Unsent bytes in front of a backend or a client; beyond it the other side is not read.
    static let relayQueueBytes = 64 * 1024
    /// One message of a backend. Beyond it the client is asked to reconnect.
    static let upstreamMessageBytes = 16 * 1024 * 1024
    /// The response head of a backend to a connection that is made again.
    static let upstreamResponseBytes = 64 * 1024
    /// Of a channel's name in the status; class names are shorter, and a client may send any text.
    static let shownChannelBytes = 64
    /// Reasons that the status names for what keeps a backend awake.
    static let shownStateReasons = 16
    /// Identifiers that are read for it; beyond it subscriptions are counted without the name of their channel.
    static let readStateReasons = 1024
    /// How often the age of clients and the silence of backends are looked at.
    static let cableRelayLook: Duration = .seconds(3)
    /// A backend that crashes has delivered what Redis had published this long before. What came later may be missing,
    /// and its clients are asked to reconnect.
    static let crashGap: Duration = .seconds(2)
    /// A backend that has pinged and then sends nothing for three of its intervals, and at least for this long, is gone
    /// (Action Cable pings every 3 s).
    static let upstreamSilence: Duration = .seconds(9)
    /// The same for a backend that has pinged once, so that its interval is not known, and for one that has accepted a
    /// client and has sent nothing: twice the longest interval that servers use.
    static let upstreamFirstSilence: Duration = .seconds(60)

    // MARK: Redis

    /// One reply, however many parts it has: far above any message that a browser is sent. Beyond it the connection is
    /// closed, which counts as a gap.
    static let redisReplyBytes = 16 * 1024 * 1024
    /// A status, an error or a number; Redis writes none that is longer than a few hundred bytes. Then as above.
    static let redisLineBytes = 64 * 1024
    /// Items of one array. Replies to the daemon's commands have four at most. Then as above.
    static let redisArrayItems = 1024
    /// Arrays inside each other; the daemon asks for nothing that has two levels. Then as above.
    static let redisArrayDepth = 4
    /// Timeout of a connection attempt, and of a PING; then the connection is closed.
    static let redisTimeout: Duration = .seconds(5)
    /// Interval of PINGs: a suspended server does not close its connections.
    static let redisLookInterval: Duration = .seconds(5)
    /// The first and the longest delay before a failed connection is tried again.
    static let redisRetryFirst: Duration = .milliseconds(100)
    static let redisRetryLongest: Duration = .seconds(5)
    /// The publishing connection without subscribers waits this long for the next broadcast.
    static let redisLinger: Duration = .seconds(10)
    /// Replies in one read that end the turn of a connection: a read holds up to 400 small messages, and each costs a
    /// few microseconds.
    static let redisRepliesPerTurn = 64
    /// Channels of one SUBSCRIBE command: a few round trips for thousands, and no command of a megabyte.
    static let redisChannelsPerCommand = 100
    /// Messages that wait for the connection; beyond it they are delivered here only.
    static let redisWaitingBytes = 8 * 1024 * 1024

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
