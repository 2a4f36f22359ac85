@testable import OnDemand

/// The scenario that a request asks of a virtual backend, written into its target: `/s0/length/500/17`.
enum ScenarioRequest: Equatable {
    /// A response of this many bytes, framed by its length, by chunks, or by the end of the connection.
    case length(Int)
    case chunked(Int)
    case untilClose(Int)
    /// Status 204.
    case nothing
    case chat(Chat)
    /// An upgrade that gets 404.
    case refusedUpgrade

    struct Chat: Equatable {
        enum Ending: String, CaseIterable {
            /// The client ends after it has sent and received everything.
            case client
            /// The client ends after it has sent everything, and continues to read.
            case clientEarly
            case backend
            /// The client closes after it has sent everything.
            case clientCloses
            case backendCloses

            /// Neither side closes early: every byte must arrive.
            var isPolite: Bool { self != .clientCloses && self != .backendCloses }
        }

        /// Frames to the backend, and to the client.
        var up = 3
        var down = 3
        var ending = Ending.client
        /// Pause between two bursts of a side.
        var pause = Duration.milliseconds(10)
        /// Bytes in a burst.
        var burst = 700
    }

    func target(service: Int, key: Int) -> String {
        let words: [String] =
            switch self {
            case .length(let count): ["length", "\(count)"]
            case .chunked(let count): ["chunked", "\(count)"]
            case .untilClose(let count): ["close", "\(count)"]
            case .nothing: ["nothing", "0"]
            case .refusedUpgrade: ["refuse", "0"]
            case .chat(let chat):
                [
                    "chat", "\(chat.up)", "\(chat.down)", chat.ending.rawValue, "\(chat.pause.wholeMilliseconds)",
                    "\(chat.burst)",
                ]
            }
        return (["", "s\(service)", "\(key)"] + words).joined(separator: "/")
    }

    static func parse(_ target: String) -> (wish: ScenarioRequest, key: Int)? {
        let words = target.split(separator: "/").map(String.init)
        guard words.count >= 4, let key = Int(words[1]), let number = Int(words[3]) else { return nil }
        switch words[2] {
        case "length": return (.length(number), key)
        case "chunked": return (.chunked(number), key)
        case "close": return (.untilClose(number), key)
        case "nothing": return (.nothing, key)
        case "refuse": return (.refusedUpgrade, key)
        case "chat":
            let chat = Chat(
                up: number, down: Int(words[4])!, ending: Chat.Ending(rawValue: words[5])!,
                pause: .milliseconds(Int(words[6])!), burst: Int(words[7])!)
            return (.chat(chat), key)
        default: return nil
        }
    }
}

/// One connection of a virtual backend: reads a request, checks it, and responds or misbehaves by its script.
final class BackendConversation: SocketOwner {
    private unowned let process: SimulatedProcess
    private let kernel: SimulatedKernel
    private let socket: SimulatedSocket
    private var reader = MessageReader(readsAnswers: false)
    private var outgoing: ArraySlice<UInt8> = []
    private var closesAfterwards = false
    private var isAsked = false
    /// The first byte of the request arrived before the process got TERM; a slow body may outlive a drain.
    private var beganInTime = false
    private var replies = 0
    private var surplus: [UInt8] = []
    /// A WebSocket of a prober, whose only frame is a valid close frame.
    private var isProbersTunnel = false
    private var isOver = false
    private var talk: StreamScript?
    private var cable: VirtualActionCable?

    init(process: SimulatedProcess, socket: SimulatedSocket) {
        self.process = process
        kernel = process.kernel
        self.socket = socket
        socket.owner = self
        inspect(socket)
    }

    func inspect(_ socket: SimulatedSocket) {
        guard !isOver else { return }
        read()
        write()
        continueTalk()
        if socket.isReset { finish() }
    }

    func processEnded() {
        guard !isOver else { return }
        cable?.end()
        if talk != nil || reader.hasBegun || !outgoing.isEmpty { kernel.note(.end, of: process.service) }
        isOver = true
        if process.script.resetsAtEnd { socket.reset() } else { socket.close() }
    }

    private func finish() {
        guard !isOver else { return }
        isOver = true
        cable?.end()
        talk?.judge(end: .none, kernel)
        socket.close()
        process.conversations.removeAll { $0 === self }
    }

