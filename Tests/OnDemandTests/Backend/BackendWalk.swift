@testable import OnDemand

/// A machine with the surroundings that a driver gives it: a gate, a process, timers, probes and clients. All are
/// values, so that a walk can try every event from here.
struct BackendWalk {
    /// An event in the surroundings of the machine.
    enum Move: Equatable {
        case arrive, arriveLate, arriveWithoutWaking, leaveQueue, leaveAfterAdmission, leave
        case requirementsGetReady, requirementFails, requirementIsDisabled, requirementsChange
        case addressIsFree(spawns: Bool)
        case addressIsTaken
        case accept
        case fire(BackendTimer)
        case exit(takesGroupAlong: Bool)
        case groupEnds
        case deliverLastLease
        case clientSpeaks, everybodyLeaves
        case operation(BackendOperation)
        case findNobody(wasSent: Bool)
        case shutDown, forceShutdown
    }

    private enum Process { case none, alive, leaderGone }

    private(set) var machine: BackendMachine
    private(set) var gate = GateModel()
    private(set) var now = noon
    private(set) var timers: [BackendTimer: Instant] = [:]
    private(set) var isProbing = false
    private(set) var isChecking = false
    /// Whether a requirement is requested and pending, and whether it would be kept awake.
    private(set) var isAwaiting = false
    private(set) var isHolding = false
    /// The queued tickets, the admitted tickets with their generation, and the number of results of each ticket.
    private(set) var queue: [Ticket] = []
    private(set) var inside: [Generation] = []
    private var replies: [Ticket: Int] = [:]
    private var lastTicket: UInt64 = 0
    private var lastLeases: [Generation] = []
    private var process = Process.none
    private var spawnSucceeds = true
    private var isShutDown = false
    private var lastClientData: Instant?
    private var isTakingLeave = false
    /// The operations that this walk may use.
    private let operations: [BackendOperation]
    /// The first broken invariant.
    private(set) var localReply: String?

    init(policy: BackendPolicy, operations: [BackendOperation] = []) {
        self.operations = operations
        machine = BackendMachine(policy: policy)
        if policy.alwaysOn { tell(.startRequested) }
    }

    private mutating func expect(_ dependencies: Bool, _ invariant: @autoclosure () -> String) {
        if !dependencies, localReply == nil { localReply = invariant() }
    }

    // MARK: Possible events

    var moves: [Move] {
        var moves: [Move] = [.arrive]
        if !gate.isOpen { moves.append(.arriveWithoutWaking) }
        if gate.isOpen { moves.append(.arriveLate) }
        if !queue.isEmpty { moves.append(.leaveQueue) }
        if !inside.isEmpty { moves += [.leave, .leaveAfterAdmission] }
        if !inside.isEmpty, process != .none {
            moves += [.findNobody(wasSent: false), .findNobody(wasSent: true)]
        }
        if isAwaiting { moves += [.requirementsGetReady, .requirementFails, .requirementIsDisabled] }
        if isAwaiting || isChecking { moves.append(.requirementsChange) }
        if isChecking { moves += [.addressIsFree(spawns: true), .addressIsFree(spawns: false), .addressIsTaken] }
        if isProbing { moves.append(.accept) }
        moves += [BackendTimer.startup, .idle, .stopStep, .backoffTimer].filter { timers[$0] != nil }.map { .fire($0) }
        if process == .alive { moves += [.exit(takesGroupAlong: true), .exit(takesGroupAlong: false)] }
        if process == .leaderGone { moves.append(.groupEnds) }
        if !lastLeases.isEmpty { moves.append(.deliverLastLease) }
        if machine.policy.idleWhen == .noClientData, gate.isOpen { moves.append(.clientSpeaks) }
        if isTakingLeave, gate.inside == 0 { moves.append(.everybodyLeaves) }
        moves += operations.map { .operation($0) }
        if !isShutDown { moves.append(.shutDown) }
        if case .stopping = machine.state { moves.append(.forceShutdown) }
        return moves
    }

