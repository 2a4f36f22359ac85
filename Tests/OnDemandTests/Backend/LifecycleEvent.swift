@testable import OnDemand

/// Everything that can happen to a backend, one case per kind of event; an event that is new to the machine must be
/// given its place here before this compiles.
enum LifecycleEvent: String, CaseIterable, Codable, Sendable {
    case wanted, wantedIfAwake, abandoned, foundNobody, startRequested
    case dependenciesReady, dependencyRefused, dependenciesChanged
    case addressFree, addressTaken
    case spawned, spawnFailed, probeSucceeded
    case lastLeaseReturned, gateClosed, gateBusy, clientDataSeen, tunnelsDrained
    case startupTimer = "timerFired(.startup)"
    case idleTimer = "timerFired(.idle)"
    case stopStepTimer = "timerFired(.stopStep)"
    case coolDownTimer = "timerFired(.coolDown)"
    case exited, groupGone
    case startOrdered = "ordered(.start)"
    case stopOrdered = "ordered(.stop)"
    case restartOrdered = "ordered(.restart)"
    case pinOrdered = "ordered(.pin)"
    case unpinOrdered = "ordered(.unpin)"
    case disableOrdered = "ordered(.disable)"
    case enableOrdered = "ordered(.enable)"
    case shutdownRequested, shutdownForced

    static let answersOfStart: Set<Self> = [
        .dependenciesReady, .dependencyRefused, .dependenciesChanged, .addressFree, .addressTaken, .spawned,
        .spawnFailed, .probeSucceeded,
    ]
    static let answersOfGate: Set<Self> = [.gateClosed, .gateBusy, .clientDataSeen]
    static let timers: Set<Self> = [.startupTimer, .idleTimer, .stopStepTimer, .coolDownTimer]
    static let endsOfProcess: Set<Self> = [.exited, .groupGone]
    static let commands: Set<Self> = [
        .startOrdered, .stopOrdered, .restartOrdered, .pinOrdered, .unpinOrdered, .disableOrdered, .enableOrdered,
    ]

    init(_ event: BackendMachine.Event) {
        self =
            switch event {
            case .wanted: .wanted
            case .wantedIfAwake: .wantedIfAwake
            case .abandoned: .abandoned
            case .foundNobody: .foundNobody
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
            case .timerFired(.backoffTimer): .coolDownTimer
            case .exited: .exited
            case .groupGone: .groupGone
            case .command(.start): .startOrdered
            case .command(.stop): .stopOrdered
            case .command(.restart): .restartOrdered
            case .command(.pin): .pinOrdered
            case .command(.unpin): .unpinOrdered
            case .command(.disable): .disableOrdered
            case .command(.enable): .enableOrdered
            case .shutdownRequested: .shutdownRequested
            case .shutdownForced: .shutdownForced
            }
    }

    /// One such event, as a machine of this generation might be told at noon. Ticket 1 is whoever waits already.
    func sample(_ generation: Generation) -> BackendMachine.Event {
        switch self {
        case .wanted: .wanted(Ticket(number: 2))
        case .wantedIfAwake: .wantedIfAwake(Ticket(number: 2))
        case .abandoned: .abandoned(Ticket(number: 1))
        case .foundNobody: .foundNobody(Ticket(number: 2), generation, wasSent: false)
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
        case .coolDownTimer: .timerFired(.backoffTimer)
        case .exited: .exited(.status(1))
        case .groupGone: .groupGone
        case .startOrdered: .command(.start)
        case .stopOrdered: .command(.stop)
        case .restartOrdered: .command(.restart)
        case .pinOrdered: .command(.pin)
        case .unpinOrdered: .command(.unpin)
        case .disableOrdered: .command(.disable)
        case .enableOrdered: .command(.enable)
        case .shutdownRequested: .shutdownRequested
        case .shutdownForced: .shutdownForced
        }
    }

    var words: String {
        switch self {
        case .wanted: "a client asks for it"
        case .wantedIfAwake: "a client asks that may not wake it (`wake_on`)"
        case .abandoned: "a client that asked has left"
        case .foundNobody: "a client that was let in found nobody listening"
        case .startRequested: "the daemon wants it without a client (always on)"
        case .dependenciesReady: "everything that it requires is ready"
        case .dependencyRefused: "something that it requires could not be made ready"
        case .dependenciesChanged: "a reload changes it, or what it requires"
        case .addressFree: "nobody answers at its address"
        case .addressTaken: "a stranger answers at its address"
        case .spawned: "its process runs"
        case .spawnFailed: "its process could not be started"
        case .probeSucceeded: "it accepts a connection"
        case .lastLeaseReturned: "the last connection or request has ended"
        case .gateClosed: "nobody was inside, and the gate is closed"
        case .gateBusy: "somebody is inside, and the gate stays open"
        case .clientDataSeen: "the client of a WebSocket said something a minute ago, and the gate stays open"
        case .tunnelsDrained: "nobody is left of the clients that were told"
        case .startupTimer: "the startup timer has run out"
        case .idleTimer: "the idle timer has run out"
        case .stopStepTimer: "the stop timer has run out"
        case .coolDownTimer: "the rest is over"
        case .exited: "its process has ended"
        case .groupGone: "nothing is left of its family of processes"
        case .startOrdered: "an operator starts it"
        case .stopOrdered: "an operator stops it"
        case .restartOrdered: "an operator restarts it"
        case .pinOrdered: "an operator pins it"
        case .unpinOrdered: "an operator unpins it"
        case .disableOrdered: "an operator disables it"
        case .enableOrdered: "an operator enables it"
        case .shutdownRequested: "the daemon is told to leave"
        case .shutdownForced: "the daemon is told to hurry"
        }
    }
}
