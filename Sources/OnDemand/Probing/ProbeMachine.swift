/// The probe of one backend's address: before a start for a foreign listener, during it for readiness.
///
/// Theory of operation. A probe for readiness makes attempts until one succeeds; the startup timeout ends it from
/// outside. An attempt looks up the listening socket and its owner, connects where the lookup cannot decide or the
/// check needs a response, and proves that the connection was accepted by the backend's own process tree:
///
///     begin ─▶ looking up ─▶ connecting ─▶ proving the owner ─▶ conversing ─▶ leaving
///                  │             │                │                 │
///                  └─────────────┴────────────────┴─────────────────┴─▶ pausing ─▶ the next attempt
///
/// - A probe before a start ends with its first result: a listener of any process means that the address is taken.
/// - A foreign or unknown owner never gets a byte, and never counts as the backend.
/// - `socket`: the kernel accepts connections on an inherited socket before the backend does, so a connect proves
///   nothing. The first connection of a generation is the daemon's, with its direction already ended; the backend is
///   ready once it has accepted and closed it.
/// - `notify`: the first attempt follows READY=1.
/// - Success is reported at once. `leaving` awaits the backend's end, because a close with unread bytes is a reset.
///
/// The driver performs the effects in their order. An effect with a result reports it as the next event.
struct ProbeMachine {
    /// What a probe for readiness has learned in this start.
    private struct Findings: Equatable {
        /// The last lookup gave a result, so frequent lookups are useful.
        var canLookUp = false
        /// Time of the start from which the probe connects although a lookup finds no listener.
        var nextConnect = ProbeSchedule.connectPause(after: .zero)
        /// The attempt at which the listener was last proven to be the backend's own. nil: not yet.
        var provenAttempt: UInt32?
        var isNotified = false
        /// The last foreign processes that sent READY=1. They are not looked up again in this start.
        var foreignSenders: [ProcessID] = []
    }

    private enum Step {
        case awaitingNotification
        case lookingUp
        case pausing
        case connecting(isStarted: Bool)
        /// A connection without a conversation: its owner decides.
        case proving
        /// The owner is proven before the first byte is sent.
        case provingBeforeConversation
        case conversing(ProbeConversation?)
        /// In the accept queue of the inherited socket, until the backend accepts the connection and reads its end.
        case queued
    }

    private enum State {
        case none
        case checkingAddress(isStarted: Bool)
        case seeking(Findings, Step)
        /// Ready. The backend has not closed the probe's connection yet.
        case leaving
    }

    private var state = State.none
    /// The number of the attempt. Events of an earlier attempt's socket are ignored.
    private(set) var attempt: UInt32 = 0
    /// Why the last attempt with a result failed, in this start. nil: no result yet.
    private(set) var lastResult: String?
    /// A foreign listener or sender was logged in this start.
    private var hasLoggedConflict = false

    // MARK: Questions

    /// Whether a connection in progress is to be examined when its socket is ready.
    var isConnecting: Bool {
        switch state {
        case .checkingAddress(let isStarted), .seeking(_, .connecting(let isStarted)): isStarted
        case .none, .seeking, .leaving: false
        }
    }

    var isPausing: Bool { if case .seeking(_, .pausing) = state { true } else { false } }

    /// Whether READY=1 would have an effect.
    var awaitsNotification: Bool {
        if case .seeking(let findings, _) = state { !findings.isNotified } else { false }
    }

    func isKnownForeigner(_ sender: ProcessID) -> Bool {
        if case .seeking(let findings, _) = state { findings.foreignSenders.contains(sender) } else { false }
    }

    mutating func noteForeignSender(_ sender: ProcessID) {
        guard case .seeking(var findings, let step) = state else { return }
        if findings.foreignSenders.count >= Limits.foreignSendersKept { findings.foreignSenders.removeFirst() }
        findings.foreignSenders.append(sender)
        state = .seeking(findings, step)
    }

    /// Returns true for the first conflict of a start, which is logged.
    mutating func noteConflict() -> Bool {
        defer { hasLoggedConflict = true }
        return !hasLoggedConflict
    }

