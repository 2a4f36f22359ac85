/// A message from the daemon to its guard: one packet of text, words separated by a space.
///
///     daemon NAMESPACE PID START BY_LIMIT
///     family LAUNCH LEADER START STEPS SIGNAL MILLISECONDS... PID START...
///     ended LAUNCH
///
/// A `family` message replaces the earlier one of the same launch. START is 0 if unknown.
enum GuardMessage: Equatable {
    /// The mark of the daemon's processes, and whether the file lock limit carries it too.
    case daemon(LaunchMark, marksByLimit: Bool)
    case tree(GuardedTree)
    case ended(launch: UInt64)

    /// Size of the guard's buffer. The members of a larger tree are cut and found by their marks.
    static let byteLimit = 16 * 1024

    var text: String {
        switch self {
        case .daemon(let mark, let marksByLimit):
            return "daemon \(mark.namespace ?? 0) \(mark.daemon) \(mark.start) \(marksByLimit ? 1 : 0)"
        case .tree(let tree):
            var text = "family \(tree.launch) \(tree.leader.number) \(tree.leader.start) \(tree.steps.count)"
            for step in tree.steps { text += " \(step.signal) \(step.milliseconds)" }
            for member in tree.members {
                let word = " \(member.number) \(member.start)"
                guard text.utf8.count + word.utf8.count <= Self.byteLimit else { break }
                text += word
            }
            return text
        case .ended(let launch):
            return "ended \(launch)"
        }
    }

    /// nil: not a valid message.
    init?(text: String) {
        let words = text.split(separator: " ")
        let numbers = words.dropFirst().compactMap { UInt64($0) }
        guard numbers.count == words.count - 1 else { return nil }
        switch (words.first, numbers.count) {
        case ("daemon", 4):
            let mark = LaunchMark(
                namespace: numbers[0] == 0 ? nil : numbers[0], daemon: Int32(truncatingIfNeeded: numbers[1]),
                start: numbers[2], launch: 0)
            self = .daemon(mark, marksByLimit: numbers[3] == 1)
        case ("ended", 1): self = .ended(launch: numbers[0])
        case ("family", 4...):
            guard let tree = GuardedTree(numbers) else { return nil }
            self = .tree(tree)
        default: return nil
        }
    }
}

/// A process tree as the guard knows it.
struct GuardedTree: Equatable {
    struct Step: Equatable {
        let signal: Int32
        /// Time for the tree to exit before the next step.
        let milliseconds: UInt64
    }

    let launch: UInt64
    let leader: ProcessIdentity
    var steps: [Step]
    /// Known descendants at the time of the message.
    var members: [ProcessIdentity]

    /// The step at this time after the daemon's death. nil: only SIGKILL is left, once per second.
    func position(after milliseconds: UInt64) -> Int? {
        var end: UInt64 = 0
        for (position, step) in steps.enumerated() {
            end += step.milliseconds
            if milliseconds < end { return position }
        }
        return nil
    }

    /// Returns the members of the tree among all processes. The leader starts a session, so every process in a member's
    /// session, and every child of a member, is a member.
    func members(
        in census: [ProcessFacts], known: Set<ProcessIdentity>, isMarked: (ProcessFacts) -> Bool
    ) -> [ProcessFacts] {
        var (members, numbers, sessions): ([ProcessFacts], Set<Int32>, Set<Int32>) = ([], [], [])
        var others: [ProcessFacts] = []
        func add(_ process: ProcessFacts) {
            members.append(process)
            numbers.insert(process.number)
            if process.session > 1 { sessions.insert(process.session) }
        }
        for process in census {
            let isKnown = known.contains(process.identity) || process.identity == leader
            if isKnown || isMarked(process) { add(process) } else { others.append(process) }
        }
        var hasGrown = !members.isEmpty
        while hasGrown {
            hasGrown = false
            for process in others where !numbers.contains(process.number) {
                guard numbers.contains(process.parent) || sessions.contains(process.session) else { continue }
                add(process)
                hasGrown = true
            }
        }
        return members
    }
}

extension GuardedTree {
    /// Decodes the numbers of a message.
    fileprivate init?(_ numbers: [UInt64]) {
        let identities = { (numbers: ArraySlice<UInt64>) in
            stride(from: numbers.startIndex, to: numbers.endIndex - 1, by: 2).map {
                ProcessIdentity(number: Int32(truncatingIfNeeded: numbers[$0]), start: numbers[$0 + 1])
            }
        }
        let count = Int(clamping: numbers[3])
        guard count <= (numbers.count - 4) / 2, numbers.count.isMultiple(of: 2) else { return nil }
        launch = numbers[0]
        leader = identities(numbers[1...2])[0]
        let end = 4 + 2 * count
        steps = stride(from: 4, to: end, by: 2).map {
            Step(signal: Int32(truncatingIfNeeded: numbers[$0]), milliseconds: numbers[$0 + 1])
        }
        members = identities(numbers[end...])
    }
}
