@testable import OnDemand

/// The current time in the tests of this folder.
let noon = Instant(nanoseconds: 43_200_000_000_000)

/// Machines in each stage of a backend's lifecycle, reached by events only.
enum BackendFixtures {
    static let policy = BackendPolicy(
        startupTimeout: .seconds(30), idleTimeout: .seconds(60), stopPlan: .politely(for: .seconds(10)),
        maximumQueue: 2)

    static func asleep(_ policy: BackendPolicy = policy) -> BackendMachine { BackendMachine(policy: policy) }

    /// A backend with one requirement.
    static func awaiting(_ policy: BackendPolicy = policy) -> BackendMachine {
        var policy = policy
        policy.requires = ["redis"]
        return asleep(policy).after(.wanted(Ticket(number: 1)))
    }

    static func checking(_ policy: BackendPolicy = policy) -> BackendMachine {
        asleep(policy).after(.wanted(Ticket(number: 1)))
    }

    static func spawning(_ policy: BackendPolicy = policy) -> BackendMachine { checking(policy).after(.addressFree) }

    static func probing(_ policy: BackendPolicy = policy) -> BackendMachine { spawning(policy).after(.spawned) }

    static func awake(_ policy: BackendPolicy = policy) -> BackendMachine { probing(policy).after(.probeSucceeded) }

    static func stopping(_ policy: BackendPolicy = policy) -> BackendMachine {
        awake(policy).after(.lastLeaseReturned(Generation(number: 1)), .timerFired(.idle), .gateClosed)
    }

    /// Its stop plan and grace period are over, and its processes are still alive.
    static func overdue(_ policy: BackendPolicy = policy) -> BackendMachine {
        (0..<policy.stopPlan.overdueStep).reduce(stopping(policy)) { machine, _ in
            machine.after(.timerFired(.stopStep))
        }
    }

    /// After its second crash in a row.
    static func failing(_ policy: BackendPolicy = policy) -> BackendMachine {
        awake(policy).after(
            .exited(.status(1)), .treeGone, .wanted(Ticket(number: 1)), .addressFree, .spawned, .probeSucceeded,
            .exited(.status(1)))
    }

    static func leaving(_ policy: BackendPolicy = policy) -> BackendMachine { awake(policy).after(.shutdownRequested) }

    static func backoff(_ policy: BackendPolicy = policy) -> BackendMachine {
        checking(policy).after(.addressTaken)
    }

    static func shuttingDown(_ policy: BackendPolicy = policy) -> BackendMachine {
        asleep(policy).after(.shutdownRequested)
    }
}

extension BackendMachine {
    /// Applies all events at noon and ignores the effects.
    func after(_ events: Event...) -> BackendMachine {
        var machine = self
        for event in events { _ = machine.apply(event, at: noon) }
        return machine
    }
}