    // MARK: Events

    mutating func apply(_ event: Event, _ facts: Facts) -> [Effect] {
        var effects: [Effect] = []
        switch event {
        case .begin(let purpose): begin(purpose, facts, &effects)
        case .listenerLost:
            end(&effects)
            forget()
            state = .seeking(Findings(), .pausing)
            let pause = ProbeSchedule.pause(after: facts.elapsed, byLookup: true, hasAnswered: true)
            effects.append(.arm(after: pause))
        case .stop: end(&effects)
        case .notified: notified(facts, &effects)
        case .printed:
            // An answer or a conflict is looked at again at the pace of the schedule.
            guard case .seeking(let findings, .pausing) = state, findings.canLookUp, lastResult == nil,
                !hasLoggedConflict
            else { break }
            attempt(findings, facts, &effects)
        case .timeReached: timeReached(facts, &effects)
        case .lookedUp(let lookup): lookedUp(lookup, facts, &effects)
        case .isOwnListener:
            lastResult = "the daemon itself listens"
            checked(.addressTaken, &effects)
        case .connectionStarted: connectionStarted(&effects)
        case .connected: connected(facts, &effects)
        case .connectionFailed(let code): connectionFailed(code, facts, &effects)
        case .unwatchable:
            effects += [.close, .disarm]
            if case .checkingAddress = state { checked(.addressFree, &effects) } else { failed(facts, &effects) }
        case .ownerFound(let owner): ownerFound(owner, facts, &effects)
        case .conversation(let conversation):
            guard case .seeking(let findings, .conversing(nil)) = state else { break }
            state = .seeking(findings, .conversing(conversation))
            effects += [.send(conversation.opening), .arm(after: Limits.probeResponseTimeout), .watch]
        case .received(let bytes): received(bytes, facts, &effects)
        case .ended: connectionEnded(facts, &effects)
        }
        return effects
    }

    private mutating func begin(_ purpose: Purpose, _ facts: Facts, _ effects: inout [Effect]) {
        end(&effects)
        forget()
        switch purpose {
        case .checkAddress where facts.inheritsSocket || facts.picksPort:
            // The daemon holds this address itself, or has just found it free.
            effects.append(.report(.addressFree))
        case .checkAddress where !facts.hasAddress: effects.append(.report(.addressFree))
        case .checkAddress:
            attempt &+= 1
            state = .checkingAddress(isStarted: false)
            effects.append(.connect)
        case .readiness where facts.check == .notify: state = .seeking(Findings(), .awaitingNotification)
        case .readiness: attempt(Findings(), facts, &effects)
        }
    }

    private mutating func forget() { (lastResult, hasLoggedConflict) = (nil, false) }

    /// Ends what is under way.
    private mutating func end(_ effects: inout [Effect]) {
        switch state {
        case .none, .seeking(_, .awaitingNotification): break
        case .seeking(_, .pausing): effects.append(.disarm)
        case .checkingAddress, .seeking, .leaving: effects += [.close, .disarm]
        }
        state = .none
    }

    private mutating func notified(_ facts: Facts, _ effects: inout [Effect]) {
        guard case .seeking(var findings, let step) = state, !findings.isNotified else { return }
        findings.isNotified = true
        switch step {
        case .awaitingNotification, .pausing: attempt(findings, facts, &effects)
        // The attempt under way decides.
        case .lookingUp, .connecting, .proving, .provingBeforeConversation, .conversing, .queued:
            state = .seeking(findings, step)
        }
    }

    private mutating func timeReached(_ facts: Facts, _ effects: inout [Effect]) {
        switch state {
        case .none, .seeking(_, .awaitingNotification): break
        case .checkingAddress:
            // A full accept queue means that the address is taken.
            effects.append(.close)
            checked(.addressTaken, &effects)
        case .seeking(let findings, let step):
            switch step {
            case .pausing: break
            case .conversing:
                lastResult = "no response in time"
                effects.append(.close)
            case .awaitingNotification, .lookingUp, .connecting, .proving, .provingBeforeConversation,
                .queued:
                effects.append(.close)
            }
            attempt(findings, facts, &effects)
        case .leaving:
            effects.append(.close)
            state = .none
        }
    }
}

