/// Every bound the daemon keeps that is not configuration: value, unit, reason, and what the peer gets.
enum Limits {
    // MARK: Sockets

    /// Silence on a socket before the first keepalive probe. Shorter than the 30 s after which a phone's network
    /// address translation may forget a quiet connection.
    static let keepAliveIdle: Duration = .seconds(15)
    static let keepAliveInterval: Duration = .seconds(5)
    static let keepAliveProbes: Int32 = 3
    /// Unacknowledged data or unanswered probes for this long: the peer is gone and its connection is closed
    /// (tcp(7), TCP_USER_TIMEOUT). The sum of the three keepalive numbers.
    static let peerSilence: Duration = .seconds(30)

    // MARK: Relaying

    /// One read takes at most this much, unless the kernel says that it takes more from us at once: so no direction of
    /// a connection holds more than this in user space, as long as the kernel keeps its word
    /// (docs/decisions/0003-use-a-large-buffer-for-bulk-transfers.md).
    static let readBufferBytes = 64 * 1024
    /// Reads per connection, direction and turn; the rest waits for the next turn so that nobody starves.
    static let readsPerTurn = 4
    /// So many reads of a turn are of the ordinary size. Whose other side took them whole is in full flow, and gets as
    /// large a one as is taken at once.
    static let ordinaryReadsPerTurn = 3
    /// In bulk the size of a read is the whole story: everybody is woken less often. Beyond this nothing is won.
    /// Whatever the kernel says, no tunnel holds more than this.
    static let largeReadBytes = 512 * 1024
    /// Frames cost more than bytes, and 64 KiB may hold ten thousand. After a read with more than this, the next ones
    /// are small, one per direction and turn, until frames are larger again.
    static let framesPerRead = 512
    static let smallReadBytes = 4 * 1024
    static let smallFrameBytes = 32
    /// Interim responses (RFC 9110, 15.2) that come in one read. No server has more to say at once; then 502.
    static let interimAnswersPerRead = 32
    /// Connections that used up their share of a turn are given another one in the next, all of them together for so
    /// long; others that have just become ready go first.
    static let resumedPerTurn = 256
    static let resumedTimePerTurn: Duration = .milliseconds(4)
    /// Steps of one conversation after which the clock is looked at, and how long it may go on from there: most
    /// requests never get that far.
    static let stepsBeforeClock = 16
    static let conversationTimePerTurn: Duration = .milliseconds(1)
    /// Accepted per listener and turn, for the same reason.
    static let acceptsPerTurn = 64
    /// A listener rests this long after the process ran out of descriptors or memory, instead of spinning.
    static let acceptPause: Duration = .milliseconds(100)
    /// A listener that was shut down from outside is opened again after the first of these, then twice as long each
    /// time, up to the second: its address may be another program's by now.
    static let reopenPauseFirst: Duration = .milliseconds(100)
    static let reopenPauseLongest: Duration = .seconds(30)
    /// When descriptors run out, so many connections that wait for a next request are closed to make room: enough for a
    /// burst, few enough that most browsers keep theirs.
    static let idleLinksClosedForRoom = 16

    /// When the last of so many connections has ended, the memory that they took goes back to the system; and so does
    /// what opening so many tunnels needed, once no more come.
    static let crowd = 256
    /// How long no such number of tunnels has opened before that: the pages come back for the next ones.
    static let memoryTrimPause: Duration = .seconds(1)
    /// Fields of a backend's response head; beyond it 502. Twice what a client may send by default, and no page of a
    /// real application comes near it.
    static let responseFields = 256
    /// Bytes discarded of a client that still sends although its answer is complete, and what one that only listens
    /// may send: enough that an answer is not destroyed by a reset (RFC 9112, 9.6) while a browser's upload is on its
    /// way. Then the connection ends at once.
    static let lingerBytes = 1024 * 1024
    /// Steps of one conversation per turn, for the same reason; far more than any request needs.
    static let stepsPerTurn = 64

    /// Clients that are told at one moment that there are too many of them; more are closed without a word, because
    /// telling takes a descriptor for a while.
    static let rejectionsAtOnce = 64
    /// Different codes of close frames that are counted by themselves, per service: all that are registered, and some.
    static let closeCodesCounted = 32

    /// The stack of a thread that only carries tunnels: it goes a dozen calls deep and keeps its buffers elsewhere, and
    /// only what is touched of it costs memory.
    static let threadStackBytes = 512 * 1024

