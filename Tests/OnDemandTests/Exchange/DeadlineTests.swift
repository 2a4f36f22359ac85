import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello

struct DeadlineTests {
    @Test("an idle client connection is closed without a response after its timeout")
    func keepAlive() {
        var talk = ExchangeHarness(get, backends: .init(hello))
        talk.run()
        #expect(talk.deadline == .keepAlive)
        talk.deadlineFires()
        #expect(talk.termination == .idle)
        #expect(talk.client == hello)
    }

    @Test("an incomplete head gets 408 and a close; the timer starts at its first byte")
    func head() {
        var talk = ExchangeHarness("G")
        talk.run()
        #expect(talk.deadline == .head)
        talk.clientMore("ET /app/x HTTP/1.1\r\n")
        #expect(talk.deadline == .head, "a trickle does not buy more time")
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 408 Request Timeout\r\n") && talk.sawEnd)
    }

    @Test("S9 a queued request has no timeout of its own: the backend's startup has one")
    func queued() {
        var talk = ExchangeHarness(get)
        talk.admission = .queued
        talk.run()
        #expect(talk.deadline == nil)
    }

    @Test("a ready backend that does not accept in time causes 504, and the lease is returned")
    func connect() {
        var talk = ExchangeHarness(get)
        talk.admission = .connectIsSlow
        talk.run()
        #expect(talk.machine.place == .awaitingConnection && talk.deadline == .connect)
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 504 Gateway Timeout\r\n") && talk.leases == 0)
    }

    @Test("a response head that is late causes 504, and the late bytes are discarded")
    func response() {
        var talk = ExchangeHarness(get, backends: .init("HTTP/1.1 200", readsFirst: nil), .init(hello))
        talk.run()
        #expect(talk.deadline == .response)
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 504 Gateway Timeout\r\n") && talk.leases == 0)
        talk.clientMore(get)
        #expect(talk.client.hasSuffix("\n" + hello))
    }

    @Test("a client that stops sending its body gets 408, and the lease is returned")
    func body() {
        var talk = ExchangeHarness(
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
            backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        #expect(talk.deadline == .body)
        let moved = talk.machine.moved
        talk.clientMore("def")
        #expect(talk.deadline == .body && talk.machine.moved > moved, "progress extends the deadline")
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 408 ") && talk.leases == 0 && talk.sawEnd)
    }

    @Test("the response timeout starts after the end of the request body")
    func bodyUnderWay() {
        var talk = ExchangeHarness(
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc",
            backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        #expect(talk.deadline != .response)
        talk.clientMore("def")
        #expect(talk.deadline == .response)
    }

    @Test("a client that stops reading a response is closed while the backend still sends")
    func stalled() {
        let pieces = ["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "abc"].map { Array($0.utf8) }
        var talk = ExchangeHarness(get, backends: .init(pieces: pieces))
        talk.clientTakes = 0
        talk.run()
        #expect(talk.machine.place == .relaying && talk.deadline == .flush)
        talk.deadlineFires()
        #expect(talk.termination == .stalled)
    }

    @Test("a response that has begun has no timeout")
    func streaming() {
        var talk = ExchangeHarness(get, backends: .init("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc"))
        talk.run()
        #expect(talk.machine.place == .relaying && talk.deadline == nil)
    }

    @Test("a client that stops sending its body after the response began is closed when no more bytes move")
    func bodyBehindAnswer() {
        var talk = ExchangeHarness(
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
            backends: .init("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc"))
        talk.run()
        #expect(talk.machine.place == .relaying && talk.deadline == .body)
        let moved = talk.machine.moved
        talk.clientMore("def")
        #expect(talk.machine.moved > moved, "progress extends the deadline")
        talk.deadlineFires()
        #expect(talk.termination == .upstreamReset && talk.leases == 0)
    }

    @Test("a connect to a full queue is retried within the connect timeout")
    func queueIsFull() {
        var talk = ExchangeHarness(get, backends: .init(hello))
        talk.admission = .connectIsSlow
        talk.run()
        talk.admission = .open
        talk.machine.connectAgain()
        #expect(talk.deadline == nil, "the step comes next, and the deadline that is armed stays")
        talk.run()
        #expect(talk.client == hello && talk.leases == 0)
    }

    @Test("a connect without resources returns the lease, and the client gets 503")
    func resourcesExhausted() {
        var talk = ExchangeHarness(get)
        talk.admission = .connectIsSlow
        talk.run()
        talk.machine.resourcesRanOut()
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 503 ") && talk.client.contains("\r\nRetry-After: 1\r\n"))
        #expect(talk.leases == 0 && talk.machine.place == .readingHead)
    }

    @Test("a client that does not read its last bytes is closed")
    func flush() {
        var talk = ExchangeHarness("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        talk.clientTakes = 0
        talk.run()
        #expect(talk.deadline == .flush)
        talk.deadlineFires()
        #expect(talk.termination == .stalled)
    }

    @Test("after its own end the daemon reads and discards for a limited time")
    func linger() {
        var talk = ExchangeHarness("bad\r\n\r\n")
        talk.run()
        talk.clientMore(String(repeating: "x", count: 1000))
        #expect(talk.machine.place == .lingering && talk.deadline == .linger)
        talk.deadlineFires()
        #expect(talk.termination == .done)
    }

    @Test(
        "a client that keeps sending is closed after a limited number of bytes, during or after its response")
    func lingerBytes() {
        let flood = String(repeating: "x", count: 64 * 1024)
        for opening in ["bad\r\n\r\n", "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
            var talk = ExchangeHarness(opening)
            talk.run()
            var sent = 0
            while talk.termination == nil, sent < 2 * Limits.lingerBytes {
                talk.clientMore(flood)
                sent += flood.utf8.count
            }
            #expect(sent == Limits.lingerBytes + flood.utf8.count, "\(sent) bytes were read")
            #expect(talk.termination == (opening.hasPrefix("bad") ? .done : .clientClosed))
        }
    }

    @Test("each request has its own number, so that a stale deadline does not match")
    func numbers() {
        var talk = ExchangeHarness(get + get, backends: .init(hello), .init(hello))
        talk.run()
        #expect(talk.machine.requestCount == 2)
    }

    @Test(
        "every deadline has a limit, and the short ones are short",
        arguments: [ExchangeMachine.Deadline.head, .keepAlive, .body, .connect, .response, .flush, .linger])
    func limits(deadline: ExchangeMachine.Deadline) {
        let machine = ExchangeHarness("").machine
        #expect(machine.limit(of: deadline) > .zero)
        #expect(machine.limit(of: deadline) <= .seconds(120))
    }
}
