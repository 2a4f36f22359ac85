@testable import OnDemand

/// The kernel of a simulated daemon: no threads, no real clock, every choice from one seed.
///
/// Time stands still while the daemon computes, and jumps to the next event when it waits. A call that a real kernel
/// rejects with EBADF, and that no daemon should make, is a violation.
final class SimulatedKernel: Kernel {
    enum File {
        case listener(SimulatedListener)
        case socket(SimulatedSocket)
        case pipe(SimulatedPipe)
        case notify(SimulatedNotifySocket)
        case logFile(SimulatedLogFile)
        case signals
        case wakeup(SimulatedWakeup)
        case guardChannel(SimulatedGuard)
    }

    struct Watch {
        let token: Token
        let interest: Interest
        /// The number of the thread; 0 is the main thread.
        let view: Int
    }

    /// The kernel of the main thread, which holds all state; nil on the main thread itself.
    unowned let first: SimulatedKernel?
    private(set) var further: [SimulatedKernel] = []
    private(set) var view = 0

    var clock = Instant(nanoseconds: 1_000_000_000)
    /// Offset of the wall clock in seconds. It may change; only log lines may show the change.
    var wallOffset: Int64 = 1_800_000_000
    var dice: Seeded
    var faults: Faults
    private var schedule = Schedule()

    /// All violations.
    private(set) var complaints: [String] = []
    var trace: Trace

    // Descriptors.
    var files: [Int32: File] = [:]
    var descriptorLimit = 1024
    /// The number of the call that fails; 0: none.
    var failingCall = 0
    /// The errno of that call; nil: its most usual one.
    var failingErrno: Errno?
    private(set) var fallibleCalls = 0
    private(set) var failedVerb: String?

    // Readiness.
    var watches: [Int32: Watch] = [:]
    /// Descriptors with an undelivered edge, in order.
    var ready: [Int32] = []
    /// Level-triggered descriptors, in order.
    var levels: [Int32] = []
    var events: [ReadinessEvent] = []
    var lastClosedToken: Token?
    /// A wait has no deadline and nothing is planned: the world is asleep.
    private(set) var isQuiet = false
    /// Counts changes, to tell a busy loop from work.
    private(set) var progress = 0
    private var progressAtLastWait = -1
    private var idleTurns = 0
    private(set) var waits = 0

    // The world outside.
    var listeners: [SocketAddress: SimulatedListener] = [:]
    var notifySockets: [String: SimulatedNotifySocket] = [:]
    var children = ChildTable()
    /// Messages to the service manager, the watchdog interval, and the sockets that it opened.
    private(set) var managerHeard: [String] = []
    var watchdogInterval: Duration?
    var inherited: [InheritedListener] = []
    var pendingSignals: [DaemonSignal] = []
    var logLines: [[UInt8]] = []
    /// Log lines of one loop iteration, and the maximum of all.
    private var linesThisTurn = 0
    private(set) var mostLinesPerTurn = 0
    /// Number of checks whether a process belongs to a process tree.
    var treeQuestions = 0
    /// The daemon's own files, by path.
    var disk: [String: [UInt8]] = [:]
    var diskIsFull = false
    var logReader = LogReader.other
    var logDisk = SimulatedLogDisk()
    var troubles = FaultHistory()
    /// Set when the daemon has been asked to shut down.
    var isShuttingDown = false
    /// Set when it has been asked twice.
    var mayHurry = false
    /// An operator has stopped a service, which rejects clients.
    var obeysOperator = false
    /// A reload has ended a generation early.
    var sendsAway = false
    var isCramped = false
    /// Lifetimes of the next guards, the last one first; later guards stay.
    var guardDeaths: [Duration] = []
    /// The owner of a listening socket is invisible.
    var hidesSockets = false
    /// Idle connections may have been closed to free descriptors.
    var hasLackedDescriptors = false
    /// The clock has jumped: all timeouts expired at once.
    var hasJumped = false
    var counters = RequestLog()
    /// Of the simulation, if it has cables.
    weak var cableWorld: CableWorld?

    init(seed: UInt64, faults: Faults = .none) {
        dice = Seeded(seed: seed)
        self.faults = faults
        trace = Trace()
        first = nil
    }

    private init(besides first: SimulatedKernel) {
        dice = Seeded(seed: 0)
        faults = .none
        trace = Trace()
        self.first = first
        view = first.further.count + 1
    }

    // MARK: Threads

    func forWorkerThread() throws(SystemError) -> SimulatedKernel {
        guard !fails("forAnotherThread") else {
            throw SystemError(call: "epoll_create1", code: .tooManyFiles, subject: "")
        }
        further.append(SimulatedKernel(besides: self))
        return further.last!
    }

    func openWakeup() throws(SystemError) -> Descriptor {
        if let first { return try first.openWakeup() }
        guard !fails("openBell") else { throw SystemError(call: "eventfd", code: .tooManyFiles, subject: "") }
        return insert(.wakeup(SimulatedWakeup()))
    }

