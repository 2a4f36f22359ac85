import Testing

@testable import OnDemand

private let get = ExchangeHarness.get

/// A half-closed client behind a complete request, while its response is pending or streaming.
struct DepartureTests {
    private func talk(_ request: String = get, _ pieces: String...) -> ExchangeHarness {
        var talk = ExchangeHarness(
            pieces: [Array(request.utf8)], backends: [.init(pieces: pieces.map { Array($0.utf8) })])
        talk.run()
        return talk
    }

    @Test("an end behind a request starts a deadline of 1 s; without one there is none")
    func deadline() {
        for pieces in [[], ["HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc"]] {
            var talk = ExchangeHarness(
                pieces: [Array(get.utf8)], backends: [.init(pieces: pieces.map { Array($0.utf8) })])
            talk.run()
            #expect(talk.deadline != .departure)
            talk.clientEnds = true
            talk.run()
            #expect(talk.deadline == .departure && talk.leases == 1)
            #expect(talk.machine.limit(of: .departure) <= .seconds(1))
            talk.deadlineFires()
            #expect(talk.termination == .clientLeft)
        }
    }

    @Test("a pending connect to the backend has the same deadline")
    func connecting() {
        var talk = ExchangeHarness(get)
        talk.admission = .connectIsSlow
        talk.clientEnds = true
        talk.run()
        #expect(talk.deadline == .departure)
        talk.deadlineFires()
        #expect(talk.termination == .clientLeft)
    }

    @Test("a client whose system has not acknowledged all bytes is slow and not gone, until the send timeout")
    func slow() {
        var talk = talk(get, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc")
        talk.clientEnds = true
        talk.run()
        for left in (1...50).reversed() {
            talk.deadlineFires(undelivered: left)
            #expect(talk.termination == nil, "it takes some of it each time")
        }
        var looks = 0
        while talk.termination == nil, looks < 100 {
            talk.deadlineFires(undelivered: 1000)
            looks += 1
        }
        #expect(talk.termination == .stalled && looks == 10, "\(looks) seconds")
    }

    @Test("a request without its whole body is incomplete: its client may still be sending it")
    func incomplete() {
        var talk = talk("POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc")
        #expect(talk.deadline == .body)
        talk.clientEnds = true
        talk.run()
        #expect(talk.termination == .clientLeft, "an end in the middle of a body needs no time")
    }
}
