/// The limits of cables, of the sleep of their backends, and of their connections to Redis.
extension Limits {
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
    /// Undelivered messages of one cable, in bytes of memory: two seconds of a run that prints at its highest rate.
    /// Beyond it broadcasts get 503, runs that print to the cable wait, and Redis is not read, until half of it is
    /// delivered.
    static let cableUndeliveredBytes = 8 * 1024 * 1024
    static let cableResumeBytes = 4 * 1024 * 1024
    /// Memory of one message besides its text: two arrays with their headers, and its place in a batch.
    static let cableMessageBytes = 128
    /// `Retry-After` of a broadcast to such a cable.
    static let cableRetry: Duration = .seconds(1)
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
    static let cableReadBytes = 16 * 1024
    /// Reads of one client in an iteration of the event loop; the rest is read in the next one.
    static let cableReadsPerTurn = 4
    /// Messages of a client or upstream that are handled in one step, which is at most half a millisecond of work: a
    /// message may cost a system call, or a comparison with all subscriptions of its client.
    static let cableMessagesPerStep = 32
    /// Steps of all clients and upstreams that became ready in an iteration, and the time for them. Further ones are
    /// resumed in the next iteration, within `resumedTimePerTurn`, each with one step.
    static let cableStepsPerTurn = 64
    static let cableTimePerTurn: Duration = .milliseconds(2)
    /// Deliveries in one iteration of the event loop: other clients wait no longer for a broadcast to many.
    static let cableDeliveryTime: Duration = .milliseconds(1)
    /// Clients that a shutdown or a removed cable disconnects are spread over steps of this length.
    static let cableDrainStep: Duration = .milliseconds(125)

    /// Length in bytes of the key of programs (`broadcast.key`, `commands.key`): it cannot be guessed, and fits into
    /// any head.
    static let accessKeyBytes = 16...1024

    // MARK: Hibernation

    /// A client's request head as it is kept for later connections to the backend; the daemon's default for a head. A
    /// client with a longer one is connected to the backend without the daemon between them.
    static let storedRequestBytes = 16 * 1024
    /// Subscriptions of a cable whose memory later clients with the same one share, and the longest of them: together
    /// they take no more than 32 KiB.
    static let sharedCopies = 64
    static let sharedCopyBytes = 512
    /// Commands of one client that wait while the backend starts. Beyond it the client is asked to reconnect.
    static let queuedClientCommands = 64
    static let queuedClientCommandBytes = 256 * 1024
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
    /// A status, an error or a number; Redis writes none that is longer than a few hundred bytes. A longer one
    /// ends the connection.
    static let redisLineBytes = 64 * 1024
    /// Items of one array. Replies to the daemon's commands have four at most. More end the connection.
    static let redisArrayItems = 1024
    /// Arrays inside each other; the daemon asks for nothing that has two levels. More end the connection.
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
}
