@testable import OnDemand

/// A client of the simulation: follows its script and records the responses.
final class VirtualClient: SocketOwner {
    enum Outcome: Equatable {
        /// Not sent, or without a response yet.
        case open
        case answered(Int)
        /// A complete chat.
        case chatted
        /// The connection ended before the response.
        case cut
    }

    struct Exchange {
        let key: Int
        let request: ClientScript.Request
        private(set) var outcome = Outcome.open
        private(set) var settledAt: Instant?
        /// When its last byte was sent.
        var askedAt: Instant?
        /// When the first byte of the response arrived.
        var answeredAt: Instant?
        /// Time of slow loop iterations: first the value when it was sent, then the time between that and the response.
        var slowTurnTime = Duration.zero
        var retryAfter: String?
        var body: [UInt8] = []
        /// The response announces the close of its connection.
        var isLast = false
        /// A body without a length ended too early: only the simulation can know.
        var isShort = false
        /// The position at which this request ends in all bytes of the client.
        var end = 0

        init(key: Int, request: ClientScript.Request) { (self.key, self.request) = (key, request) }

        mutating func settle(_ outcome: Outcome, at now: Instant) {
            (self.outcome, settledAt) = (outcome, now)
        }
    }

    let number: Int
    let script: ClientScript
    private(set) var exchanges: [Exchange]
    private(set) var arrivedAt: Instant
    /// It closed by its own decision, before everything was sent.
    private(set) var hasLeft = false
    private(set) var isOver = false
    /// No socket listened when it connected.
    private(set) var wasRefused = false
    private unowned let kernel: SimulatedKernel
    private let address: SocketAddress
    private var socket: SimulatedSocket?
    private var reader = MessageReader(readsAnswers: true)
    private var current = 0
    private var asked = 0
    private var outgoing: ArraySlice<UInt8> = []
    private var queued = 0
    private var sent = 0
    private var isPausing = false
    private var isReadingLater = false
    private var talk: StreamScript?

    init(number: Int, script: ClientScript, kernel: SimulatedKernel, address: SocketAddress) {
        self.number = number
        self.script = script
        self.kernel = kernel
        self.address = address
        arrivedAt = kernel.clock
        exchanges = script.requests.enumerated().map { Exchange(key: number * 32 + $0, request: $1) }
        kernel.scenario(after: script.arrives) { [weak self] in self?.arrive() }
    }

    var name: String { "client \(number)" }

    // MARK: Connect and close

    private func note(_ what: @autoclosure () -> String) {
        kernel.trace.note("\(name) \(what())", at: kernel.clock)
    }

    private func arrive() {
        note("arrives")
        arrivedAt = kernel.clock
        guard let socket = kernel.connectClient(to: address, owner: self) else {
            wasRefused = true
            isOver = true
            return
        }
        self.socket = socket
        if let leaves = script.leaves {
            kernel.scenario(after: leaves.after) { [weak self] in self?.leave(leaves.how) }
        }
        kernel.scenario(after: .seconds(900)) { [weak self] in self?.loseItsPatience(sentBefore: 0) }
        ask()
    }

    private func leave(_ how: ClientScript.Leaving) {
        guard !isOver, let socket else { return }
        note("leaves: \(how)")
        hasLeft = true
        switch how {
        case .close: socket.close()
        case .reset: socket.reset()
        case .end:
            talk?.hasEnded = true
            return socket.end()
        }
        over()
    }

    private func loseItsPatience(sentBefore: Int) {
        guard !isOver, !kernel.isSlow else { return }
        // A client that sends slowly may have that many bytes left.
        guard sent == sentBefore || script.pieces == nil else {
            return kernel.scenario(after: .seconds(900)) { [weak self, sent] in self?.loseItsPatience(sentBefore: sent)
            }
        }
        kernel.complain("\(name) is still connected after a quarter of an hour")
        socket?.close()
        over()
    }

    private func over() {
        guard !isOver else { return }
        note("is over")
        isOver = true
        socket = nil
        for index in exchanges.indices where [.open, .answered(101)].contains(exchanges[index].outcome) {
            exchanges[index].settle(.cut, at: kernel.clock)
        }
    }

    // MARK: Requests

