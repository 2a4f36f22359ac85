import CLinux
import Glibc

/// The guard: a process that waits until its daemon dies and then stops the process trees that the daemon has left.
///
/// States: *listening* (reads messages and keeps the last one of each launch) and *ending* (the channel has ended, so
/// the daemon is dead; all trees get the signals of their stop plans at the same time). It exits when no process is
/// left, at once if every tree was reported as ended.
///
/// It is a sibling of the backends, not their parent, so it cannot wait for them and polls /proc every 20 ms. A tree is
/// signalled process by process, each identified by pid and start time. The group's number is used only while the
/// leader is proven to be alive.
struct ProcessGuard {
    private var identity: (mark: LaunchMark, marksByLimit: Bool)?
    private var trees: [LockedBox] = []

    private struct LockedBox {
        var tree: GuardedTree
        /// A pidfd of the leader (pidfd_open(2)). -1: none.
        var leader: Int32 = -1
        var known: Set<ProcessIdentity> = []
        /// Processes without a mark of this launch. They are not checked again.
        var foreign: Set<ProcessIdentity> = []
        /// The step whose signal was sent last, and its time in milliseconds since the daemon's death.
        var sent: (position: Int?, at: UInt64)?
        /// Consecutive scans without a member. A single scan may miss a process that is being started.
        var emptyLooks = 0
    }

    /// Pause between two scans in microseconds.
    private static let pause: UInt32 = 20_000
    /// Time of repeated SIGKILL after the stop plan, in milliseconds. A process that survives it cannot be killed.
    private static let longestKill: UInt64 = 60_000

    /// The channel is descriptor 0.
    static func run() -> Never {
        var all = sigset_t()
        unsafe sigfillset(&all)
        unsafe sigprocmask(SIG_BLOCK, &all, nil)
        unsafe ondemandd_set_name("ondemandd-guard")
        var guardian = ProcessGuard()
        guardian.listen()
        guardian.endTrees()
        exit(0)
    }

    private mutating func listen() {
        var buffer = [UInt8](repeating: 0, count: GuardMessage.byteLimit)
        while true {
            // Free the memory of the last message: waiting does not need it.
            malloc_trim(0)
            let count = unsafe ondemandd_receive_with_little_memory(STDIN_FILENO, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            take(GuardMessage(text: String(decoding: buffer[..<count], as: UTF8.self)))
        }
    }

    private mutating func take(_ message: GuardMessage?) {
        switch message {
        case .daemon(let mark, let marksByLimit)?: identity = (mark, marksByLimit)
        case .ended(let launch)?:
            guard let position = trees.firstIndex(where: { $0.tree.launch == launch }) else { return }
            if trees[position].leader >= 0 { close(trees[position].leader) }
            trees.remove(at: position)
        case .tree(let tree)?:
            if let position = trees.firstIndex(where: { $0.tree.launch == tree.launch }) {
                trees[position].tree = tree
            } else {
                trees.append(LockedBox(tree: tree, leader: Self.open(tree.leader)))
            }
        case nil: break
        }
    }

    private static func open(_ leader: ProcessIdentity) -> Int32 {
        let descriptor = ondemandd_open_process(leader.number)
        guard descriptor >= 0, ProcessTable.facts(of: leader.number)?.start != leader.start else { return descriptor }
        close(descriptor)
        return -1
    }

    // MARK: After the daemon's death

    private mutating func endTrees() {
        let began = Self.milliseconds()
        while !trees.isEmpty {
            let elapsed = Self.milliseconds() - began
            let own = getpid()
            let census = ProcessTable.all().compactMap { ProcessTable.facts(of: $0) }.filter {
                $0.isAlive && $0.number != own && $0.number != 1
            }
            for position in trees.indices { step(position, census, elapsed) }
            trees.removeAll { !Self.goesOn($0, elapsed) }
            usleep(Self.pause)
        }
    }

    /// Signals a tree if its next signal is due, and updates its known members.
    private mutating func step(_ index: Int, _ census: [ProcessFacts], _ elapsed: UInt64) {
        var guarded = trees[index]
        let told = guarded.known.isEmpty ? Set(guarded.tree.members) : guarded.known
        let members = guarded.tree.members(in: census, known: told) { process in
            guard !guarded.foreign.contains(process.identity) else { return false }
            let isMarked = isMarked(process, guarded.tree.launch)
            if isMarked == false { guarded.foreign.insert(process.identity) }
            return isMarked == true
        }
        guarded.known = Set(members.map(\.identity))
        guarded.emptyLooks = members.isEmpty ? guarded.emptyLooks + 1 : 0
        let position = guarded.tree.position(after: elapsed)
        let isDue =
            switch guarded.sent {
            case nil: true
            case (let last, _)? where last != position: true
            case (_, let at)?: position == nil && elapsed >= at + 1000
            }
        if isDue, !members.isEmpty || guarded.leader >= 0 {
            guarded.sent = (position, elapsed)
            Self.signal(position.map { guarded.tree.steps[$0].signal } ?? SIGKILL, guarded, members)
        }
        trees[index] = guarded
    }

    private static func signal(_ signal: Int32, _ guarded: LockedBox, _ members: [ProcessFacts]) {
        let leader = guarded.tree.leader.number
        // While the leader lives, its number is the group's.
        let reachesGroup = guarded.leader >= 0 && leader > 1 && isRunning(guarded.leader)
        if reachesGroup { kill(-leader, signal) }
        for member in members where !(reachesGroup && member.group == leader) { ProcessTable.send(signal, to: member) }
    }

    private static func goesOn(_ guarded: LockedBox, _ elapsed: UInt64) -> Bool {
        let length = guarded.tree.steps.reduce(0) { $0 + $1.milliseconds }
        guard elapsed < length + longestKill else { return false }
        return guarded.emptyLooks < 2 || guarded.leader >= 0 && isRunning(guarded.leader)
    }

    private static func isRunning(_ process: Int32) -> Bool {
        var descriptor = pollfd(fd: process, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&descriptor, 1, 0) == 0
    }

    /// nil: nothing shows it now, and the next look may.
    private func isMarked(_ process: ProcessFacts, _ launch: UInt64) -> Bool? {
        guard let identity else { return false }
        let mark = identity.mark
        if identity.marksByLimit {
            let wanted = LaunchMark(namespace: nil, daemon: mark.daemon, start: mark.start, launch: launch)
            guard let limits = ProcessTable.limits(of: process.number) else { return nil }
            return ShortMark(limits: limits) == ShortMark(limit: wanted.limit)
        }
        let wanted = LaunchMark(namespace: mark.namespace, daemon: mark.daemon, start: mark.start, launch: launch)
        guard let environment = ProcessTable.environment(of: process.number), !environment.isEmpty else { return nil }
        return ProcessTable.mark(in: environment) == wanted
    }

    private static func milliseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1000 + UInt64(time.tv_nsec) / 1_000_000
    }
}
