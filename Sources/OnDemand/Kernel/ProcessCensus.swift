/// The adopted children of the daemon, and the launch of each: one count for all process trees in a turn of the event
/// loop.
///
/// A child keeps its pid until the daemon reaps it, and its launch for ever. A mark is therefore read once. A census
/// costs one list of children and a read for each new one, however many trees ask. A child without a mark is read in
/// each census: the environment of a process in the middle of execve(2) is empty.
///
/// A tree without a child in a census has ended, also when the census is older: every process of a tree descends from a
/// child of the daemon in the tree. A tree with one may have ended since. Then the child is reaped, and a new census is
/// taken.
struct ProcessCensus {
    enum Membership: Equatable {
        case member(launch: UInt64)
        /// Its mark is of a launch that has ended.
        case noMember
        /// Nothing shows now that it is a member.
        case untold
        /// Its files could not be read now.
        case unknown
    }

    /// By pid; what is proven.
    private var memberships: [Int32: Membership] = [:]
    private var members: [UInt64: [Int32]] = [:]
    /// No child was reaped, and no time has passed, since it was taken.
    private(set) var isCurrent = false
    /// Every child could be read.
    private(set) var isComplete = false

    /// Takes the census of these children. `read` is called for each new one.
    mutating func take(_ children: [Int32], isReadable: Bool, read: (Int32) -> Membership) {
        members.removeAll(keepingCapacity: true)
        isCurrent = true
        isComplete = isReadable
        for child in children {
            let membership = memberships[child] ?? read(child)
            switch membership {
            case .member(let launch):
                members[launch, default: []].append(child)
                memberships[child] = membership
            case .noMember: memberships[child] = membership
            case .untold: break
            case .unknown: isComplete = false
            }
        }
    }

    /// The adopted children of a launch.
    func members(of launch: UInt64) -> [Int32] { members[launch] ?? [] }

    mutating func expire() { isCurrent = false }

    /// Forgets a child whose pid another process may get.
    mutating func reaped(_ child: Int32) {
        memberships[child] = nil
        isCurrent = false
    }
}