    // MARK: Reading

    private func read() {
        while socket.queueLength > 0 {
            let bytes = socket.take(.max)
            if isProbersTunnel { return checkCloseFrame(bytes) }
            if let cable {
                cable.hear(bytes)
                continue
            }
            if talk == nil, !reader.hasBegun { beganInTime = !process.heardTerminate }
            if talk != nil { talk!.listening.hear(bytes) } else { reader.feed(bytes) }
            if talk == nil, reader.isComplete, !isAsked { requestArrived() }
            if isOver { return }
        }
        guard socket.peerHasEnded, !socket.isReset else { return }
        if talk == nil { return finish() }
        talk!.heardEnd(kernel)
        continueTalk()
    }

    private func requestArrived() {
        isAsked = true
        kernel.trace.note("process \(process.id) is asked \(reader.target)", at: kernel.clock)
        if !isProbe, replies == 0 { kernel.counters.connections += 1 }
        guard isProbe || process.takesRequest() else { return }
        // A client that closed while its request was in transit expects no response.
        let isWanted = socket.peer != nil && !socket.peerHasEnded
        if process.heardTerminate, !beganInTime, isWanted, !kernel.isShuttingDown,
            !kernel.troubles.hasAny(of: process.service)
        {
            kernel.complain("a request reached process \(process.id), which has been told to stop")
        }
        switch process.script.manners {
        case .good, .breaksOff:
            kernel.scenario(after: process.script.answersAfter) { [weak self] in self?.answer() }
        case .garbage: say(Array("220 mail.example ESMTP\r\n\r\n".utf8), thenClose: true)
        case .closesAtOnce: finish()
        case .silent: break
        }
    }

    // MARK: Responses

    private func answer() {
        guard !isOver else { return }
        guard !isProbe else { return answerProbe() }
        guard !beginCable() else { return }
        guard let (wish, key) = ScenarioRequest.parse(reader.target) else {
            return say(Array("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".utf8), thenClose: true)
        }
        kernel.counters.arrived(key, kernel)
        checkBody(key)
        switch wish {
        case .length(let count):
            answer("200 OK\r\nContent-Length: \(count)", MessagePattern.backend.body(key: key, count: count))
        case .chunked(let count):
            let body = Wire.chunked(MessagePattern.backend.body(key: key, count: count), sizes: 1 + key * 37 % 3000)
            answer("200 OK\r\nTransfer-Encoding: chunked", body)
        case .untilClose(let count):
            say(
                Array("HTTP/1.1 200 OK\r\n\r\n".utf8) + MessagePattern.backend.body(key: key, count: count),
                thenClose: true)
        case .nothing: answer("204 No Content", [])
        case .refusedUpgrade: answer("404 Not Found\r\nContent-Length: 5", Array("nope\n".utf8))
        case .chat(let chat): beginTalk(chat, key)
        }
    }

    /// Sends a response whose end is visible; the client may then send another request if both sides allow it.
    private func answer(_ head: String, _ body: [UInt8]) {
        replies += 1
        let isOld = reader.startLine.hasSuffix("/1.0")
        let isAskedToClose = isOld || reader.field("connection")?.contains("close") ?? false
        let isLast = isAskedToClose || replies >= process.script.keepAlive?.replies ?? 1
        let announcement = isLast && process.script.keepAlive?.isAnnounced ?? false ? "\r\nConnection: close" : ""
        // Bytes that arrive late cannot be told from a response.
        if process.script.keepAlive?.addsSurplus ?? false, kernel.faults.stalls == 0 {
            surplus = Array("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil".utf8)
        }
        say(Array("HTTP/1.1 \(head)\(announcement)\r\n\r\n".utf8) + (isHead ? [] : body), thenClose: isLast)
    }

    private var isHead: Bool { reader.startLine.hasPrefix("HEAD ") }

    /// The response is sent: waits for the next request until the timeout of silence.
    private func waitForNextRequest() {
        isAsked = false
        if !reader.takeRest().isEmpty {
            kernel.complain("process \(process.id) got a request before its response was complete")
        }
        guard let keepAlive = process.script.keepAlive else { return }
        kernel.scenario(after: keepAlive.silence) { [weak self, replies] in
            guard let self, !self.isAsked, !self.reader.hasBegun, self.replies == replies else { return }
            self.finish()
        }
    }

