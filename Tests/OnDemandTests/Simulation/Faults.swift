@testable import OnDemand

/// Fault rates of the simulated system. Each number is a percentage of the calls or events that it concerns.
struct Faults: Equatable {
    /// A read returns fewer bytes than are available; the rest counts as arriving directly afterwards.
    var partialReads = 0
    /// A send accepts fewer bytes than fit; the space counts as becoming free directly afterwards.
    var partialWrites = 0
    /// A read or send finds the socket busy although it was ready; an event follows.
    var stalls = 0
    /// An event is delivered some milliseconds late.
    var lateEvents = 0
    /// An event is delivered twice.
    var duplicateEvents = 0
    /// An event for a token whose descriptor is closed.
    var staleEvents = 0
    /// The events of one wait are reordered.
    var shuffledEvents = 0
    /// A wait ends some milliseconds after its deadline.
    var lateTimers = 0
    /// A loop iteration of the daemon takes up to 100 ms.
    var slowTurns = 0
    /// Time that each send of the daemon takes; not a percentage.
    var sendTime = Duration.zero
    /// A signal to the daemon arrives some milliseconds late.
    var lateSignals = 0
    /// Transit between the daemon and its peers takes up to 50 ms.
    var slowNetwork = 0
    /// A connect completes later.
    var pendingConnects = 0
    /// A socket has a small buffer.
    var smallBuffers = 0
    /// accept fails with EMFILE although descriptors are available.
    var failingAccepts = 0
    /// A connect to a listening backend returns EAGAIN, as with a Unix socket whose queue is full.
    var fullQueues = 0
    /// A connect to a listening backend is refused.
    var refusedConnects = 0
    /// A socket lookup is unsupported, as on a system without sock_diag.
    var silentLooks = 0
    /// A socket lookup finds no listener, as behind a translated address.
    var missedLooks = 0
    var failingSpawns = 0
    var failingWatches = 0
    /// The log reader is too slow.
    var lostLogLines = 0

    static let none = Faults()

    /// Swarm testing: each fault is off in half of all seeds, so that rare combinations also occur alone.
    static func drawn(with dice: inout Seeded) -> Faults {
        var faults = Faults()
        for path in gentle where dice.chance(50) { faults[keyPath: path] = dice.number(in: 1...40) }
        for path in harsh where dice.chance(10) { faults[keyPath: path] = dice.number(in: 1...25) }
        return faults
    }

    /// Faults that a daemon must tolerate without an effect on clients.
    private static var gentle: [WritableKeyPath<Faults, Int>] {
        [
            \.partialReads, \.partialWrites, \.stalls, \.lateEvents, \.duplicateEvents, \.staleEvents,
            \.shuffledEvents, \.lateTimers, \.slowTurns, \.lateSignals, \.slowNetwork, \.pendingConnects, \.fullQueues,
            \.smallBuffers, \.lostLogLines, \.silentLooks, \.missedLooks,
        ]
    }

    /// Faults that some clients may notice.
    private static var harsh: [WritableKeyPath<Faults, Int>] {
        [\.failingAccepts, \.refusedConnects, \.failingSpawns, \.failingWatches]
    }
}