    mutating func make(_ move: Move) {
        now = now + .milliseconds(700)
        switch move {
        case .arrive:
            if let generation = gate.enter() { inside.append(generation) } else { ask() }
        case .arriveLate: ask()
        case .arriveWithoutWaking:
            let mayJoin = startsAnyhow || !queue.isEmpty
            ask(mayWake: false)
            expect(mayJoin || queue.isEmpty, "a request without wake permission is queued where nothing will start")
        case .leaveQueue: tell(.abandoned(queue.removeFirst()))
        case .findNobody(let wasSent): findNobody(wasSent: wasSent)
        case .leave: leave()
        case .leaveAfterAdmission:
            tell(.abandoned(Ticket(number: 0)))
            leave()
        case .requirementsGetReady:
            isAwaiting = false
            tell(.dependenciesReady)
        case .requirementFails:
            isAwaiting = false
            tell(.dependencyRefused("redis", .addressTaken, retryAfter: .seconds(3)))
        case .requirementIsDisabled:
            isAwaiting = false
            tell(.dependencyRefused("redis", .disabled, retryAfter: .seconds(3)))
        case .requirementsChange:
            (isAwaiting, isChecking) = (false, false)
            tell(.dependenciesChanged)
        case .addressIsFree(let spawns):
            isChecking = false
            spawnSucceeds = spawns
            tell(.addressFree)
        case .addressIsTaken:
            isChecking = false
            tell(.addressTaken)
        case .accept:
            isProbing = false
            tell(.probeSucceeded)
        case .fire(let timer):
            now = max(now, timers.removeValue(forKey: timer)!)
            tell(.timerFired(timer))
        case .exit(let takesGroupAlong):
            process = .leaderGone
            tell(.exited(.status(1)))
            if takesGroupAlong { endGroup() }
        case .groupEnds: endGroup()
        case .deliverLastLease: tell(.lastLeaseReturned(lastLeases.removeFirst()))
        case .clientSpeaks: lastClientData = now
        case .operation(let operation): tell(.operation(operation))
        case .everybodyLeaves:
            isTakingLeave = false
            tell(.tunnelsDrained(machine.generation))
        case .shutDown:
            isShutDown = true
            tell(.shutdownRequested)
        case .forceShutdown: tell(.shutdownForced)
        }
        checkPromises()
    }

    private mutating func ask(mayWake: Bool = true) {
        lastTicket += 1
        let ticket = Ticket(number: lastTicket)
        queue.append(ticket)
        let mustSleep = machine.state == .asleep && machine.minSleepUntil.map { $0 > now } ?? false
        tell(mayWake ? .wanted(ticket) : .wantedIfAwake(ticket))
        let state = machine.state
        expect(!mustSleep || state == .asleep, "woken during the minimum sleep")
    }

    private mutating func leave() {
        let generation = inside.removeFirst()
        if gate.leave(generation), gate.isOpen { lastLeases.append(generation) }
    }

    private mutating func findNobody(wasSent: Bool) {
        let generation = inside.removeFirst()
        lastTicket += 1
        queue.append(Ticket(number: lastTicket))
        tell(.listenerMissing(Ticket(number: lastTicket), generation, wasSent: wasSent))
        if gate.leave(generation), gate.isOpen { lastLeases.append(generation) }
    }

    private mutating func endGroup() {
        process = .none
        isTakingLeave = false
        tell(.treeGone)
    }

    // MARK: The driver

    private mutating func tell(_ event: BackendMachine.Event) {
        var events = [event]
        while !events.isEmpty {
            for effect in machine.apply(events.removeFirst(), at: now, jitter: 0.5) {
                if let report = perform(effect) { events.append(report) }
            }
        }
    }

    private mutating func perform(_ effect: BackendMachine.Effect) -> BackendMachine.Event? {
        switch effect {
        case .acquireDependencies:
            expect(process == .none && !isAwaiting, "requirements are acquired although a process exists")
            (isAwaiting, isHolding) = (true, true)
        case .releaseDependencies:
            expect(isHolding && process == .none, "a requirement is released that is in use or was not acquired")
            (isAwaiting, isHolding) = (false, false)
        case .checkAddress:
            expect(
                !isChecking && !isProbing && process == .none, "an address is checked although a process exists")
            isChecking = true
        case .spawn:
            expect(process == .none, "a second process while the group of the first one is alive")
            if spawnSucceeds { process = .alive }
            return spawnSucceeds ? .spawned : .spawnFailed(SystemError(call: "find", code: .noSuchFile, subject: "x"))
        case .startProbing: isProbing = true
        case .probeAgain: isProbing = true
        case .suspendGate: gate.close()
        case .stopProbing: (isProbing, isChecking) = (false, false)
        case .openGate(let generation, let leases):
            expect(!gate.isOpen, "a gate was opened twice")
            expect(process == .alive, "a gate was opened without a process")
            gate.open(generation, leases: leases)
        case .enterGate:
            let entered = gate.enter()
            expect(entered != nil, "a client was admitted through a closed gate")
        case .tryCloseGate:
            if let lastClientData, let idle = machine.policy.idleTimeout, lastClientData + idle > now {
                return .clientDataSeen(at: lastClientData)
            }
            return gate.closeIfEmpty() ? .gateClosed : .gateBusy
        case .closeTunnels(let generation, _, _):
            expect(!gate.isOpen && generation == machine.generation, "tunnels of another generation were closed")
            isTakingLeave = true
        case .closeGate: gate.close()
        case .closeGateByForce: gate.closeByForce()
        case .admit(let tickets, let generation):
            expect(gate.generation == generation, "admitted to a generation that is not open")
            for ticket in tickets { answer(ticket) }
            inside += tickets.map { _ in generation }
        case .refuse(let tickets, _, let retryAfter):
            expect(!tickets.isEmpty, "a refusal without a ticket")
            expect(retryAfter ?? .seconds(1) > .zero, "Retry-After is zero or negative")
            for ticket in tickets { answer(ticket) }
        case .arm(let timer, let instant):
            expect(instant >= now, "\(timer) was armed in the past")
            timers[timer] = instant
        case .disarm(let timer): timers[timer] = nil
        case .signal:
            isTakingLeave = false
            expect(process != .none, "a signal without a process")
        case .endGeneration(let generation):
            expect(process == .none && generation == machine.generation, "a generation ended before its group")
            inside.removeAll { $0 == generation }
            gate.closeByForce()
        }
        return nil
    }

