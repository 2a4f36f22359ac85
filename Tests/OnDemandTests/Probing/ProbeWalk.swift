@testable import OnDemand

/// A probe with the surroundings that a driver gives it: a connection, a timer and results of lookups. All are values,
/// so that a walk can try every event from here.
struct ProbeWalk {
    /// A result that an effect has asked for, or an event from outside.
    enum Choice: Equatable {
        case lookedUp(SocketLookup)
        case ownerFound(SocketLookup)
        case isOwnListener, started, connected, refused, queueIsFull, failsLater
        case watched, unwatchable
        case respond(String)
        case end
        case timeReached, printed, notified, listenerLost, stop
    }

    private enum Question { case lookUp, connect, identifyOwner, watch }
    private enum Connection { case none, starting, open }

    static let owners: [SocketLookup] = [.noListener, .ownProcess, .foreignProcess, .unknownOwner, .unsupported]
    static let ready = "HTTP/1.1 200 OK\r\n\r\n"
    static let notReady = "HTTP/1.1 500 Internal Server Error\r\n\r\n"

    private(set) var machine = ProbeMachine()
    private let facts: ProbeMachine.Facts
    private let purpose: ProbeMachine.Purpose
    private var questions: [Question] = []
    private var rest: [ProbeMachine.Effect] = []
    private var connection = Connection.none
    private(set) var isWatched = false
    private(set) var isArmed = false
    private(set) var reports: [BackendMachine.Event] = []
    private var lastOwner: SocketLookup?
    private var conversationSucceeds = false
    private var isLosingBytes = false
    private var attempts: Set<UInt32> = []
    private var isNotified = false
    private(set) var isStopped = false
    private(set) var conflicts = 0
    /// The first broken invariant.
    private(set) var fault: String?

    init(_ purpose: ProbeMachine.Purpose, _ facts: ProbeMachine.Facts) {
        (self.purpose, self.facts) = (purpose, facts)
        tell(.begin(purpose))
    }

    private mutating func expect(_ holds: Bool, _ invariant: String) { if !holds, fault == nil { fault = invariant } }

    // MARK: Choices

    /// Every event that is possible now.
    var choices: [Choice] {
        if let question = questions.first {
            switch question {
            case .lookUp: return Self.owners.map { .lookedUp($0) }
            case .identifyOwner: return Self.owners.map { .ownerFound($0) }
            case .connect:
                let results: [Choice] = [.started, .connected, .refused, .queueIsFull]
                return purpose == .checkAddress ? results + [.isOwnListener] : results
            case .watch: return [.watched, .unwatchable]
            }
        }
        guard !isStopped else { return [] }
        var choices: [Choice] = [.stop, .printed, .notified]
        if isArmed { choices.append(.timeReached) }
        switch connection {
        case .none: break
        case .starting: choices += [.connected, .failsLater]
        case .open: choices += [.respond("HTT"), .respond(Self.ready), .respond(Self.notReady), .end]
        }
        if reports == [.probeSucceeded] { choices.append(.listenerLost) }
        return choices
    }

    mutating func take(_ choice: Choice) {
        if !questions.isEmpty { questions.removeFirst() }
        switch choice {
        case .lookedUp(let owner):
            lastOwner = owner == .ownProcess ? owner : nil
            tell(.lookedUp(owner))
        case .ownerFound(let owner):
            lastOwner = owner
            tell(.ownerFound(owner))
        case .isOwnListener: tell(.isOwnListener)
        case .started:
            connection = .starting
            tell(.connectionStarted)
        case .connected:
            connection = .open
            tell(.connected)
        case .refused: tell(.connectionFailed(.connectionRefused))
        case .queueIsFull: tell(.connectionFailed(.tryAgain))
        case .failsLater: tell(.connectionFailed(nil))
        case .watched:
            isWatched = true
            perform()
        case .unwatchable: tell(.unwatchable)
        case .respond(let text):
            conversationSucceeds = text == Self.ready
            tell(.received(Array(text.utf8)[...]))
        case .end: tell(.ended)
        case .timeReached:
            isArmed = false
            tell(.timeReached)
        case .printed: tell(.printed)
        case .notified:
            isNotified = true
            tell(.notified)
        case .listenerLost:
            reports = []
            conflicts = 0
            tell(.listenerLost)
        case .stop:
            isStopped = true
            tell(.stop)
        }
    }

    // MARK: Effects

    private mutating func tell(_ event: ProbeMachine.Event) {
        rest += machine.apply(event, facts)
        perform()
    }

    private mutating func perform() {
        while questions.isEmpty, !rest.isEmpty {
            let effect = rest.removeFirst()
            switch effect {
            case .lookUp:
                expect(purpose == .readiness, "a lookup before a start")
                questions.append(.lookUp)
            case .connect:
                expect(connection == .none, "a second connection: the first would leak")
                expect(attempts.insert(machine.attempt).inserted, "an attempt's number is used again")
                expect(
                    facts.check != .notify || purpose == .checkAddress || isNotified || !reports.isEmpty,
                    "an attempt before READY=1")
                questions.append(.connect)
            case .identifyOwner:
                expect(connection == .open, "the owner of no connection")
                questions.append(.identifyOwner)
            case .converse: tell(.conversation(ProbeConversation(facts.check, host: "localhost", dice: { 7 })!))
            case .send(let bytes):
                expect(connection == .open, "bytes to no connection")
                expect(bytes.isEmpty || isOwnerTrusted, "bytes to a foreign listener")
            case .endSending: expect(facts.inheritsSocket, "only the daemon's first connection ends at once")
            case .watch: if !isWatched { questions.append(.watch) }
            case .close:
                connection = .none
                isWatched = false
            case .arm(let pause):
                expect(pause > .zero, "no pause")
                isArmed = true
            case .disarm: isArmed = false
            case .removeStaleSocket: expect(purpose == .checkAddress, "a socket file of a running backend is removed")
            case .logConflict:
                conflicts += 1
                expect(conflicts == 1, "a conflict is logged twice in a start")
            case .report(let event): note(event)
            }
        }
        if questions.isEmpty { expectProgress() }
    }

    /// The owner of the last proof is the backend, or cannot be a process of this machine.
    private var isOwnerTrusted: Bool {
        switch lastOwner {
        case .ownProcess, .noListener, .unsupported: true
        case .foreignProcess, .unknownOwner, nil: false
        }
    }

    private mutating func note(_ event: BackendMachine.Event) {
        expect(reports.isEmpty, "a second result")
        reports.append(event)
        guard event == .probeSucceeded else { return expect(purpose == .checkAddress, "\(event) of a readiness probe") }
        expect(purpose == .readiness, "readiness before a start")
        guard !facts.inheritsSocket else { return }
        expect(isOwnerTrusted, "a foreign listener is ready")
        if facts.check.needsConversation { expect(conversationSucceeds, "ready without the expected response") }
    }

    /// A probe without a result has a way on, and one with a result leaves nothing behind.
    private mutating func expectProgress() {
        let isOpen = connection != .none
        if isStopped || (!reports.isEmpty && !isOpen) {
            expect(!isOpen, "a stopped probe keeps its connection")
            expect(!isArmed, "a finished probe keeps its timer")
        } else {
            let awaitsNotification = facts.check == .notify && !isNotified
            expect(isArmed || (isOpen && isWatched) || awaitsNotification, "nothing will continue this probe")
        }
    }
}
