@testable import OnDemand

/// A client of the simulation: follows its script and writes down what it was told.
final class VirtualClient: SocketOwner {
    enum Outcome: Equatable {
        /// Not asked, or not answered yet.
        case open
        case answered(Int)
        /// A chat that came to its end.
        case chatted
        /// The connection was over before the answer was.
        case cut
    }

    struct Exchange {
        let key: Int
        let request: ClientScript.Request
        var outcome = Outcome.open
        /// When its last byte was on its way.
        var askedAt: Instant?
        /// When the first byte of the answer came.
        var answeredAt: Instant?
        /// What slow turns had taken when it was asked, and then, between that and the answer.
        var slowTurnTime = Duration.zero
        var retryAfter: String?
        var body: [UInt8] = []
        /// The answer said that it is the last on its connection.
        var isLast = false
        /// A body without a length of its own ended too early: nobody but us can tell.
        var isShort = false
        /// Where in everything the client says this request ends.
        var end = 0
    }

    let number: Int
    let script: ClientScript
    private(set) var exchanges: [Exchange]
    /// By its own decision, before everything was said.
    private(set) var hasLeft = false
    private(set) var isOver = false
    /// Nobody listened when it came.
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
        exchanges = script.requests.enumerated().map { Exchange(key: number * 32 + $0, request: $1) }
        kernel.scenario(after: script.arrives) { [weak self] in self?.arrive() }
    }

    var name: String { "client \(number)" }

    // MARK: Coming and going

    private func note(_ what: @autoclosure () -> String) {
        kernel.trace.note("\(name) \(what())", at: kernel.clock)
    }

    private func arrive() {
        note("arrives")
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
        // One that trickles may have that much to say.
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
            exchanges[index].outcome = .cut
        }
    }

    // MARK: Asking

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
        let target = request.isLost ? "/nobody" : request.wish.target(service: script.service, key: exchange.key)
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

    /// Says as much as the socket takes, in pieces if the script says so.
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

    // MARK: Listening

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

    /// An end or a reset behind everything that was read.
    private func notice(_ socket: SimulatedSocket) {
        guard !isOver, socket.isReset || socket.peerHasEnded else { return }
        note(socket.isReset ? "is reset" : "hears the end")
        if talk != nil, isTalking, !socket.isReset, !hasLeft {
            talk!.heardEnd(kernel)
            return converse()
        }
        if isTalking { talk?.judge(end: .none, kernel) }
        // A reset is no proper end of an answer without a length.
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
        // Frames that come after an upgrade was refused are a bad request, and told so. Of a head that never came whole
        // nobody knows that it was to be a HEAD: its answer has a body.
        let wasEager = exchanges.last?.request.isEager ?? false
        let wasTooSlow = exchanges.last?.outcome == .answered(408) && exchanges.last?.request.isHead == true
        if !isOver, !isTalking, current == exchanges.count, reader.hasBegun, !wasEager, !wasTooSlow {
            kernel.complain("\(name) was told more than it had asked for")
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
        exchanges[current].outcome = .answered(status)
        exchanges[current].retryAfter = reader.field("retry-after")
        exchanges[current].body = reader.body
        exchanges[current].isLast = closes
        judgeBody(of: current, status)
        let rest = reader.takeRest()
        if status == 101 {
            guard talk != nil else { return kernel.complain("\(name) was given a tunnel it had not asked for") }
            talk!.listening.hear(rest[...])
            return converse()
        }
        current += 1
        readOn(rest[...])
        guard !closes else { return }  // The end will come.
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
        case .nothing, .refusedUpgrade, .chat: return kernel.complain("\(name) was answered 200 instead of its wish")
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

    // MARK: Talking

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
        // Who ended first has heard everything when the other ends, too.
        if !isOver, let talk, talk.hasEnded, talk.hasHeardEnd { endTalk() }
    }

    private func endTalk() {
        talk!.judge(end: .none, kernel)
        if talk!.hasSaidAll { exchanges[current].outcome = .chatted }
        if talk!.chat.ending.isPolite, !talk!.hasHeardAll { exchanges[current].outcome = .cut }
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
