/// Every combination of choices: a body that calls `choose` any number of times runs once per combination.
///
/// The idea is TigerBeetle's: keep the choices of the last run, and count them up like the digits of a number.
struct Exhaustive {
    private var replies: [(chosen: Int, count: Int)] = []
    private var position = 0

    /// Returns the number of runs.
    @discardableResult
    static func run(_ body: (inout Exhaustive) throws -> Void) rethrows -> Int {
        var choices = Exhaustive()
        var runs = 0
        repeat {
            choices.position = 0
            try body(&choices)
            runs += 1
        } while choices.advance()
        return runs
    }

    /// Returns one of 0 ..< count.
    mutating func choose(_ count: Int) -> Int {
        precondition(count > 0, "there is nothing to choose from")
        if position == replies.count { replies.append((0, count)) }
        precondition(replies[position].count == count, "the same choices must lead to the same question")
        defer { position += 1 }
        return replies[position].chosen
    }

    mutating func choose<Option>(from options: [Option]) -> Option { options[choose(options.count)] }

    private mutating func advance() -> Bool {
        while let last = replies.last, last.chosen + 1 == last.count { replies.removeLast() }
        guard !replies.isEmpty else { return false }
        replies[replies.count - 1].chosen += 1
        return true
    }
}
