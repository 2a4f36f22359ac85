import Testing

@testable import OnDemand

struct TokenTests {
    @Test(
        "role, slot and generation survive the 64 bits of an epoll cookie",
        arguments: [
            Token.Role.listener, .client, .upstream, .childOutput, .childErrors, .probe, .signals,
        ])
    func packing(role: Token.Role) {
        for index in [0, 1, 63, 64, 65_535, Int(Int32.max), Int(UInt32.max)] {
            for generation: UInt32 in [0, 1, 0xff_ffff] {
                let token = Token(rawValue: Token(role, index: index, generation: generation).rawValue)
                #expect(token.role == role)
                #expect(token.index == index)
                #expect(token.generation == generation)
            }
        }
    }

    @Test("a generation keeps its lower 24 bits and never changes the role")
    func longGeneration() {
        let token = Token(.upstream, index: 3, generation: 0xffab_cdef)
        #expect(token.role == .upstream)
        #expect(token.generation == 0xab_cdef)
    }

    @Test("tokens that differ in one part differ")
    func difference() {
        let token = Token(.client, index: 1, generation: 1)
        #expect(token != Token(.upstream, index: 1, generation: 1))
        #expect(token != Token(.client, index: 2, generation: 1))
        #expect(token != Token(.client, index: 1, generation: 2))
    }

    @Test("an invalid token traps")
    func unknownRole() async {
        await #expect(processExitsWith: .failure) { _ = Token(rawValue: .max).role }
    }
}