    func signalWakeup(_ wakeup: Descriptor) {
        if let first { return first.signalWakeup(wakeup) }
        guard case .wakeup(let file) = file(wakeup, "ring") else { return }
        progressed()
        file.hasRung = true
        if watches[wakeup.raw] != nil, !ready.contains(wakeup.raw) { ready.append(wakeup.raw) }
    }

    /// Returns each thread's own kernel, by its number.
    func seen(from view: Int) -> SimulatedKernel { view == 0 ? self : further[view - 1] }

    // MARK: Time and chance

    func now() -> Instant { first?.clock ?? clock }

    func wallClock() -> WallClock {
        if let first { return first.wallClock() }
        return WallClock(
            seconds: wallOffset + clock.nanoseconds / 1_000_000_000, nanoseconds: clock.nanoseconds % 1_000_000_000)
    }

    func random() -> UInt64 { first?.random() ?? dice.next() }

    func notifyServiceManager(_ message: String) { managerHeard.append(message) }

    func inheritedListeners() -> [InheritedListener] {
        defer { inherited = [] }
        return inherited
    }

    func scenario(after delay: Duration, _ action: @escaping () -> Void) {
        schedule.scenario(at: clock + delay, action)
    }

    /// Resumes a quiet world: the daemon's next wait may return an event.
    func wake() { isQuiet = false }

    func drawCapacity() -> Int {
        dice.chance(faults.smallBuffers) ? dice.number(in: 16...600) : dice.one(of: [4096, 65_536, 200_000, 1_000_000])
    }

    func drawLatency() -> Duration {
        dice.chance(faults.slowNetwork)
            ? dice.duration(.milliseconds(1) ... .milliseconds(50))
            : dice.duration(.microseconds(5) ... .microseconds(200))
    }

    /// Time that slow loop iterations have taken so far; a client of a small buffer waits for them repeatedly.
    private(set) var slowTurnTime = Duration.zero

    /// The simulated machine is so slow that timeouts of clients are not checked.
    var isSlow: Bool { hasJumped || isCramped }

    /// Notifies the owner of a peer's end a little later; several changes cause one notification.
    func lookLater(at socket: SimulatedSocket) {
        guard socket.owner != nil, !socket.isLookedAfter else { return }
        socket.isLookedAfter = true
        scenario(after: drawLatency()) {
            socket.isLookedAfter = false
            socket.owner?.inspect(socket)
        }
    }

    // MARK: Violations

    func complain(_ sentence: String) {
        complaints.append("\(sentence) (at \(clock.nanoseconds / 1000) us)")
        trace.note("complaint: \(sentence)")
    }

    func progressed() { progress += 1 }

    func note(_ cause: FaultHistory.Cause, of service: Int) { troubles.note(cause, of: service, at: clock) }

    func noteOfAll(_ cause: FaultHistory.Cause) {
        for service in children.services { note(cause, of: service) }
    }

    func failure(_ usual: Errno) -> Errno { failingErrno ?? usual }

    /// Counts a call that may fail; returns true when it must fail.
    func fails(_ verb: String) -> Bool {
        fallibleCalls += 1
        guard fallibleCalls == failingCall else { return false }
        failedVerb = verb
        trace.note("call \(failingCall) fails: \(verb)", at: clock)
        return true
    }

    // MARK: Waiting

    func wait(until deadline: Instant?) -> Int {
        if let first { return first.lookUpSocket(from: view) }
        guard further.isEmpty else { return lookUpSocket(from: 0) }
        waits += 1
        linesThisTurn = 0
        let began = clock
        beginTurn()
        runDue()
        collectEvents(for: self)
        while events.isEmpty, let deadline = deadline ?? schedule.next, clock < deadline {
            guard let next = schedule.next, next <= deadline else {
                clock = deadline
                if dice.chance(faults.lateTimers) { clock = clock + dice.duration(.zero ... .milliseconds(5)) }
                runDue()
                collectEvents(for: self)
                break
            }
            clock = max(clock, next)
            runDue()
            collectEvents(for: self)
        }
        isQuiet = events.isEmpty && deadline == nil && schedule.next == nil
        judgeTurn(slept: clock - began > .microseconds(2))
        trace.note("wait", events.count, Int(truncatingIfNeeded: deadline?.nanoseconds ?? -1), at: clock)
        return events.count
    }

    /// A loop iteration takes almost no time, except on a loaded machine.
    private func beginTurn() {
        guard dice.chance(faults.slowTurns) else {
            clock = clock + .microseconds(2)
            return
        }
        let length = dice.duration(.zero ... .milliseconds(100))
        clock = clock + length
        slowTurnTime += length
    }

