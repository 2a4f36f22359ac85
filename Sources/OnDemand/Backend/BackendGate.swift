import Synchronization

/// Who may use a backend right now: an open bit, the generation and a lease count in one atomic word.
///
/// That word is the whole promise "no request is handed to a backend that is about to be stopped": entering succeeds
/// only while it is open, and closing an idle gate succeeds only while nobody is inside.
final class BackendGate: Sendable {
    private let word: Atomic<UInt64>

    /// When a tunnel's client last sent data, in nanoseconds; only where that decides on idleness.
    private let clientData: Atomic<Int64>

    /// Where the open generation listens, if each has a port of its own; written before it opens.
    private let openPort: Atomic<UInt16>

    init() {
        word = Atomic(0)
        clientData = Atomic(0)
        openPort = Atomic(0)
    }

    // Bit 63: open. Bits 32 to 62: generation. Bits 0 to 31: leases.
    private static let openBit: UInt64 = 1 << 63

    private static func pack(generation: Generation, leases: UInt32) -> UInt64 {
        openBit | UInt64(generation.number & 0x7fff_ffff) << 32 | UInt64(leases)
    }

    private static func generation(of word: UInt64) -> Generation {
        Generation(number: UInt32(truncatingIfNeeded: word >> 32) & 0x7fff_ffff)
    }

    private static func leases(of word: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: word) }

    /// One more inside; nil when it is closed and the backend has to be asked for.
    func enter() -> Generation? {
        var seen = word.load(ordering: .acquiring)
        while seen & Self.openBit != 0 {
            precondition(Self.leases(of: seen) < .max, "a lease count overflowed")
            let (done, now) = word.weakCompareExchange(
                expected: seen, desired: seen + 1, ordering: .acquiringAndReleasing)
            if done { return Self.generation(of: seen) }
            seen = now
        }
        return nil
    }

    /// One less inside. True when that was the last one of its generation: somebody may start a clock, or where the
    /// gate is closed already has waited for this. A lease of an earlier generation, or of one that was ended by force,
    /// no longer counts.
    func leave(_ generation: Generation) -> Bool {
        var seen = word.load(ordering: .acquiring)
        while Self.counts(seen), Self.generation(of: seen) == generation {
            precondition(Self.leases(of: seen) > 0, "a lease was returned twice")
            let (done, now) = word.weakCompareExchange(
                expected: seen, desired: seen - 1, ordering: .acquiringAndReleasing)
            if done { return Self.leases(of: seen) == 1 }
            seen = now
        }
        return false
    }

    /// A closed gate counts those who were inside when it was closed, and nobody after a close by force.
    private static func counts(_ word: UInt64) -> Bool { word & openBit != 0 || leases(of: word) > 0 }

    /// Opens for a new generation with the waiting clients already inside. Whoever enters sees its port: it may be an
    /// old one only for a lease that has ended already.
    /// One that opens again has whoever stayed inside meanwhile, too.
    func open(_ generation: Generation, leases: Int, port: UInt16 = 0) {
        openPort.store(port, ordering: .relaxed)
        var seen = word.load(ordering: .acquiring)
        while true {
            let fresh = Self.pack(generation: generation, leases: UInt32(leases))
            let isSame = Self.generation(of: seen) == Self.generation(of: fresh)
            let (done, now) = word.weakCompareExchange(
                expected: seen, desired: fresh + (isSame ? UInt64(Self.leases(of: seen)) : 0),
                ordering: .acquiringAndReleasing)
            if done { return }
            seen = now
        }
    }

    /// Closes only when nobody is inside: the answer decides whether the backend may be stopped.
    func closeIfEmpty() -> Bool {
        let seen = word.load(ordering: .acquiring)
        guard seen & Self.openBit != 0, Self.leases(of: seen) == 0 else { return false }
        return word.compareExchange(
            expected: seen, desired: seen & ~Self.openBit, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Closes to newcomers: whoever is inside may finish and is still counted.
    func close() { word.bitwiseAnd(~Self.openBit, ordering: .acquiringAndReleasing) }

    /// Closes whoever is inside: their leases end with the generation.
    func closeByForce() {
        word.bitwiseAnd(~(Self.openBit | 0xffff_ffff), ordering: .acquiringAndReleasing)
    }

    /// Of the generation that was opened last; zero where the port is always the same.
    var port: UInt16 { openPort.load(ordering: .relaxed) }

    /// A client that holds no lease has said something.
    func recordClientData(at now: Instant) { clientData.store(now.nanoseconds, ordering: .relaxed) }

    var lastClientData: Instant { Instant(nanoseconds: clientData.load(ordering: .relaxed)) }

    /// How many are inside, for the status page.
    var leases: Int { Int(Self.leases(of: word.load(ordering: .relaxed))) }
    var isOpen: Bool { word.load(ordering: .relaxed) & Self.openBit != 0 }
}
