import Synchronization

/// Admission to a running backend: an open bit, the generation and a lease count in one atomic word.
///
/// Events: the supervisor opens the gate when the backend is ready, and closes it before a stop. Connections enter on
/// any thread, which takes a lease, and leave, which returns it.
///
/// Invariant: no request reaches a backend that is about to be stopped. Entering succeeds only while the gate is open,
/// and `closeIfEmpty` succeeds only while no lease is held. Both change the same word, so one of them wins.
final class BackendGate: Sendable {
    private let word: Atomic<UInt64>

    /// Time of the last data from a tunnel's client, in nanoseconds; used only with `no_client_data`.
    private let clientData: Atomic<Int64>

    /// Port of the open generation where each has its own; written before the gate opens.
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

    /// Takes a lease; returns nil where the gate is closed.
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

    /// Returns a lease. The result is true for the last lease of its generation: an idle timeout starts, or a closed
    /// gate is now empty. A lease of an earlier or forcibly ended generation no longer counts.
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

    /// Returns whether leases count: in an open gate, and in a closed one that still has some.
    private static func counts(_ word: UInt64) -> Bool { word & openBit != 0 || leases(of: word) > 0 }

    /// Opens the gate for a generation, with leases for the queued clients. A client that enters sees its port; an
    /// older port appears only with a lease that has ended. A reopened gate keeps the leases of clients that stayed
    /// inside.
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

    /// Closes the gate if no lease is held; returns whether it did.
    func closeIfEmpty() -> Bool {
        let seen = word.load(ordering: .acquiring)
        guard seen & Self.openBit != 0, Self.leases(of: seen) == 0 else { return false }
        return word.compareExchange(
            expected: seen, desired: seen & ~Self.openBit, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Closes the gate to new clients; existing leases still count.
    func close() { word.bitwiseAnd(~Self.openBit, ordering: .acquiringAndReleasing) }

    /// Closes the gate and ends all leases with the generation.
    func closeByForce() {
        word.bitwiseAnd(~(Self.openBit | 0xffff_ffff), ordering: .acquiringAndReleasing)
    }

    /// Port of the latest generation; 0 where the port is fixed.
    var port: UInt16 { openPort.load(ordering: .relaxed) }

    /// Records data from a client without a lease.
    func recordClientData(at now: Instant) { clientData.store(now.nanoseconds, ordering: .relaxed) }

    var lastClientData: Instant { Instant(nanoseconds: clientData.load(ordering: .relaxed)) }

    /// Number of leases, for the status page.
    var leases: Int { Int(Self.leases(of: word.load(ordering: .relaxed))) }
    /// The generation that the gate is or was open for.
    var generation: Generation { Self.generation(of: word.load(ordering: .relaxed)) }
    var isOpen: Bool { word.load(ordering: .relaxed) & Self.openBit != 0 }
}