    private func ask() {
        guard !isOver, asked < exchanges.count else { return }
        repeat {
            outgoing += words(of: exchanges[asked])
            queued = sent + outgoing.count
            exchanges[asked].end = queued
            asked += 1
        } while script.isPipelined && asked < exchanges.count
        speak()
    }

    private func words(of exchange: Exchange) -> [UInt8] {
        let request = exchange.request
        let target = request.isLost ? "/unrouted" : request.wish.target(service: script.service, key: exchange.key)
        let method = request.post != nil ? "POST" : request.isHead ? "HEAD" : "GET"
        var head = "\(method) \(target) HTTP/1.1\r\nHost: example.test\r\n"
        var body: [UInt8] = []
        if let post = request.post {
            let bytes = MessagePattern.client.body(key: exchange.key, count: post.count)
            kernel.counters.bodies[exchange.key] = post.count
            head += post.isChunked ? "Transfer-Encoding: chunked\r\n" : "Content-Length: \(post.count)\r\n"
            body = post.isChunked ? Wire.chunked(bytes, sizes: 1 + exchange.key * 53 % 2000) : bytes
        }
        if request.upgrades {
            head += "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            head += "Sec-WebSocket-Key: \(Self.webSocketKey)\r\n"
            if case .chat(let chat) = request.wish { talk = StreamScript(side: .client, chat: chat, key: exchange.key) }
            if request.isEager, talk != nil { body += talk!.nextBurst() }
        }
        return Array("\(head)\r\n".utf8) + body
    }

    private static let webSocketKey = "dGhlIHNhbXBsZSBub25jZQ=="

    /// Sends as many bytes as the socket accepts, in pieces if the script requires it.
    private func speak() {
        guard !isOver, let socket, !isPausing else { return }
        while !outgoing.isEmpty {
            let piece = outgoing.prefix(script.pieces?.bytes ?? .max)
            guard case .bytes(let count) = socket.send(piece), count > 0 else { return }
            note("says \(count) bytes")
            sent += count
            outgoing = outgoing.dropFirst(count)
            noteAsked()
            if let pieces = script.pieces, !outgoing.isEmpty {
                isPausing = true
                return kernel.scenario(after: pieces.pause) { [weak self] in
                    self?.isPausing = false
                    self?.speak()
                }
            }
        }
        if isTalking { converse() }
    }

    private func noteAsked() {
        for index in exchanges.indices where exchanges[index].askedAt == nil && exchanges[index].end > 0 {
            guard sent >= exchanges[index].end else { continue }
            exchanges[index].askedAt = kernel.clock
            exchanges[index].slowTurnTime = kernel.slowTurnTime
        }
    }

    // MARK: Responses

    func inspect(_ socket: SimulatedSocket) {
        guard !isOver else { return }
        listen(to: socket)
        speak()
    }

    private func listen(to socket: SimulatedSocket) {
        switch script.reading {
        case .never: return notice(socket)
        case .eager:
            while socket.queueLength > 0 { hear(socket.take(.max)) }
            notice(socket)
        case .slow(let bytes, let pause):
            guard !isReadingLater else { return }
            isReadingLater = true
            kernel.scenario(after: pause) { [weak self] in
                guard let self, !self.isOver else { return }
                self.isReadingLater = false
                self.hear(socket.take(bytes))
                if socket.queueLength > 0 { self.listen(to: socket) } else { self.notice(socket) }
            }
        }
    }

    /// Handles an end or a reset behind all bytes that were read.
    private func notice(_ socket: SimulatedSocket) {
        guard !isOver, socket.isReset || socket.peerHasEnded else { return }
        note(socket.isReset ? "is reset" : "hears the end")
        if talk != nil, isTalking, !socket.isReset, !hasLeft {
            talk!.heardEnd(kernel)
            return converse()
        }
        if isTalking { talk?.judge(end: .none, kernel) }
        // A reset does not complete a response without a length.
        if !socket.isReset { reader.end() }
        if reader.isComplete, current < exchanges.count { answered() }
        socket.close()
        over()
    }

    private var isTalking: Bool { current < exchanges.count && exchanges[current].outcome == .answered(101) }

