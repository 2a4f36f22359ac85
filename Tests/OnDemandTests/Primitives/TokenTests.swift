import Testing

@testable import OnDemand

struct TokenTests {
    private enum Kind: UInt8, OwnedKind, CaseIterable {
        case first, second
        case last = 15

        static var owner: Owner { Owner(number: 15) }
    }

    private enum OtherKind: UInt8, OwnedKind {
        case first

        static var owner: Owner { Owner(number: 1) }
    }

    @Test("owner, kind, slot and generation survive the 64 bits of an epoll cookie", arguments: Kind.allCases)
    private func packing(kind: Kind) {
        for index in [0, 1, 63, 64, 65_535, Int(Int32.max), Int(UInt32.max)] {
            for generation: UInt32 in [0, 1, 0xff_ffff] {
                let token = Token(rawValue: Token(kind, index: index, generation: generation).rawValue)
                #expect(token.owner == Kind.owner && Kind(token) == kind)
                #expect(token.index == index)
                #expect(token.generation == generation)
            }
        }
    }

    @Test("a generation keeps its lower 24 bits and never changes the kind")
    func longGeneration() {
        let token = Token(Kind.second, index: 3, generation: 0xffab_cdef)
        #expect(Kind(token) == .second)
        #expect(token.generation == 0xab_cdef)
    }

    @Test("tokens that differ in one part differ")
    func difference() {
        let token = Token(Kind.first, index: 1, generation: 1)
        #expect(token != Token(OtherKind.first, index: 1, generation: 1))
        #expect(token != Token(Kind.second, index: 1, generation: 1))
        #expect(token != Token(Kind.first, index: 2, generation: 1))
        #expect(token != Token(Kind.first, index: 1, generation: 2))
    }

    @Test("a token of another owner or of an unknown kind traps")
    func unknownKind() async {
        await #expect(processExitsWith: .failure) { _ = Kind(Token(OtherKind.first, index: 1, generation: 1)) }
        await #expect(processExitsWith: .failure) { _ = OtherKind(Token(rawValue: 0x1f << 56)) }
    }

    @Test("every owner has a number of its own, from 1 to 15")
    func owners() {
        let numbers = SourceTree.library.flatMap { file in
            file.code.matches(of: /Owner \{ Owner\(number: (\d+)\) \}/).compactMap { Int($0.1) }
        }
        #expect(numbers.count > 8 && Set(numbers).count == numbers.count)
        #expect(numbers.allSatisfy { (1...15).contains($0) })
    }
}
