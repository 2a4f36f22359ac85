import Testing

@testable import OnDemand

struct SystemErrorTests {
    @Test("an error names its call, its subject and its reason")
    func description() {
        let error = SystemError(call: "bind", code: .addressInUse, subject: "127.0.0.1:3000")
        #expect(error.description == "bind 127.0.0.1:3000: address already in use")
        #expect(Errno(number: 71).description == "errno 71")
    }

    @Test("a temporary error is exhaustion, and another one is not")
    func exhaustion() {
        for code: Errno in [.tooManyFiles, .tooManyFilesInSystem, .outOfMemory, .noBufferSpace] {
            #expect(code.isExhaustion)
        }
        for code: Errno in [.addressInUse, .connectionRefused, .noSuchFile, Errno(number: 0)] {
            #expect(!code.isExhaustion)
        }
    }

    @Test("an exit is printed as a status or a signal")
    func exit() {
        #expect(Exit.status(3).description == "status 3")
        #expect(Exit.signal(9).description == "signal 9")
        #expect(Exit.status(3).word == "3")
        #expect(Exit.signal(9).word == "signal 9")
    }
}