    // MARK: Status

    /// Those who watch get ages and memory anew this often, and only while somebody watches.
    static let statusRefresh: Duration = .seconds(1)
    /// Changes within this time are told together.
    static let statusBurst: Duration = .milliseconds(50)
    /// Of a path and of what a client calls itself, so much is shown to people: enough to know it again.
    static let shownBytes = 200
    /// How long `status.token` is: what cannot be guessed, and fits into any head.
    static let statusTokenBytes = 16...256

    /// Requests with a wrong token that are log lines within this time; more are counted in the next line. Enough to
    /// see who guesses and how hard, too few to fill a disk with guesses.
    static let unauthorizedLogLines = 10
    static let unauthorizedLogWindow: Duration = .seconds(60)

    // MARK: History

    /// Changes of one service's state that are remembered for a day: one that wakes every five minutes, with four
    /// changes each time, needs 1152; then the oldest are forgotten first.
    static let historyIntervals = 1200
    /// The same for all services together in the file: less than the megabyte that is read back.
    static let historyIntervalsKept = 30_000
    /// While services come and go all the time, the file is written no more often than this, because at its largest it
    /// is a megabyte of text that has to be made.
    static let historyPause: Duration = .seconds(60)

    // MARK: Files

    /// A file of variables is a few kilobytes; a megabyte is a wrong file, as for the configuration itself
    /// (`JSONReader.byteLimit`). More is an error.
    static let environmentFileBytes = 1024 * 1024
    /// How long a configuration that is a pipe may be silent: long enough for a program that writes one, short enough
    /// for a service manager that waits. Then reading it is an error.
    static let pipePatience: Duration = .seconds(10)

    // MARK: Log

    /// What waits for a slow reader of the log; beyond it lines are dropped and counted. A backend's burst of output
    /// fits in, and whoever stops reading for good costs no more than this.
    static let logBacklogBytes = 1024 * 1024
    /// Lines of a backlog that are handed over in one turn: a millisecond's work where the reader is quick.
    static let logLinesPerFlush = 500
    /// The first and the longest pause before a backlog is tried again.
    static let logRetryFirst: Duration = .milliseconds(5)
    static let logRetryLongest: Duration = .seconds(1)
    /// Vain attempts in a row before a reader of the log is left alone until there is something new: about half a
    /// minute.
    static let logRetries = 40
    /// Lines per second about connections that the daemon itself closes, for each service and thread; as many at once
    /// after a quiet second. Enough to see who and why, and no flood where hostile clients come by the thousand.
    static let linesPerSecond = 10

    // MARK: Waiting for peers

    /// From the first byte of a head to its end; then 408 and closed.
    static let headerTimeout: Duration = .seconds(10)
    /// A connection between requests that stays silent for this long is closed without a word (RFC 9112, 9.5).
    static let keepAliveTimeout: Duration = .seconds(75)
    /// A backend's connection waits for this long for the next request of its client; then it is closed. Shorter than
    /// any server's own patience (gunicorn has 2 s, Node 5 s, Puma 20 s), so that hardly ever one closes it while a
    /// request is on its way; long enough for a page and what belongs to it; and a server with one worker for each
    /// connection has it back after a moment.
    static let upstreamKeepAlive: Duration = .seconds(1)
    /// A request body of which nothing arrived for this long is given up; then 408.
    static let bodyTimeout: Duration = .seconds(30)
    /// From the last byte of a request to the end of the answer's head; then 504.
    static let responseTimeout: Duration = .seconds(60)
    /// From connect to connected; a backend that is ready accepts at once or its queue is full; then 504.
    static let connectTimeout: Duration = .seconds(5)
    /// A Unix socket whose queue is full says so at once and never again (unix(7)): asked anew after this long.
    static let connectRetryPause: Duration = .milliseconds(10)
    /// A client that ends its side behind a complete request is gone when nothing has moved for this long and its
    /// system has taken all that was sent to it. nginx does not wait at all; this leaves a client that only says that
    /// it has nothing more to ask (shutdown(2), `nc -N`) time for a response that begins soon.
    static let departureTimeout: Duration = .seconds(1)
    /// After our last byte we read and discard for this long, so that the answer is not destroyed by a reset
    /// (RFC 9112, 9.6).
    static let lingerTimeout: Duration = .seconds(2)

