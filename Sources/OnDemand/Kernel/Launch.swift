/// The known processes of one launch: the leader and every descendant that was proven to be one.
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
struct Launch: Equatable {
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

/// Launches of this daemon that have not ended.
struct LaunchRegistry {
    private(set) var nextNumber: UInt64 = 1
    private var byNumber: [UInt64: Launch] = [:]

    subscript(process: ProcessID) -> Launch? { byNumber[process.launch] }

    mutating func began(_ leader: Int32, start: UInt64?) {
        byNumber[nextNumber] = Launch(number: nextNumber, leader: leader, start: start)
        nextNumber += 1
    }

    mutating func ended(_ process: ProcessID) { byNumber[process.launch] = nil }

    /// The launch that this unreaped process leads. At most one.
    func leader(_ number: Int32) -> ProcessID? {
        byNumber.values.first { $0.leader == number && $0.groupNumber == .ledByLeader }
            .map { ProcessID(number: number, launch: $0.number) }
    }

    mutating func reaped(_ process: ProcessID) {
        byNumber[process.launch]?.leaderReaped()
        for launch in byNumber.keys { byNumber[launch]?.forget(hidden: process.number) }
    }

    mutating func groupAnsweredGone(_ process: ProcessID) { byNumber[process.launch]?.groupAnsweredGone() }

    mutating func remember(_ tree: [ProcessFacts], of process: ProcessID) {
        byNumber[process.launch]?.remember(tree)
    }
}
