/// The known processes of one launch: the leader, and every descendant that was ever shown to be one.
///
/// A process is a member if it was one before (number and start time), if it bears the mark of this launch, or if it is
/// in the session or process group of the leader. The last counts only while that number cannot be anything else's:
///
///     ledByLeader   the leader was not waited for, so its number is its own
///     heldByOthers  the leader was waited for; a member of its group or session keeps the number
///     givenBack     the group has answered ESRCH; the number may be a foreign process's and says nothing any more
///
/// What none of this shows is not a member.
struct Launch: Equatable {
    enum GroupNumber { case ledByLeader, heldByOthers, givenBack }

    /// What the mark of a process says.
    enum Mark: Equatable {
        case own(launch: UInt64)
        /// Another daemon's, none, or one that cannot be read.
        case untold
    }

    let number: UInt64
    let leader: Int32
    /// nil when the system did not tell it.
    let start: UInt64?
    private(set) var groupNumber = GroupNumber.ledByLeader
    private(set) var known: Set<ProcessIdentity> = []

    init(number: UInt64, leader: Int32, start: UInt64?) {
        self.number = number
        self.leader = leader
        self.start = start
    }

    /// Whether a child that the daemon has not started, but adopted, is a member.
    func isMember(_ process: ProcessFacts, mark: @autoclosure () -> Mark) -> Bool {
        if known.contains(process.identity) { return true }
        if case .own(let launch) = mark() { return launch == number & LaunchMark.lowBits }
        return groupNumber != .givenBack && (process.session == leader || process.group == leader)
    }

    /// Whether a signal to the group's number reaches nothing but members: the leader was not waited for, or one of the
    /// daemon's own children is in it and was not waited for either.
    func mayBeSignalledAsGroup(_ family: [ProcessFacts], by daemon: Int32) -> Bool {
        switch groupNumber {
        case .ledByLeader: true
        case .heldByOthers: family.contains { $0.parent == daemon && $0.group == leader }
        case .givenBack: false
        }
    }

    mutating func leaderReaped() {
        if groupNumber == .ledByLeader { groupNumber = .heldByOthers }
    }

    mutating func groupAnsweredGone() {
        if groupNumber == .heldByOthers { groupNumber = .givenBack }
    }

    mutating func remember(_ family: [ProcessFacts]) { known = Set(family.map(\.identity)) }

    /// A process that was waited for; its start was not told, so that only its number names it.
    mutating func forget(hidden number: Int32) { known.remove(ProcessIdentity(number: number, start: 0)) }
}

/// The launches of this daemon that have not ended.
struct LaunchRegistry {
    private(set) var nextNumber: UInt64 = 1
    private var byNumber: [UInt64: Launch] = [:]

    subscript(process: ProcessID) -> Launch? { byNumber[process.launch] }

    mutating func began(_ leader: Int32, start: UInt64?) {
        byNumber[nextNumber] = Launch(number: nextNumber, leader: leader, start: start)
        nextNumber += 1
    }

    mutating func ended(_ process: ProcessID) { byNumber[process.launch] = nil }

    /// Of a process that was not waited for, and so of at most one launch.
    func leader(_ number: Int32) -> ProcessID? {
        byNumber.values.first { $0.leader == number && $0.groupNumber == .ledByLeader }
            .map { ProcessID(number: number, launch: $0.number) }
    }

    mutating func reaped(_ process: ProcessID) {
        byNumber[process.launch]?.leaderReaped()
        for launch in byNumber.keys { byNumber[launch]?.forget(hidden: process.number) }
    }

    mutating func groupAnsweredGone(_ process: ProcessID) { byNumber[process.launch]?.groupAnsweredGone() }

    mutating func remember(_ family: [ProcessFacts], of process: ProcessID) {
        byNumber[process.launch]?.remember(family)
    }
}
