import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello

struct BackpressureTests {
    @Test("at most one read is taken from the backend while the client reads nothing")
    func slowClient() {
        let head = Array("HTTP/1.1 200 OK\r\nContent-Length: 655360\r\n\r\n".utf8)
        let chunks = Array(repeating: [UInt8](repeating: 0x61, count: Limits.readBufferBytes), count: 10)
        var talk = ExchangeHarness(get, backends: .init(pieces: [head] + chunks))
        talk.clientTakes = 0
        talk.run()
        #expect(talk.steps.count { $0 == .receive(.upstream) } == 1)
        talk.clientTakes = 1000
        talk.run()
        #expect(talk.client.utf8.count == head.count + 655_360)
        #expect(talk.machine.place == .readingHead)
    }

    @Test("at most one read is taken from the client while the backend reads nothing")
    func slowBackend() {
        let head = Array("POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 655360\r\n\r\n".utf8)
        let chunks = Array(repeating: [UInt8](repeating: 0x61, count: Limits.readBufferBytes), count: 10)
        var talk = ExchangeHarness(pieces: [head] + chunks, backends: [.init(pieces: [], isDeaf: true)])
        talk.run()
        #expect(talk.clientSends.count == 10, "the head waits, so the body waits in the client")
        #expect(talk.deadline == .response, "it is the backend's turn")
    }

    @Test("a hundred pipelined requests are read one by one after each response")
    func manyPipelined() {
        var talk = ExchangeHarness(
            pieces: [Array(String(repeating: get, count: 100).utf8)], backends: (0..<100).map { _ in .init(hello) })
        talk.run()
        #expect(talk.client == String(repeating: hello, count: 100))
    }
}
