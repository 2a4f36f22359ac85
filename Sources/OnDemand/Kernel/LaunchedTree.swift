/// The known processes of one launched process tree: the leader and every descendant that was proven to be one.
///
/// A process is a member if it was one before (pid and start time), if it has the mark of this launch, or if it is in
/// the session or process group of the leader. The last rule holds only while that number cannot belong to another
/// process:
///
///     ledByLeader   the leader is not reaped, so it keeps its number
///     heldByOthers  the leader is reaped; a member of its group or session keeps the number
///     givenBack     the group has returned ESRCH; the number may belong to a foreign process and proves nothing
///
/// All other processes are not members.
struct LaunchedTree: Equatable {
    enum GroupNumber { case ledByLeader, heldByOthers, givenBack }

    /// The mark of a process.
    enum Mark: Equatable {
        case own(launch: UInt64)
        /// Another daemon's mark, none, or an unreadable one.
        case untold
    }

    let number: UInt64
    let leader: Int32
    /// nil: unknown.
    let start: UInt64?
    private(set) var groupNumber = GroupNumber.ledByLeader
    private(set) var known: Set<ProcessIdentity> = []

    init(number: UInt64, leader: Int32, start: UInt64?) {
        self.number = number
        self.leader = leader
        self.start = start
    }

    /// Whether an adopted child is a member.
    func isMember(_ process: ProcessFacts, mark: @autoclosure () -> Mark) -> Bool {
        if known.contains(process.identity) { return true }
        if case .own(let launch) = mark() { return launch == number & LaunchMark.lowBits }
        return groupNumber != .givenBack && (process.session == leader || process.group == leader)
    }

    /// Whether a signal to the group reaches only members: the leader, or a child of the daemon in this group, is not
    /// reaped.
    func mayBeSignalledAsGroup(_ tree: [ProcessFacts], by daemon: Int32) -> Bool {
        switch groupNumber {
        case .ledByLeader: true
        case .heldByOthers: tree.contains { $0.parent == daemon && $0.group == leader }
        case .givenBack: false
        }
    }

    mutating func leaderReaped() {
        if groupNumber == .ledByLeader { groupNumber = .heldByOthers }
    }

    mutating func groupAnsweredGone() {
        if groupNumber == .heldByOthers { groupNumber = .givenBack }
    }

    mutating func remember(_ tree: [ProcessFacts]) { known = Set(tree.map(\.identity)) }

    /// Removes a reaped process whose start time is unknown, so that only its pid identifies it.
    mutating func forget(hidden number: Int32) { known.remove(ProcessIdentity(number: number, start: 0)) }
}

/// Launches of this daemon that have not ended, found by each kind of evidence without a search through all of them.
struct LaunchRegistry {
    /// The number of the next launch. No launch has the same bits in its mark.
    var nextNumber: UInt64 = 1
    private var byNumber: [UInt64: LaunchedTree] = [:]
    /// Launches by the pid of their leader, until the number proves nothing. The latest one has it.
    private var byLeader: [Int32: UInt64] = [:]
    /// Launches by the bits that a short mark has of their number.
    private var byMark: [UInt64: UInt64] = [:]
    /// Launches by their known processes.
    private var byMember: [ProcessIdentity: UInt64] = [:]

    subscript(process: ProcessID) -> LaunchedTree? { byNumber[process.launch] }

    mutating func began(_ leader: Int32, start: UInt64?) {
        byNumber[nextNumber] = LaunchedTree(number: nextNumber, leader: leader, start: start)
        byLeader[leader] = nextNumber
        byMark[nextNumber & LaunchMark.lowBits] = nextNumber
        repeat { nextNumber += 1 } while byMark[nextNumber & LaunchMark.lowBits] != nil
    }

    mutating func ended(_ process: ProcessID) {
        guard let launch = byNumber.removeValue(forKey: process.launch) else { return }
        forgetLeader(of: launch)
        if byMark[launch.number & LaunchMark.lowBits] == launch.number {
            byMark[launch.number & LaunchMark.lowBits] = nil
        }
        for member in launch.known where byMember[member] == launch.number { byMember[member] = nil }
    }

    private mutating func forgetLeader(of launch: LaunchedTree) {
        if byLeader[launch.leader] == launch.number { byLeader[launch.leader] = nil }
    }

    /// The launch that this unreaped process leads. At most one.
    func leader(_ number: Int32) -> ProcessID? {
        guard let launch = byLeader[number], byNumber[launch]?.groupNumber == .ledByLeader else { return nil }
        return ProcessID(number: number, launch: launch)
    }

    /// The launch of an adopted child. nil: it is a member of none.
    func launch(of process: ProcessFacts, mark: @autoclosure () -> LaunchedTree.Mark) -> UInt64? {
        if let known = byMember[process.identity] { return known }
        let evidence = mark()
        if case .own(let bits) = evidence { return byMark[bits] }
        return [process.session, process.group].lazy.compactMap { byLeader[$0] }.first {
            byNumber[$0]?.isMember(process, mark: evidence) == true
        }
    }

    /// Whether an adopted child is a member of a launch, as far as it can be told now.
    func membership(of process: ProcessFacts, mark: @autoclosure () -> LaunchedTree.Mark) -> ProcessCensus.Membership {
        if let known = byMember[process.identity] { return .member(launch: known) }
        let evidence = mark()
        if let launch = launch(of: process, mark: evidence) { return .member(launch: launch) }
        return evidence == .untold ? .untold : .noMember
    }

    mutating func reaped(_ process: ProcessID) {
        byNumber[process.launch]?.leaderReaped()
        let hidden = ProcessIdentity(number: process.number, start: 0)
        if let launch = byMember.removeValue(forKey: hidden) { byNumber[launch]?.forget(hidden: process.number) }
    }

    mutating func groupAnsweredGone(_ process: ProcessID) {
        byNumber[process.launch]?.groupAnsweredGone()
        if let launch = byNumber[process.launch], launch.groupNumber == .givenBack { forgetLeader(of: launch) }
    }

    mutating func remember(_ tree: [ProcessFacts], of process: ProcessID) {
        guard let before = byNumber[process.launch] else { return }
        byNumber[process.launch]?.remember(tree)
        for member in before.known where byMember[member] == before.number { byMember[member] = nil }
        for member in tree { byMember[member.identity] = before.number }
    }
}
