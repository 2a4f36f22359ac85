/// What the clients of a cable's backend do now, and what has happened, for the status.
struct HibernationCounters: Equatable, Sendable {
    var wakes: [UInt64] = RelayMachine.WakeTrigger.allCases.map { _ in 0 }
    var replayed: UInt64 = 0
    var disconnections: [UInt64] = RelayMachine.Disconnection.allCases.map { _ in 0 }
    var ignoredCommands: UInt64 = 0
    /// Time without a backend while clients were connected, before the present sleep.
    private var slept = Duration.zero
    private var asleepSince: Instant?

    func slept(at now: Instant) -> Duration { slept + (asleepSince.map { now - $0 } ?? .zero) }

    /// The backend has no process, and clients are connected; or one of both is over.
    mutating func isAsleep(_ isAsleep: Bool, at now: Instant) {
        if isAsleep {
            asleepSince = asleepSince ?? now
        } else {
            slept = slept(at: now)
            asleepSince = nil
        }
    }

    mutating func count(_ trigger: RelayMachine.WakeTrigger) {
        wakes[RelayMachine.WakeTrigger.allCases.firstIndex(of: trigger) ?? 0] += 1
    }

    mutating func count(_ disconnection: RelayMachine.Disconnection) {
        disconnections[RelayMachine.Disconnection.allCases.firstIndex(of: disconnection) ?? 0] += 1
    }

    func describe(in backend: inout Snapshot.Cable.Backend, at now: Instant) {
        backend.wakes = zip(RelayMachine.WakeTrigger.allCases, wakes).map {
            .init(name: $0.rawValue, count: Int($1))
        }
        backend.replayed = replayed
        backend.disconnected = zip(RelayMachine.Disconnection.allCases, disconnections).map {
            .init(name: $0.rawValue, count: Int($1))
        }
        backend.ignored = ignoredCommands
        backend.sleptConnected = slept(at: now)
    }
}