    private func hear(_ bytes: ArraySlice<UInt8>) {
        note("hears \(bytes.count) bytes")
        guard !isTalking else {
            talk!.listening.hear(bytes)
            return converse()
        }
        readOn(bytes)
        while !isOver, current < exchanges.count, !isTalking {
            guard reader.isComplete else { return }
            answered()
        }
        // Frames behind a rejected upgrade are a bad request and get a response. When a head was incomplete, the daemon
        // cannot know that it is a HEAD request: its response has a body.
        let wasEager = exchanges.last?.request.isEager ?? false
        let wasTooSlow = exchanges.last?.outcome == .answered(408) && exchanges.last?.request.isHead == true
        if !isOver, !isTalking, current == exchanges.count, reader.hasBegun, !wasEager, !wasTooSlow {
            kernel.complain("\(name) got more responses than it sent requests")
        }
    }

    private func readOn(_ bytes: ArraySlice<UInt8>) {
        reader.expectsNoBody = current < exchanges.count && exchanges[current].request.isHead
        reader.feed(bytes)
        if reader.hasBegun, current < exchanges.count, exchanges[current].answeredAt == nil {
            exchanges[current].answeredAt = kernel.clock
            exchanges[current].slowTurnTime = kernel.slowTurnTime - exchanges[current].slowTurnTime
        }
    }

    private func answered() {
        let (status, closes) = (reader.status, reader.field("connection")?.contains("close") ?? false)
        note("is answered \(status)")
        exchanges[current].settle(.answered(status), at: kernel.clock)
        exchanges[current].retryAfter = reader.field("retry-after")
        exchanges[current].body = reader.body
        exchanges[current].isLast = closes
        judgeBody(of: current, status)
        let rest = reader.takeRest()
        if status == 101 {
            guard talk != nil else { return kernel.complain("\(name) got a tunnel without an upgrade") }
            talk!.listening.hear(rest[...])
            return converse()
        }
        current += 1
        readOn(rest[...])
        guard !closes else { return }  // The end follows.
        if current == exchanges.count {
            kernel.scenario(after: script.lingers) { [weak self] in self?.close() }
        } else if asked == current {
            kernel.scenario(after: script.thinks) { [weak self] in self?.ask() }
        }
    }

    private func judgeBody(of index: Int, _ status: Int) {
        guard status == 200 else { return }
        let exchange = exchanges[index]
        let expected: Int
        switch exchange.request.wish {
        case .length(let count), .chunked(let count), .untilClose(let count): expected = count
        case .nothing, .refusedUpgrade, .chat:
            return kernel.complain("\(name) got 200 instead of the requested outcome")
        }
        let body = exchange.request.isHead ? [] : MessagePattern.backend.body(key: exchange.key, count: expected)
        if case .untilClose = exchange.request.wish, body.starts(with: exchange.body) {
            exchanges[index].isShort = exchange.body.count < body.count
        } else if exchange.body != body {
            kernel.complain("\(name) read \(exchange.body.count) of \(expected) bytes, or wrong ones")
        }
    }

    private func close() {
        guard !isOver else { return }
        socket?.close()
        over()
    }

    // MARK: Chats

    private func converse() {
        guard !isOver, talk != nil else { return }
        switch talk!.next(isFlushed: outgoing.isEmpty) {
        case .wait: break
        case .speak:
            guard !talk!.isPausing, !hasLeft else { return }
            talk!.isPausing = true
            kernel.scenario(after: talk!.chat.pause) { [weak self] in
                guard let self, !self.isOver, !self.hasLeft, self.talk != nil else { return }
                self.talk!.isPausing = false
                if self.outgoing.isEmpty { self.outgoing = self.talk!.nextBurst() }
                self.speak()
            }
        case .end:
            talk!.hasEnded = true
            socket?.end()
            converse()
        case .close: endTalk()
        }
        // The side that ended first has received everything when the other side ends, too.
        if !isOver, let talk, talk.hasEnded, talk.hasHeardEnd { endTalk() }
    }

    private func endTalk() {
        talk!.judge(end: .none, kernel)
        if talk!.hasSaidAll { exchanges[current].settle(.chatted, at: kernel.clock) }
        if talk!.chat.ending.isPolite, !talk!.hasHeardAll { exchanges[current].settle(.cut, at: kernel.clock) }
        socket?.close()
        over()
    }
}

extension ClientScript.Request {
    var upgrades: Bool {
        switch wish {
        case .chat, .refusedUpgrade: true
        case .length, .chunked, .untilClose, .nothing: false
        }
    }
}