    /// From our close frame to the client's, or from the wish for one to the end of the backend's current frame; then
    /// the connection ends without (RFC 6455, 7.1.1).
    static let closeTimeout: Duration = .seconds(2)
    /// What a client still sends behind the close frame of a connection that is failed is read and discarded, so that
    /// the frame is not destroyed by a reset: at most this much, which is more than is on its way at one moment, and no
    /// more than a client may make the daemon read for nothing. Then the connection is closed.
    static let discardedKibibytes = 1024
    /// An answer of which the client took nothing for this long is given up. When one side of a tunnel has ended, the
    /// tunnel is given up once nothing has moved in either direction for as long.
    static let sendTimeout: Duration = .seconds(10)

    // MARK: Control

    /// A daemon answers what it can answer at once within this time, or the command line gives up (exit code 69).
    static let controlTimeout: Duration = .seconds(10)
    /// Whoever waits at a terminal sees anew how long it has been: often enough to show that time goes by.
    static let progressPause: Duration = .milliseconds(100)

    // MARK: Supervision

    /// What a killed daemon left behind gets this long between TERM and KILL when the next one starts.
    static let orphanTimeout: Duration = .seconds(2)
    /// From a change of a family to its message to the guard, and to the start of the guard: many changes are one
    /// message, and a program that is ready at once is not delayed. Until then the mark alone protects
    /// (docs/decisions/0009).
    static let guardDelay: Duration = .milliseconds(20)
    /// From the end of a guard, or from a failure to start or tell it, to the next attempt.
    static let guardPause: Duration = .seconds(1)
    /// A probe that neither succeeds nor fails in this time is given up and tried again.
    static let probeTimeout: Duration = .seconds(1)
    /// From the connection to the answer of a probe that asks for one. Longer than the first request takes an
    /// application that loads its code for it; asking anew meanwhile would only pile requests up.
    static let probeResponseTimeout: Duration = .seconds(5)
    /// Choices of a port: one may be meant for another backend already that has not bound it yet.
    static let portChoices = 8
    /// Messages to a notify socket that are read in one turn, and the time for them: each may need a look at the
    /// backend's processes.
    static let notificationsPerTurn = 16
    static let notificationTimePerTurn: Duration = .milliseconds(2)
    /// Processes that are remembered, per start, for having spoken in a backend's place: any user can make many.
    static let foreignSendersKept = 64
    /// Returns of one request to the queue because nobody listens: the pause between two grows to 50 ms, so that is
    /// longer than any start. A system that refuses although somebody listens is no endless loop.
    static let returnsToQueue = 1000
    /// Connections that a generation left in its queue; the system keeps no more for any listener by default
    /// (listen(2), somaxconn).
    static let queueLeftovers = 4096
    /// A probe that was sent more than this, and still no head that counts, is not worth more.
    static let probeAnswerBytes = 64 * 1024
    /// After the last step of a stop plan, KILL is repeated for this long; then the stop is overdue, and requests that
    /// wait for its end are refused. A process that KILL does not end in this time hangs in the kernel, or may not be
    /// signalled.
    static let stopGrace: Duration = .seconds(5)
    /// Bytes read of a script that cannot be run: the longest line of an interpreter (execve(2)).
    static let scriptLineBytes = 256
    /// Processes that are named in a log line or the status when they do not end: enough to find the others.
    static let namedProcesses = 16
    /// How often an overdue stop tries again.
    static let overdueStopRetry: Duration = .seconds(10)
    /// A request that arrives when no more than this is left of a rest is queued for the next start. One crash of a
    /// young backend is then a slow response and no error page.
    static let queuedRest: Duration = .seconds(2)
    /// A backend that was ready for this long and then crashed is started again without a rest.
    static let stableUptime: Duration = .seconds(10)
    /// A line of a backend's output in the log; longer ones are cut into pieces of this size.
    static let outputLineBytes = 2048
    /// Reads per output pipe and turn: a flood is drained, yet never at the cost of the connections.
    static let outputReadsPerTurn = 4
    /// Lines of output per turn, of all children together, and the time for them: a line costs about 10 us, and no
    /// client is to wait longer than a few milliseconds for what others print. The rest is read in later turns.
    static let outputLinesPerTurn = 256
    static let outputTimePerTurn: Duration = .milliseconds(2)
    /// Lines of what a process printed last that are logged before its end is; more follow in later turns.
    static let outputLinesAtEnd = 256
    /// What processes that have ended printed last, and the log has still to get, all together; more is dropped, and
    /// counted in the log.
    static let lateOutputBytes = 4 * 1024 * 1024
    /// One read of a backend's output: what a pipe holds by default (pipe(7)).
    static let outputReadBytes = 64 * 1024
    /// The last lines of a backend's output that an operator can still ask for, by number and by size: a stack trace
    /// or two, and no more memory than one read takes.
    static let keptOutputLines = 200
    static let keptOutputBytes = 64 * 1024
    /// What a process printed last is told with its failure, by number and by size: enough for the head of a stack
    /// trace, and still one line of any log.
    static let failureOutputLines = 20
    static let failureOutputBytes = 4 * 1024
    /// What a backend printed last is read after its end, up to this many times, in case somebody else still prints.
    static let outputReadsAtEnd = 16
    /// The daemon's own shutdown may take the longest stop plan and this on top before it gives up waiting.
    static let shutdownGrace: Duration = .seconds(5)
    /// Then everybody is killed, and gets this long to be gone and reaped before the daemon itself ends.
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
    /// Recipients of one stream before another stream has its turn: about a quarter of a millisecond.
    static let cableDeliveriesPerTurn = 64
    /// Wake-ups for pings in a second, for any number of clients.
    static let cablePingsPerSecond = 8
    /// Slots of the longest ping interval: 30 s at that rate.
    static let cablePingSlots = 240
    /// TurboCable clients are looked at this often: pinged every third time, and ended when they were silent.
    static let turboCableLookInterval: Duration = .seconds(10)
    static let turboCableLooksPerPing = 3
    /// A TurboCable client that has sent nothing for this long is gone: its own server's limit.
    static let turboCableSilence: Duration = .seconds(60)