    /// Whether the request is a readiness probe.
    private var isProbe: Bool { reader.target == Self.probePath }

    static let probePath = "/up"

    private func answerProbe() {
        guard process.isUp else {
            return say(Array("HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n".utf8), thenClose: true)
        }
        guard let key = reader.field("sec-websocket-key") else {
            return say(Array("HTTP/1.1 204 No Content\r\n\r\n".utf8), thenClose: true)
        }
        isProbersTunnel = true
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(Handshake.acceptValue(forKey: key))\r\n\r\n"
        // A welcome that no client reads, as Action Cable sends it.
        say(Array(head.utf8) + FrameWriter.text("welcome"), thenClose: false)
    }

    /// Checks the close frame of a prober. The frame may arrive in pieces; its first byte identifies it.
    private func checkCloseFrame(_ bytes: ArraySlice<UInt8>) {
        if bytes.first != 0x88 { kernel.complain("a prober ends its WebSocket with \(Array(bytes))") }
        finish()
    }

    /// Compares a request's body with the client's stream for this key.
    private func checkBody(_ key: Int) {
        guard let expected = kernel.counters.bodies[key] else { return }
        if reader.body != MessagePattern.client.body(key: key, count: expected) {
            kernel.complain(
                "the body of request \(key) arrived with \(reader.body.count) of \(expected) bytes, or wrong")
        }
    }

    private func say(_ bytes: [UInt8], thenClose: Bool) {
        var bytes = bytes
        if process.script.manners == .breaksOff { bytes.removeLast(max(1, bytes.count / 2)) }
        outgoing += bytes
        closesAfterwards = thenClose || process.script.manners == .breaksOff
        write()
    }

    private func write() {
        guard !isOver else { return }
        let hadWords = !outgoing.isEmpty
        if hadWords, case .bytes(let count) = socket.send(outgoing + surplus) {
            outgoing = outgoing.dropFirst(min(count, outgoing.count))
            surplus = []
        }
        guard outgoing.isEmpty else { return }
        if closesAfterwards { return finish() }
        if hadWords, talk == nil, cable == nil, !isProbe { waitForNextRequest() }
    }

    // MARK: Action Cable

    /// Returns false for a request of another kind.
    private func beginCable() -> Bool {
        guard let key = reader.field("sec-websocket-key"), let world = kernel.cableWorld,
            let cable = VirtualActionCable(
                target: reader.target, process: process, world: world,
                say: { [weak self] in self?.say($0, thenClose: $1) })
        else { return false }
        self.cable = cable
        cable.begin(key: key, subprotocol: reader.field("sec-websocket-protocol"))
        cable.hear(reader.buffer)
        return true
    }

    func heardTerminate() { cable?.heardTerminate() }

    // MARK: Chats

    private func beginTalk(_ chat: ScenarioRequest.Chat, _ key: Int) {
        let accept = Handshake.acceptValue(forKey: reader.field("sec-websocket-key") ?? "")
        let head =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(accept)\r\n\r\n"
        var talk = StreamScript(side: .backend, chat: chat, key: key)
        talk.listening.hear(reader.buffer[...])
        // Half of all backends send the first burst together with the head.
        let first = key.isMultiple(of: 2) ? talk.nextBurst() : []
        guard process.script.manners != .breaksOff else { return say(Array(head.utf8) + first, thenClose: true) }
        self.talk = talk
        say(Array(head.utf8) + first, thenClose: false)
        continueTalk()
    }

    /// Sends the next burst when the last one is flushed, and ends as the chat requires.
    private func continueTalk() {
        guard !isOver, talk != nil else { return }
        switch talk!.next(isFlushed: outgoing.isEmpty) {
        case .wait: break
        case .speak:
            guard !talk!.isPausing else { return }
            talk!.isPausing = true
            kernel.scenario(after: talk!.chat.pause) { [weak self] in
                guard let self, !self.isOver, self.talk != nil else { return }
                self.talk!.isPausing = false
                if self.outgoing.isEmpty { self.outgoing = self.talk!.nextBurst() }
                self.write()
                self.continueTalk()
            }
        case .end:
            talk!.hasEnded = true
            socket.end()
            continueTalk()
        case .close: finish()
        }
    }
}