    /// With several threads no wait blocks: the simulation chooses the next thread and the time to sleep.
    private func lookUpSocket(from view: Int) -> Int {
        waits += 1
        beginTurn()
        runDue()
        let viewer = seen(from: view)
        collectEvents(for: viewer)
        judgeTurn(slept: false)
        trace.note("turn", viewer.events.count, view, at: clock)
        return viewer.events.count
    }

    /// Whether a wait of this thread would return an event.
    func hasEvents(for view: Int) -> Bool {
        (ready + levels).contains { watches[$0]?.view == view && !readiness(of: $0).isEmpty }
    }

    /// Sleeps until the earliest of these, or until a planned event; returns false when nothing will happen again.
    func sleep(until deadlines: [Instant]) {
        guard let next = (deadlines + [schedule.next].compactMap { $0 }).min() else {
            isQuiet = true
            return
        }
        idleTurns = 0
        clock = max(clock, next)
        if schedule.next != next, dice.chance(faults.lateTimers) {
            clock = clock + dice.duration(.zero ... .milliseconds(5))
        }
        runDue()
    }

    private func runDue() {
        while let action = schedule.popDue(at: clock) { action() }
    }

    /// Runs the remaining processes and clients after the daemon's exit.
    func runWithoutDaemon() {
        while let next = schedule.next {
            clock = max(clock, next)
            runDue()
        }
    }

    /// Iterations that neither sleep nor change anything are a busy loop; duplicate events may cause a few.
    private func judgeTurn(slept: Bool) {
        idleTurns = slept || progress != progressAtLastWait ? 0 : idleTurns + 1
        progressAtLastWait = progress
        if idleTurns == 100 { complain("the daemon spins: 100 iterations without sleep or progress") }
    }

    func event(at position: Int) -> ReadinessEvent { events[position] }

    // MARK: Files

    var workingDirectory: String? { "/" }

    func beginning(ofProgramOf command: LaunchCommand, atMost limit: Int) -> [UInt8]? {
        disk[command.command].map { Array($0.prefix(limit)) }
    }

    /// There are no links.
    func isSameFile(_ path: String, _ other: String) -> Bool { true }

    func contents(ofFile path: String, atMost limit: Int) throws(SystemError) -> [UInt8] {
        guard !fails("contents") else { throw SystemError(call: "read", code: .permissionDenied, subject: path) }
        guard let bytes = disk[path] else { throw SystemError(call: "open", code: .noSuchFile, subject: path) }
        return bytes
    }

    func replaceFile(_ path: String, with bytes: [UInt8]) throws(SystemError) {
        guard !diskIsFull, !fails("replaceFile") else {
            throw SystemError(call: "write", code: .noSpace, subject: path)
        }
        disk[path] = bytes
    }

    // MARK: The log

    func trimMemory() {}
    func trimMemoryWithData() {}

    func log(_ line: Span<UInt8>) -> Int {
        guard !dice.chance(faults.lostLogLines) else { return 0 }
        var text: [UInt8] = []
        text.reserveCapacity(line.count)
        unsafe line.withUnsafeBufferPointer { unsafe text.append(contentsOf: $0) }
        logLines.append(text)
        linesThisTurn += 1
        mostLinesPerTurn = max(mostLinesPerTurn, linesThisTurn)
        progressed()
        if trace.isVerbose { trace.note(String(decoding: text, as: UTF8.self)) }
        return line.count
    }

    func logged(_ event: LogEvent) -> [String] {
        logLines.map { String(decoding: $0.dropLast(), as: UTF8.self) + " " }
            .filter { $0.contains(" \(event.rawValue) ") }
    }

    // MARK: The end

    /// Drops the planned events, which retain all objects.
    func dismantle() {
        schedule.removeAll()
        for process in children.all { process.conversations = [] }
        listeners = [:]
        notifySockets = [:]
        files = [:]
    }
}

/// Record of the run, to compare two runs and to read.
struct Trace {
    private(set) var digest: UInt64 = 0xcbf2_9ce4_8422_2325
    private(set) var lines: [String] = []
    var isVerbose = false

    mutating func note(_ verb: StaticString, _ first: Int, _ second: Int = 0, at clock: Instant) {
        mix(UInt64(verb.utf8CodeUnitCount))
        mix(UInt64(bitPattern: Int64(first)))
        mix(UInt64(bitPattern: Int64(second)))
        mix(UInt64(bitPattern: clock.nanoseconds))
        if isVerbose { lines.append("\(clock.nanoseconds / 1000) \(verb) \(first) \(second)") }
    }

    mutating func note(_ sentence: @autoclosure () -> String, at clock: Instant? = nil) {
        if isVerbose { lines.append("\(clock.map { "\($0.nanoseconds / 1000) " } ?? "")\(sentence())") }
    }

    private mutating func mix(_ word: UInt64) { digest = (digest ^ word) &* 0x0000_0100_0000_01b3 }
}