    /// One read of a cable's client. Small frames arrive at most 2,730 to a read, a few milliseconds of work.
    static let sessionReadBytes = 16 * 1024
    /// Reads of one client in an iteration of the event loop; the rest is read in the next one.
    static let sessionReadsPerTurn = 4
    /// Deliveries in one iteration of the event loop: other clients wait no longer for a broadcast to many.
    static let cableDeliveryTime: Duration = .milliseconds(2)
    /// Clients that a shutdown or a removed cable disconnects are spread over steps of this length.
    static let cableDrainStep: Duration = .milliseconds(125)

    /// How long `broadcast.key` is: what cannot be guessed, and fits into any head.
    static let broadcastKeyBytes = 16...1024

    // MARK: Redis

    /// One reply, however many parts it has: far above any message that a browser is sent. Beyond it the connection is
    /// closed, which counts as a gap.
    static let redisReplyBytes = 16 * 1024 * 1024
    /// A status, an error or a number; Redis writes none that is longer than a few hundred bytes. Then as above.
    static let redisLineBytes = 64 * 1024
    /// Items of one array. What the daemon asks for is answered with four at most. Then as above.
    static let redisArrayItems = 1024
    /// Arrays inside each other; the daemon asks for nothing that has two levels. Then as above.
    static let redisArrayDepth = 4
    /// From a connection attempt, and from a question for a sign of life, to the answer; then the connection is given
    /// up. A server that answers later than this has stopped for all practical purposes.
    static let redisTimeout: Duration = .seconds(5)
    /// A connection is asked for a sign of life this often: a server that was suspended does not close it.
    static let redisLookInterval: Duration = .seconds(5)
    /// The first and the longest delay before a failed connection is tried again.
    static let redisRetryFirst: Duration = .milliseconds(100)
    static let redisRetryLongest: Duration = .seconds(5)
    /// The publishing connection without subscribers waits this long for the next broadcast.
    static let redisLinger: Duration = .seconds(10)
    /// Channels of one SUBSCRIBE command: a few round trips for thousands, and no command of a megabyte.
    static let redisChannelsPerCommand = 100
    /// Messages that wait for the connection; beyond it they are delivered here only.
    static let redisWaitingBytes = 8 * 1024 * 1024

    // MARK: Demonstration

    /// How long the demonstration's backend takes to boot: long enough to be seen, short enough to be waited for.
    static let demoStartup: Duration = .milliseconds(1500)
    /// It says something this often, as Action Cable does.
    static let demoPing: Duration = .seconds(3)
    /// Connections to it; more are told 503. A few browser windows need one each.
    static let demoConnections = 64
    /// A message to it, which it holds until it is whole; a longer one is answered with close code 1009.
    static let demoMessageBytes = 16 * 1024
}
