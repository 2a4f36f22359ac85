import Testing

@testable import OnDemand

struct DependencyOrderTests {
    private func entries(_ requirements: KeyValuePairs<String, [String]>) -> [DependencyOrder.Entry] {
        requirements.map { DependencyOrder.Entry(name: $0.key, requires: $0.value) }
    }

    @Test(
        "dependencies come first, and otherwise the order of the file applies",
        arguments: [
            (["a": [], "b": [], "c": []], [0, 1, 2]),
            (["a": ["c"], "b": [], "c": []], [2, 0, 1]),
            (["a": ["b", "c"], "b": ["c"], "c": []], [2, 1, 0]),
            (["a": ["d"], "b": ["d"], "c": [], "d": []], [3, 0, 1, 2]),
            (["a": ["missing"], "b": []], [0, 1]),
            ([:], []),
        ] as [(KeyValuePairs<String, [String]>, [Int])])
    func positions(requirements: KeyValuePairs<String, [String]>, order: [Int]) {
        #expect(DependencyOrder.positions(of: entries(requirements)) == order)
        #expect(DependencyOrder.cycle(in: entries(requirements)) == nil)
    }

    @Test(
        "a cycle is reported from its first name back to it",
        arguments: [
            (["a": ["b"], "b": ["a"]], ["a", "b", "a"]),
            (["a": ["b"], "b": ["c"], "c": ["d"], "d": ["b"]], ["b", "c", "d", "b"]),
            (["a": ["a"]], ["a", "a"]),
            (["a": [], "b": ["a", "c"], "c": ["a", "b"]], ["b", "c", "b"]),
        ] as [(KeyValuePairs<String, [String]>, [String])])
    func cycles(requirements: KeyValuePairs<String, [String]>, cycle: [String]) {
        #expect(DependencyOrder.cycle(in: entries(requirements)) == cycle)
        #expect(DependencyOrder.positions(of: entries(requirements)).count == requirements.count)
    }

    @Test("a long chain is followed to its end")
    func longChain() {
        let chain = (0..<1000).map { DependencyOrder.Entry(name: "\($0)", requires: ["\($0 + 1)"]) }
        #expect(DependencyOrder.positions(of: chain) == Array((0..<1000).reversed()))
        #expect(DependencyOrder.cycle(in: chain) == nil)
    }
}
