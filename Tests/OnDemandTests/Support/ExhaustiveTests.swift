import Testing

struct ExhaustiveTests {
    @Test("every combination comes once, also when one answer decides how many questions follow")
    func combinations() {
        var seen: Set<[Int]> = []
        let runs = Exhaustive.run { choices in
            let length = choices.choose(4)
            seen.insert((0..<length).map { _ in choices.choose(3) })
        }
        #expect(runs == 1 + 3 + 9 + 27)
        #expect(seen.count == runs)
    }

    @Test("a body without a question is run once")
    func nothingToChoose() {
        #expect(Exhaustive.run { _ in } == 1)
    }
}
