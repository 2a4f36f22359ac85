@testable import OnDemand

/// How unkind the simulated system is: each number is a percentage of the calls or events it is about.
struct Faults: Equatable {
    /// A read returns less than there is; the rest counts as arriving just afterwards.
    var partialReads = 0
    /// A send takes less than there is room for; the room counts as coming back just afterwards.
    var partialWrites = 0
    /// A read or send finds the socket busy although it was ready; an event follows.
    var stalls = 0
    /// An event is told some milliseconds after it happened.
    var lateEvents = 0
    /// An event is told once more.
    var duplicateEvents = 0
    /// An event for a token whose descriptor has been closed.
    var staleEvents = 0
    /// The events of one wait come in another order.
    var shuffledEvents = 0
    /// A wait ends some milliseconds after its deadline.
    var lateTimers = 0
    /// A turn of the daemon takes up to a tenth of a second.
    var slowTurns = 0
    /// A signal to the daemon arrives some milliseconds late.
    var lateSignals = 0
    /// What travels between the daemon and its peers takes up to fifty milliseconds.
    var slowNetwork = 0
    /// A connect is decided only later.
    var pendingConnects = 0
    /// A socket holds very little.
    var smallBuffers = 0
    /// Taking a connection fails for want of descriptors, although there are some.
    var failingAccepts = 0
    /// A connection to a backend that listens is to be tried again, as with a Unix socket whose queue is full.
    var fullQueues = 0
    /// A connection to a backend that listens is refused.
    var refusedConnects = 0
    /// A look at a listener tells nothing, as where the system is silent.
    var silentLooks = 0
    /// A look does not find who listens, as behind an address that the system translates.
    var missedLooks = 0
    var failingSpawns = 0
    var failingWatches = 0
    /// A reader of the log that is too slow.
    var lostLogLines = 0

    static let none = Faults()

    /// Swarm testing: each fault is off in half of all seeds, so that rare combinations stand alone, too.
    static func drawn(with dice: inout Seeded) -> Faults {
        var faults = Faults()
        for path in gentle where dice.chance(50) { faults[keyPath: path] = dice.number(in: 1...40) }
        for path in harsh where dice.chance(10) { faults[keyPath: path] = dice.number(in: 1...25) }
        return faults
    }

    /// What a daemon must bear without anybody noticing.
    private static var gentle: [WritableKeyPath<Faults, Int>] {
        [
            \.partialReads, \.partialWrites, \.stalls, \.lateEvents, \.duplicateEvents, \.staleEvents,
            \.shuffledEvents, \.lateTimers, \.slowTurns, \.lateSignals, \.slowNetwork, \.pendingConnects, \.fullQueues,
            \.smallBuffers, \.lostLogLines, \.silentLooks, \.missedLooks,
        ]
    }

    /// What some clients will be told about.
    private static var harsh: [WritableKeyPath<Faults, Int>] {
        [\.failingAccepts, \.refusedConnects, \.failingSpawns, \.failingWatches]
    }
}
