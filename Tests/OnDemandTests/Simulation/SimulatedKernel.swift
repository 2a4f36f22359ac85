@testable import OnDemand

/// The system as a daemon sees it in a simulation: no threads, no real clock, everything from one seed.
///
/// Time stands still while the daemon computes and jumps to the next thing that happens when it waits. What a real
/// kernel would answer with EBADF, and what no daemon should do, becomes a complaint.
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
        /// Which thread's, zero being the first.
        let view: Int
    }

    /// On a further thread: the world is that of the first, and all of it is asked there.
    unowned let first: SimulatedKernel?
    private(set) var further: [SimulatedKernel] = []
    private(set) var view = 0

    var clock = Instant(nanoseconds: 1_000_000_000)
    /// The wall clock may be set to another time; nothing but log lines may notice.
    var wallOffset: Int64 = 1_800_000_000
    var dice: Seeded
    var faults: Faults
    private var schedule = Schedule()

    /// Everything that was wrong, in words.
    private(set) var complaints: [String] = []
    var trace: Trace

    // Descriptors.
    var files: [Int32: File] = [:]
    var descriptorLimit = 1024
    /// The n-th call that may fail does so; zero is never.
    var failingCall = 0
    /// What it fails with; nil for what such a call most often fails with.
    var failingErrno: Errno?
    private(set) var fallibleCalls = 0
    private(set) var failedVerb: String?

    // Readiness.
    var watches: [Int32: Watch] = [:]
    /// Descriptors with an edge that has not been told, in order.
    var ready: [Int32] = []
    /// Descriptors that are watched level-triggered, in order.
    var levels: [Int32] = []
    var events: [ReadinessEvent] = []
    var lastClosedToken: Token?
    /// Waits without an end and without anything planned: the world is asleep.
    private(set) var isQuiet = false
    /// Counts what changed something, to tell a busy loop from work.
    private(set) var progress = 0
    private var progressAtLastWait = -1
    private var idleTurns = 0
    private(set) var waits = 0

    // The world outside.
    var listeners: [SocketAddress: SimulatedListener] = [:]
    var notifySockets: [String: SimulatedNotifySocket] = [:]
    var children = ChildTable()
    /// What the manager has heard, how often it wants to hear something, and what it opened.
    private(set) var managerHeard: [String] = []
    var watchdogInterval: Duration?
    var inherited: [InheritedListener] = []
    var pendingSignals: [DaemonSignal] = []
    var logLines: [[UInt8]] = []
    /// Lines that the log got in one turn, and most of all turns.
    private var linesThisTurn = 0
    private(set) var mostLinesPerTurn = 0
    /// How often it was asked whether a process is of a family.
    var familyQuestions = 0
    /// The daemon's own files, by their paths.
    var disk: [String: [UInt8]] = [:]
    var diskIsFull = false
    var logReader = LogReader.anybody
    var logDisk = SimulatedLogDisk()
    /// What really went wrong for a service, so that its clients may be told.
    private(set) var trouble: [Int: Set<String>] = [:]
    /// Set when the daemon has been asked to leave.
    var isShuttingDown = false
    /// And once more.
    var mayHurry = false
    /// An operator had something stopped, and clients are sent away.
    var obeysOperator = false
    /// A reload has ended somebody's life early.
    var sendsAway = false
    var isCramped = false
    /// How long the next guards live, the last one first; those after them are not disturbed.
    var guardDeaths: [Duration] = []
    /// Nothing shows whose a listening socket is.
    var hidesSockets = false
    /// Who was between two requests may have been let go to make room.
    var hasLackedDescriptors = false
    /// Everybody's patience ended at once.
    var hasJumped = false
    var counters = RequestLog()

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

    /// Every thread's own view, by its number.
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

    /// Something the world does may make the daemon's next wait worth while again.
    func wake() { isQuiet = false }

    func drawCapacity() -> Int {
        dice.chance(faults.smallBuffers) ? dice.number(in: 16...600) : dice.one(of: [4096, 65_536, 200_000, 1_000_000])
    }

    func drawLatency() -> Duration {
        dice.chance(faults.slowNetwork)
            ? dice.duration(.milliseconds(1) ... .milliseconds(50))
            : dice.duration(.microseconds(5) ... .microseconds(200))
    }

    /// What slow turns have taken so far: whoever waits for a small buffer to be filled again and again waits for them.
    private(set) var slowTurnTime = Duration.zero

    /// So slow, by its own doing, that nobody's patience means anything.
    var isSlow: Bool { hasJumped || isCramped }

    /// The owner of a peer's end looks at it a little later; many changes are one look.
    func lookLater(at socket: SimulatedSocket) {
        guard socket.owner != nil, !socket.isLookedAfter else { return }
        socket.isLookedAfter = true
        scenario(after: drawLatency()) {
            socket.isLookedAfter = false
            socket.owner?.inspect(socket)
        }
    }

    // MARK: Judging

    func complain(_ sentence: String) {
        complaints.append("\(sentence) (at \(clock.nanoseconds / 1000) us)")
        trace.note("complaint: \(sentence)")
    }

    func progressed() { progress += 1 }

    func note(trouble: String, of service: Int) { self.trouble[service, default: []].insert(trouble) }

    func failure(_ usual: Errno) -> Errno { failingErrno ?? usual }

    /// Counts a call that may fail; true when it is this one's turn to.
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

    /// A turn takes next to nothing, except on a machine that has other things to do.
    private func beginTurn() {
        guard dice.chance(faults.slowTurns) else {
            clock = clock + .microseconds(2)
            return
        }
        let length = dice.duration(.zero ... .milliseconds(100))
        clock = clock + length
        slowTurnTime += length
    }

    /// With several threads nobody sleeps in a wait: whose turn it is and how long all sleep is decided outside.
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

    /// Whether a wait of this thread would tell something.
    func hasEvents(for view: Int) -> Bool {
        (ready + levels).contains { watches[$0]?.view == view && !readiness(of: $0).isEmpty }
    }

    /// Nobody has anything to do before the earliest of these, or before the world does something; false when nothing
    /// will ever happen again.
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

    /// What becomes of the others when the daemon is no more.
    func runWithoutDaemon() {
        while let next = schedule.next {
            clock = max(clock, next)
            runDue()
        }
    }

    /// Turns that neither slept nor changed anything are a busy loop; a few may be due to events told twice.
    private func judgeTurn(slept: Bool) {
        idleTurns = slept || progress != progressAtLastWait ? 0 : idleTurns + 1
        progressAtLastWait = progress
        if idleTurns == 100 { complain("the daemon spins: 100 turns without sleep or progress") }
    }

    func event(at position: Int) -> ReadinessEvent { events[position] }

    // MARK: Files

    var workingDirectory: String? { "/" }

    func beginning(ofFile path: String, atMost limit: Int) -> [UInt8]? { disk[path].map { Array($0.prefix(limit)) } }

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

    /// Forgets the plans, which hold on to everybody.
    func dismantle() {
        schedule.removeAll()
        for process in children.all { process.conversations = [] }
        listeners = [:]
        notifySockets = [:]
        files = [:]
    }
}

/// What happened, for comparing two runs and, when it is wanted, for reading.
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
