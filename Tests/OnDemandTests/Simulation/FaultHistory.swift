@testable import OnDemand

/// The faults that have happened to the services of a simulation: an error of a client is excused by a fault of its
/// service only where the fault explains this error, and was there when the client waited.
struct FaultHistory {
    enum Cause: Hashable {
        /// A call of the daemon failed, or its descriptors ran out: of this service or of all.
        case exhaustion, failingCall
        case refusedConnection, foreignListener, spawnFailed, addressInUse
        /// A process ended while it had requests, or reads no more.
        case end
        case `operator`
        /// By its script a process does something else than serve.
        case script(String)
    }

    /// What a client may get instead of its response.
    enum Symptom { case rejection, failure, cut }

    private struct Trouble {
        let cause: Cause
        let from: Instant
        /// nil: it lasts.
        var until: Instant?
        /// The process whose end is its end; nil for others.
        let process: Int32?
    }

    private var troubles: [Int: [Trouble]] = [:]

    /// An event.
    mutating func note(_ cause: Cause, of service: Int, at now: Instant) {
        if let last = troubles[service]?.lastIndex(where: { $0.cause == cause && $0.process == nil }),
            let until = troubles[service]![last].until, now - until < .seconds(1)
        {
            troubles[service]![last].until = now
            return
        }
        troubles[service, default: []].append(Trouble(cause: cause, from: now, until: now, process: nil))
    }

    /// The beginning of a state that ends with `process`, or not at all.
    mutating func begin(_ cause: Cause, of service: Int, process: Int32? = nil, at now: Instant) {
        troubles[service, default: []].append(Trouble(cause: cause, from: now, until: nil, process: process))
    }

    mutating func ended(_ process: Int32, of service: Int, at now: Instant) {
        for index in troubles[service]?.indices ?? 0..<0 where troubles[service]![index].process == process {
            if troubles[service]![index].until == nil { troubles[service]![index].until = now }
        }
    }

    func hasAny(of service: Int) -> Bool { troubles[service] != nil }

    /// The causes that were there between two instants, or ended less than `recovery` before.
    func causes(of service: Int, from: Instant, to: Instant, recovery: Duration) -> [Cause] {
        (troubles[service] ?? []).filter { trouble in
            trouble.from <= to && trouble.until.map { $0 + recovery >= from } ?? true
        }.map(\.cause)
    }
}

extension FaultHistory.Cause {
    func explains(_ symptom: FaultHistory.Symptom) -> Bool {
        switch self {
        case .exhaustion, .failingCall, .end, .operator, .script: true
        // Connections that are open are not concerned.
        case .refusedConnection, .foreignListener, .spawnFailed, .addressInUse: symptom != .cut
        }
    }
}