// MARK: - Attempts

extension ProbeMachine {
    private mutating func attempt(_ findings: Findings, _ facts: Facts, _ effects: inout [Effect]) {
        guard facts.hasAddress else {
            state = .seeking(findings, .lookingUp)
            return succeeded(&effects)
        }
        attempt &+= 1
        guard !facts.inheritsSocket else {
            state = .seeking(findings, .connecting(isStarted: false))
            return effects.append(.connect)
        }
        state = .seeking(findings, .lookingUp)
        effects.append(.lookUp)
    }

    /// A lookup costs a sixth of a connect, makes no connection and names the owner.
    private mutating func lookedUp(_ lookup: SocketLookup, _ facts: Facts, _ effects: inout [Effect]) {
        guard case .seeking(var findings, .lookingUp) = state else { return }
        findings.canLookUp = lookup != .unsupported
        state = .seeking(findings, .lookingUp)
        switch lookup {
        case .noListener:
            // Behind forwarded ports, such as a container's, only a connect finds the listener.
            guard facts.elapsed >= findings.nextConnect else { return failed(facts, &effects) }
            findings.nextConnect = facts.elapsed + ProbeSchedule.connectPause(after: facts.elapsed)
        case .foreignProcess, .unknownOwner: return rejectOwner(lookup, facts, &effects)
        case .ownProcess:
            findings.provenAttempt = attempt
            // The kernel accepts connections for a listener, so a connect would prove nothing more.
            guard facts.check.needsConversation else { return succeeded(&effects) }
        case .unsupported: break
        }
        state = .seeking(findings, .connecting(isStarted: false))
        effects.append(.connect)
    }

    private mutating func connectionStarted(_ effects: inout [Effect]) {
        switch state {
        case .checkingAddress: state = .checkingAddress(isStarted: true)
        case .seeking(let findings, .connecting): state = .seeking(findings, .connecting(isStarted: true))
        case .none, .seeking, .leaving: return
        }
        effects += [.arm(after: Limits.probeTimeout), .watch]
    }

    private mutating func connected(_ facts: Facts, _ effects: inout [Effect]) {
        switch state {
        case .checkingAddress(let isStarted):
            if isStarted { effects.append(.disarm) }
            effects.append(.close)
            checked(.addressTaken, &effects)
        case .seeking(let findings, .connecting(let isStarted)):
            if isStarted { effects.append(.disarm) }
            if facts.inheritsSocket {
                // Only the startup timeout applies.
                state = .seeking(findings, .queued)
                effects += [.endSending, .watch]
            } else if !facts.check.needsConversation {
                prove(.proving, findings, facts, &effects)
            } else {
                prove(.provingBeforeConversation, findings, facts, &effects)
            }
        case .none, .seeking, .leaving: break
        }
    }

    private mutating func connectionFailed(_ code: Errno?, _ facts: Facts, _ effects: inout [Effect]) {
        switch state {
        case .checkingAddress(let isStarted):
            if isStarted { effects += [.disarm, .close] }
            switch code {
            // A Unix socket with a full queue fails at once (unix(7)): a process listens there.
            case .tryAgain?: return checked(.addressTaken, &effects)
            // The socket file of a killed server would make the next bind fail.
            case .connectionRefused?: effects.append(.removeStaleSocket)
            case _?, nil: break
            }
            checked(.addressFree, &effects)
        case .seeking(_, .connecting(let isStarted)):
            if isStarted { effects += [.disarm, .close] }
            failed(facts, &effects)
        case .none, .seeking, .leaving: break
        }
    }

    /// A foreign listener that took the address after the lookup must not get clients: the owner of the accepting
    /// socket is found, unless this attempt has already proven it.
    private mutating func prove(_ step: Step, _ findings: Findings, _ facts: Facts, _ effects: inout [Effect]) {
        state = .seeking(findings, step)
        guard findings.provenAttempt == attempt else { return effects.append(.identifyOwner) }
        proven(findings, step, &effects)
    }

