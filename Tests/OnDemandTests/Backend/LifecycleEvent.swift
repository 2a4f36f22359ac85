@testable import OnDemand

/// All events of a backend, one case per kind. A new event of the machine does not compile without a case here.
enum LifecycleEvent: String, CaseIterable, Codable, Sendable {
    case wanted, wantedIfAwake, abandoned, listenerMissing, startRequested
    case dependenciesReady, dependencyRefused, dependenciesChanged
    case addressFree, addressTaken
    case spawned, spawnFailed, probeSucceeded
    case lastLeaseReturned, gateClosed, gateBusy, clientDataSeen, tunnelsDrained
    case startupTimer = "timerFired(.startup)"
    case idleTimer = "timerFired(.idle)"
    case stopStepTimer = "timerFired(.stopStep)"
    case backoffTimer = "timerFired(.coolDown)"
    case exited, treeGone
    case startOperation = "operation(.start)"
    case stopOperation = "operation(.stop)"
    case restartOperation = "operation(.restart)"
    case pinOperation = "operation(.pin)"
    case unpinOperation = "operation(.unpin)"
    case disableOperation = "operation(.disable)"
    case enableOperation = "operation(.enable)"
    case shutdownRequested, shutdownForced

    static let answersOfStart: Set<Self> = [
        .dependenciesReady, .dependencyRefused, .dependenciesChanged, .addressFree, .addressTaken, .spawned,
        .spawnFailed, .probeSucceeded,
    ]
    static let answersOfGate: Set<Self> = [.gateClosed, .gateBusy, .clientDataSeen]
    static let timers: Set<Self> = [.startupTimer, .idleTimer, .stopStepTimer, .backoffTimer]
    static let endsOfProcess: Set<Self> = [.exited, .treeGone]
    static let operations: Set<Self> = [
        .startOperation, .stopOperation, .restartOperation, .pinOperation, .unpinOperation, .disableOperation,
        .enableOperation,
    ]

    init(_ event: BackendMachine.Event) {
        self =
            switch event {
            case .wanted: .wanted
            case .wantedIfAwake: .wantedIfAwake
            case .abandoned: .abandoned
            case .listenerMissing: .listenerMissing
            case .startRequested: .startRequested
            case .dependenciesReady: .dependenciesReady
            case .dependencyRefused: .dependencyRefused
            case .dependenciesChanged: .dependenciesChanged
            case .addressFree: .addressFree
            case .addressTaken: .addressTaken
            case .spawned: .spawned
            case .spawnFailed: .spawnFailed
            case .probeSucceeded: .probeSucceeded
            case .lastLeaseReturned: .lastLeaseReturned
            case .gateClosed: .gateClosed
            case .gateBusy: .gateBusy
            case .clientDataSeen: .clientDataSeen
            case .tunnelsDrained: .tunnelsDrained
            case .timerFired(.startup): .startupTimer
            case .timerFired(.idle): .idleTimer
            case .timerFired(.stopStep): .stopStepTimer
            case .timerFired(.backoffTimer): .backoffTimer
            case .exited: .exited
            case .treeGone: .treeGone
            case .operation(.start): .startOperation
            case .operation(.stop): .stopOperation
            case .operation(.restart): .restartOperation
            case .operation(.pin): .pinOperation
            case .operation(.unpin): .unpinOperation
            case .operation(.disable): .disableOperation
            case .operation(.enable): .enableOperation
            case .shutdownRequested: .shutdownRequested
            case .shutdownForced: .shutdownForced
            }
    }

    /// Returns such an event for a machine of this generation at noon. Ticket 1 is the one that is queued already.
    func sample(_ generation: Generation) -> BackendMachine.Event {
        switch self {
        case .wanted: .wanted(Ticket(number: 2))
        case .wantedIfAwake: .wantedIfAwake(Ticket(number: 2))
        case .abandoned: .abandoned(Ticket(number: 1))
        case .listenerMissing: .listenerMissing(Ticket(number: 2), generation, wasSent: false)
        case .startRequested: .startRequested
        case .dependenciesReady: .dependenciesReady
        case .dependencyRefused:
            .dependencyRefused("redis", .exitedEarly(.status(1)), retryAfter: .seconds(1))
        case .dependenciesChanged: .dependenciesChanged
        case .addressFree: .addressFree
        case .addressTaken: .addressTaken
        case .spawned: .spawned
        case .spawnFailed: .spawnFailed(SystemError(call: "find", code: .noSuchFile, subject: "puma"))
        case .probeSucceeded: .probeSucceeded
        case .lastLeaseReturned: .lastLeaseReturned(generation)
        case .gateClosed: .gateClosed
        case .gateBusy: .gateBusy
        case .clientDataSeen: .clientDataSeen(at: noon + .seconds(-60))
        case .tunnelsDrained: .tunnelsDrained(generation)
        case .startupTimer: .timerFired(.startup)
        case .idleTimer: .timerFired(.idle)
        case .stopStepTimer: .timerFired(.stopStep)
        case .backoffTimer: .timerFired(.backoffTimer)
        case .exited: .exited(.status(1))
        case .treeGone: .treeGone
        case .startOperation: .operation(.start)
        case .stopOperation: .operation(.stop)
        case .restartOperation: .operation(.restart)
        case .pinOperation: .operation(.pin)
        case .unpinOperation: .operation(.unpin)
        case .disableOperation: .operation(.disable)
        case .enableOperation: .operation(.enable)
        case .shutdownRequested: .shutdownRequested
        case .shutdownForced: .shutdownForced
        }
    }

    var words: String {
        switch self {
        case .wanted: "a client requests it"
        case .wantedIfAwake: "a client without wake permission requests it (`wake_on`)"
        case .abandoned: "a queued client has left"
        case .listenerMissing: "an admitted client found no listener"
        case .startRequested: "the daemon starts it without a client (always on)"
        case .dependenciesReady: "all its dependencies are ready"
        case .dependencyRefused: "a dependency failed to start"
        case .dependenciesChanged: "a reload changes it or its dependencies"
        case .addressFree: "its address has no listener"
        case .addressTaken: "its address has a foreign listener"
        case .spawned: "its process runs"
        case .spawnFailed: "its process could not be started"
        case .probeSucceeded: "it accepts a connection"
        case .lastLeaseReturned: "the last lease was returned"
        case .gateClosed: "no lease was out, and the gate is closed"
        case .gateBusy: "a lease is out, and the gate stays open"
        case .clientDataSeen: "a client sent WebSocket data a minute ago, and the gate stays open"
        case .tunnelsDrained: "the tunnels with a close frame are closed"
        case .startupTimer: "the startup timer has expired"
        case .idleTimer: "the idle timer has expired"
        case .stopStepTimer: "the stop timer has expired"
        case .backoffTimer: "the backoff is over"
        case .exited: "its process has exited"
        case .treeGone: "no process of its process tree is left"
        case .startOperation: "an operator starts it"
        case .stopOperation: "an operator stops it"
        case .restartOperation: "an operator restarts it"
        case .pinOperation: "an operator pins it"
        case .unpinOperation: "an operator unpins it"
        case .disableOperation: "an operator disables it"
        case .enableOperation: "an operator enables it"
        case .shutdownRequested: "the daemon gets a signal to shut down"
        case .shutdownForced: "the daemon gets a second signal"
        }
    }
}
