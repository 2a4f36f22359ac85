import Testing

struct ExhaustiveTests {
    @Test("every combination occurs once, also when one choice decides the number of the next ones")
    func combinations() {
        var seen: Set<[Int]> = []
        let runs = Exhaustive.run { choices in
            let length = choices.choose(4)
            seen.insert((0..<length).map { _ in choices.choose(3) })
        }
        #expect(runs == 1 + 3 + 9 + 27)
        #expect(seen.count == runs)
    }

    @Test("a body without a choice runs once")
    func nothingToChoose() {
        #expect(Exhaustive.run { _ in } == 1)
    }
}
