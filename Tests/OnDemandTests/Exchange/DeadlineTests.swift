import Testing

@testable import OnDemand

private let get = ExchangeHarness.get
private let hello = ExchangeHarness.hello

struct DeadlineTests {
    @Test("a connection between requests may be silent for a while, and is then closed without a word")
    func keepAlive() {
        var talk = ExchangeHarness(get, backends: .init(hello))
        talk.run()
        #expect(talk.deadline == .keepAlive)
        talk.deadlineFires()
        #expect(talk.termination == .idle)
        #expect(talk.client == hello)
    }

    @Test("a head has to come to its end: 408 and closed; the first byte of it begins the time")
    func head() {
        var talk = ExchangeHarness("G")
        talk.run()
        #expect(talk.deadline == .head)
        talk.clientMore("ET /app/x HTTP/1.1\r\n")
        #expect(talk.deadline == .head, "a trickle does not buy more time")
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 408 Request Timeout\r\n") && talk.sawEnd)
    }

    @Test("S9 who waits for a backend has no deadline of its own: the backend's start has")
    func queued() {
        var talk = ExchangeHarness(get)
        talk.admission = .queued
        talk.run()
        #expect(talk.deadline == nil)
    }

    @Test("a backend that is ready accepts at once or is given up: 504 and the lease is back")
    func connect() {
        var talk = ExchangeHarness(get)
        talk.admission = .connectIsSlow
        talk.run()
        #expect(talk.machine.phase == .awaitingConnection && talk.deadline == .connect)
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 504 Gateway Timeout\r\n") && talk.leases == 0)
    }

    @Test("an answer's head has to come in time: 504, and the late answer is nobody's")
    func response() {
        var talk = ExchangeHarness(get, backends: .init("HTTP/1.1 200", readsFirst: nil), .init(hello))
        talk.run()
        #expect(talk.deadline == .response)
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 504 Gateway Timeout\r\n") && talk.leases == 0)
        talk.clientMore(get)
        #expect(talk.client.hasSuffix("\n" + hello))
    }

    @Test("a client has to go on sending its body: 408, and the backend is given back")
    func body() {
        var talk = ExchangeHarness(
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
            backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        #expect(talk.deadline == .body)
        let moved = talk.machine.moved
        talk.clientMore("def")
        #expect(talk.deadline == .body && talk.machine.moved > moved, "who moves has more time")
        talk.deadlineFires()
        #expect(talk.client.hasPrefix("HTTP/1.1 408 ") && talk.leases == 0 && talk.sawEnd)
    }

    @Test("while the client still sends its body the backend owes no answer; after it, it does")
    func bodyUnderWay() {
        var talk = ExchangeHarness(
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc",
            backends: .init(pieces: [], readsFirst: .max))
        talk.run()
        #expect(talk.deadline != .response)
        talk.clientMore("def")
        #expect(talk.deadline == .response)
    }

    @Test("a client that stops taking an answer is given up while the backend still speaks")
    func stalled() {
        let pieces = ["HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", "abc"].map { Array($0.utf8) }
        var talk = ExchangeHarness(get, backends: .init(pieces: pieces))
        talk.clientTakes = 0
        talk.run()
        #expect(talk.machine.phase == .relaying && talk.deadline == .flush)
        talk.deadlineFires()
        #expect(talk.termination == .stalled)
    }

    @Test("once an answer has begun it may take its time")
    func streaming() {
        var talk = ExchangeHarness(get, backends: .init("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc"))
        talk.run()
        #expect(talk.machine.phase == .relaying && talk.deadline == nil)
    }

    @Test("a client that stops sending its body while the answer has begun is cut off when nothing moves any more")
    func bodyBehindAnswer() {
        var talk = ExchangeHarness(
            "POST /app/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
            backends: .init("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nabc"))
        talk.run()
        #expect(talk.machine.phase == .relaying && talk.deadline == .body)
        let moved = talk.machine.moved
        talk.clientMore("def")
        #expect(talk.machine.moved > moved, "who moves has more time")
        talk.deadlineFires()
        #expect(talk.termination == .upstreamReset && talk.leases == 0)
    }

    @Test("a backend whose queue is full is asked again, within the limit of one connection")
    func queueIsFull() {
        var talk = ExchangeHarness(get, backends: .init(hello))
        talk.admission = .connectIsSlow
        talk.run()
        talk.admission = .open
        talk.machine.connectAgain(to: BackendID(index: 1))
        #expect(talk.deadline == nil, "the step comes next, and the deadline that is armed stays")
        talk.run()
        #expect(talk.client == hello && talk.leases == 0)
    }

    @Test("where there is no room for a connection the lease goes back and the client is told to try again")
    func resourcesExhausted() {
        var talk = ExchangeHarness(get)
        talk.admission = .connectIsSlow
        talk.run()
        talk.machine.resourcesRanOut()
        talk.run()
        #expect(talk.client.hasPrefix("HTTP/1.1 503 ") && talk.client.contains("\r\nRetry-After: 1\r\n"))
        #expect(talk.leases == 0 && talk.machine.phase == .readingHead)
    }

    @Test("a client that does not take its last bytes is given up")
    func flush() {
        var talk = ExchangeHarness("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
        talk.clientTakes = 0
        talk.run()
        #expect(talk.deadline == .flush)
        talk.deadlineFires()
        #expect(talk.termination == .stalled)
    }

    @Test("after our end we read and discard for a moment, and no longer")
    func linger() {
        var talk = ExchangeHarness("bad\r\n\r\n")
        talk.run()
        talk.clientMore(String(repeating: "x", count: 1000))
        #expect(talk.machine.phase == .lingering && talk.deadline == .linger)
        talk.deadlineFires()
        #expect(talk.termination == .done)
    }

    @Test(
        "a client that sends on without end is cut off after so many bytes, whether it has its answer or only listens")
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

    @Test("each request has a number of its own, so that its deadline is not taken for the last one's")
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