    private mutating func answer(_ ticket: Ticket) {
        replies[ticket, default: 0] += 1
        expect(replies[ticket] == 1, "\(ticket) got two results")
        expect(queue.contains(ticket), "\(ticket) had left before its result")
        queue.removeAll { $0 == ticket }
    }

    /// Whether the backend starts, or will start, without a request.
    private var startsAnyhow: Bool {
        if case .stopping(let stop) = machine.state, stop.startsAgain { return true }
        let comesBack = machine.standing == .pinned || machine.standing == .usual && machine.policy.alwaysOn
        return comesBack || machine.state.isStarting
    }

    // MARK: Invariants after every event

    private mutating func checkPromises() {
        let (machine, armed) = (machine, Set(timers.keys))
        expect(machine.queueLength == queue.count, "the machine and its clients disagree on the queue")
        expect(queue.count <= machine.policy.maximumQueue, "the queue is too long")
        expect(gate.isOpen == isReady, "the gate is open in \(machine.state)")
        let needs = !machine.policy.requires.isEmpty && (process != .none || isChecking || isAwaiting)
        let isHolding = isHolding
        expect(isHolding == needs, "requirements are acquired: \(isHolding), in \(machine.state)")
        switch machine.state {
        case .asleep, .shuttingDown:
            expect(armed.isEmpty, "\(armed) armed while \(machine.state)")
            expect(process == .none && !isProbing && !isChecking && queue.isEmpty, "a generation has leftovers")
            expect(machine.standing != .pinned || machine.state == .shuttingDown, "pinned and asleep")
        case .starting(let start):
            expect(machine.standing != .disabled, "it starts although it is disabled")
            switch start.phase {
            case .awaitingDependencies:
                expect(armed.isEmpty && isAwaiting && process == .none, "no pending event in \(start.phase)")
            case .probing, .relistening: expect(armed == [.startup] && isProbing, "a start without an end")
            case .checkingAddress, .spawning:
                expect(armed.isEmpty && isChecking && process == .none, "no pending event in \(start.phase)")
            }
        case .awake:
            expect(armed.isSubset(of: [.idle]) && !isProbing && queue.isEmpty, "leftovers of the start")
            expect(machine.standing != .disabled, "awake although it is disabled")
            let mayIdle =
                machine.policy.idleTimeout != nil && !machine.policy.alwaysOn && machine.standing != .pinned
            if mayIdle, gate.inside == 0, lastLeases.isEmpty {
                expect(armed == [.idle], "idle without a timer")
            }
        case .stopping:
            expect(armed == [.stopStep] && process != .none && !isProbing, "a stop without an end")
            let waitsInVain = machine.isStopOverdue && !queue.isEmpty
            expect(!waitsInVain, "requests are queued during an overdue stop")
        case .backoff(let rest):
            expect(armed == [.backoffTimer] && process == .none, "a backoff without an end")
            let waitsTooLong = !queue.isEmpty && timers[.backoffTimer]! - now > Limits.queuedRest
            expect(!waitsTooLong && timers[.backoffTimer] == rest.until, "requests are queued during a long backoff")
        }
    }

    private var isReady: Bool { if case .awake = machine.state { true } else { false } }

    /// Runs to the end on the shortest way and checks the invariants there.
    mutating func finish() {
        if !isShutDown { make(.shutDown) }
        if process == .alive { make(.exit(takesGroupAlong: true)) }
        if process == .leaderGone { make(.groupEnds) }
        let (state, unanswered) = (machine.state, queue)
        expect(state == .shuttingDown, "still \(state) after the shutdown")
        expect(unanswered.isEmpty, "\(unanswered) never got a result")
        expect(!gate.isOpen, "the gate outlived the daemon")
    }
}

extension BackendMachine.State {
    fileprivate var isStarting: Bool { if case .starting = self { true } else { false } }
}