    private mutating func ownerFound(_ owner: SocketLookup, _ facts: Facts, _ effects: inout [Effect]) {
        guard case .seeking(var findings, let step) = state else { return }
        switch step {
        case .proving, .provingBeforeConversation: break
        case .awaitingNotification, .lookingUp, .pausing, .connecting, .conversing, .queued: return
        }
        switch owner {
        // A socket of another machine, or behind address translation, cannot belong to a process of this one.
        case .ownProcess, .noListener, .unsupported:
            findings.provenAttempt = attempt
            state = .seeking(findings, step)
            proven(findings, step, &effects)
        case .foreignProcess, .unknownOwner:
            effects.append(.close)
            rejectOwner(owner, facts, &effects)
        }
    }

    private mutating func proven(_ findings: Findings, _ step: Step, _ effects: inout [Effect]) {
        switch step {
        case .proving:
            effects.append(.close)
            succeeded(&effects)
        case .provingBeforeConversation:
            state = .seeking(findings, .conversing(nil))
            effects.append(.converse)
        case .awaitingNotification, .lookingUp, .pausing, .connecting, .conversing, .queued:
            preconditionFailure("no owner was asked for")
        }
    }

    private mutating func rejectOwner(_ owner: SocketLookup, _ facts: Facts, _ effects: inout [Effect]) {
        if owner == .unknownOwner { lastResult = "a process listened that could not be shown to be the backend's" }
        if noteConflict() { effects.append(.logConflict) }
        failed(facts, &effects)
    }

    private mutating func received(_ bytes: ArraySlice<UInt8>, _ facts: Facts, _ effects: inout [Effect]) {
        switch state {
        case .seeking(let findings, .conversing(var conversation?)):
            // The slot in the state is emptied, so that the buffered response is not copied.
            state = .seeking(findings, .conversing(nil))
            let verdict = conversation.hear(bytes)
            state = .seeking(findings, .conversing(conversation))
            judge(verdict, facts, &effects)
        case .seeking(_, .queued): acceptedByBackend(&effects)
        case .none, .checkingAddress, .seeking, .leaving: break
        }
    }

    private mutating func connectionEnded(_ facts: Facts, _ effects: inout [Effect]) {
        switch state {
        case .seeking(_, .conversing(let conversation?)): judge(conversation.ended(), facts, &effects)
        case .seeking(_, .queued): acceptedByBackend(&effects)
        case .leaving: end(&effects)
        case .none, .checkingAddress, .seeking: break
        }
    }

    private mutating func judge(
        _ verdict: ProbeConversation.Verdict, _ facts: Facts, _ effects: inout [Effect]
    ) {
        switch verdict {
        case .undecided: break
        case .ready(let closeHandshake):
            state = .leaving
            effects += [.send(closeHandshake), .arm(after: Limits.closeTimeout), .report(.probeSucceeded)]
        case .notReady(let reason):
            lastResult = reason
            effects.append(.close)
            failed(facts, &effects)
        }
    }

    private mutating func acceptedByBackend(_ effects: inout [Effect]) {
        effects.append(.close)
        succeeded(&effects)
    }

    // MARK: Results

    private mutating func checked(_ result: BackendMachine.Event, _ effects: inout [Effect]) {
        state = .none
        effects.append(.report(result))
    }

    private mutating func succeeded(_ effects: inout [Effect]) {
        state = .none
        effects += [.disarm, .report(.probeSucceeded)]
    }

    private mutating func failed(_ facts: Facts, _ effects: inout [Effect]) {
        guard case .seeking(let findings, _) = state else { return }
        state = .seeking(findings, .pausing)
        let pause = ProbeSchedule.pause(
            after: facts.elapsed, usual: facts.usualStartup, byLookup: findings.canLookUp,
            hasAnswered: lastResult != nil || hasLoggedConflict)
        effects.append(.arm(after: pause))
    }
}
