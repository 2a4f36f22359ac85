@testable import OnDemand

/// A client of a cable: follows its script, reads frames itself, and checks each of them when it arrives.
final class VirtualCableClient: SocketOwner {
    let name: String
    private let number: Int
    let script: CableScenario.Client
    private(set) var isOver = false
    /// Messages in the order of their arrival.
    private(set) var received: [(number: Int, stream: Int)] = []
    private unowned let world: CableWorld
    private unowned let kernel: SimulatedKernel
    private var socket: SimulatedSocket?
    private var inbound: [UInt8] = []
    private var outgoing: [UInt8] = []
    private var reading: ClientScript.Reading
    private var isReadingLater = false
    /// Of the response to the upgrade; nil before it.
    private var status: Int?
    private var nextAction = 0
    private var seen: Set<Int> = []
    private var welcomes = 0
    /// When the present subscription of each stream was confirmed; nil without.
    private var since: [Int: Instant] = [:]
    /// Subscriptions without a confirmation or rejection.
    private var outstanding: [Int: Int] = [:]
    private var everSubscribed: Set<Int> = []
    /// Numbers of the actions that it has sent.
    private var actions: [Int] = []
    /// When it last sent a command for the backend.
    private var lastCommand: Instant?
    /// When the last ping arrived, or the response to the upgrade.
    private var lastPing: (time: Instant, slowTurnTime: Duration)?
    private var disconnect: String?
    private var closeCode: Int?
    /// Its own decision to end the connection.
    private var hasLeft = false
    private var sentViolation = false
    /// Something other than a ping has arrived since the last look.
    private var hasNews = true
    private var quietLooks = 0

    init(number: Int, script: CableScenario.Client, _ world: CableWorld, _ kernel: SimulatedKernel) {
        name = "cable client \(number)"
        self.number = number
        (self.script, self.world, self.kernel) = (script, world, kernel)
        reading = script.reading
        kernel.scenario(after: script.arrives) { [weak self] in self?.arrive() }
    }

    private func note(_ what: @autoclosure () -> String) { kernel.trace.note("\(name) \(what())", at: kernel.clock) }
    private func complain(_ what: String) { kernel.complain("\(name) \(what)") }

    // MARK: Script

    private func arrive() {
        guard let socket = kernel.connectClient(to: Scenario.publicAddress, owner: self) else {
            if !kernel.isShuttingDown, !world.mayCut { complain("found no listener") }
            isOver = true
            return
        }
        note("arrives")
        self.socket = socket
        var lines = [
            "GET /c\(script.cable)\(query) HTTP/1.1", "Host: example.test", "Connection: Upgrade",
            "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        ]
        if !script.isTurbo { lines.append("Sec-WebSocket-Protocol: actioncable-v1-json") }
        outgoing += (lines.joined(separator: "\r\n") + "\r\n\r\n").utf8
        if script.isEager { perform() }
        speak()
        kernel.scenario(after: script.actions[0].after) { [weak self] in self?.act() }
        if let leaves = script.leaves {
            kernel.scenario(after: leaves.after) { [weak self] in self?.leave(leaves.how) }
        }
        kernel.scenario(after: max(world.end - kernel.clock, .zero)) { [weak self] in self?.look() }
        kernel.scenario(after: .seconds(1800)) { [weak self] in self?.giveUp() }
    }

    private var query: String {
        switch script.token {
        case .none: "?client=\(number)"
        case .valid: "?client=\(number)&jid=\(CableScenario.validToken)"
        case .expired: "?client=\(number)&jid=\(CableScenario.expiredToken)"
        }
    }

    private func act() {
        guard !isOver, !hasLeft, nextAction < script.actions.count else { return }
        guard status == 101 else { return kernel.scenario(after: .milliseconds(20)) { [weak self] in self?.act() } }
        perform()
        guard nextAction < script.actions.count else { return }
        let pause = script.actions[nextAction].after - script.actions[nextAction - 1].after
        kernel.scenario(after: pause) { [weak self] in self?.act() }
    }

    private func perform() {
        let action = script.actions[nextAction].action
        nextAction += 1
        note("does \(action)")
        switch action {
        case .subscribe(let stream):
            // A rejection would answer both.
            let isBackends = CableScenario.backendStreams.contains(stream)
            guard !isBackends || outstanding[stream, default: 0] == 0 else { return }
            subscribe(stream)
        case .unsubscribe(let stream):
            // A confirmation under way could be mistaken for one of a later subscription.
            guard outstanding[stream, default: 0] == 0, since[stream] != nil else { return }
            since[stream] = nil
            say(command("unsubscribe", stream))
        case .perform(let place):
            let ready = CableScenario.backendStreams.filter { since[$0] != nil }
            if !ready.isEmpty { act(on: ready[place % ready.count]) }
        case .nonsense: say("{\"command\":\"dance\",\"type\":3}")
        case .violation:
            sentViolation = true
            send([0x83, 0x80, 0, 0, 0, 0])
        }
    }

    private func command(_ word: String, _ stream: Int) -> String {
        guard !script.isTurbo else { return CableBench.command(word, CableScenario.streamName(stream), isTurbo: true) }
        return "{\"command\":\"\(word)\",\"identifier\":\(CableScenario.identifier(of: stream))}"
    }

    private func subscribe(_ stream: Int) {
        outstanding[stream, default: 0] += 1
        everSubscribed.insert(stream)
        if CableScenario.backendStreams.contains(stream) { lastCommand = kernel.clock }
        say(command("subscribe", stream))
    }

    private func act(on stream: Int) {
        let action = CableWorld.action(actions.count, of: number)
        note("performs action \(action) on \(stream)")
        actions.append(action)
        lastCommand = kernel.clock
        let data = "\"{\\\"action\\\":\\\"speak\\\",\\\"k\\\":\(action)}\""
        let identifier = CableScenario.identifier(of: stream)
        say("{\"command\":\"message\",\"identifier\":\(identifier),\"data\":\(data)}")
    }

    private var lacking: [Int] { actions.filter { !world.performed.contains($0) } }

    private func leave(_ how: CableScenario.Client.Leaving) {
        guard !isOver, !hasLeft, let socket else { return }
        note("leaves: \(how)")
        hasLeft = true
        switch how {
        case .close: socket.close()
        case .reset: socket.reset()
        case .end:
            // The unread bytes may end in a close frame.
            reading = .eager
            socket.end()
            return inspect(socket)
        case .handshake:
            reading = .eager
            send(FrameWriter.close(.normal, key: CableBench.mask))
            return inspect(socket)
        }
        over()
    }

    /// A client that stays leaves when nothing has arrived between two looks, or between many where a message may take
    /// minutes from Redis to the daemon.
    private func look() {
        guard !isOver, !hasLeft, let socket else { return }
        if reading != .eager {
            (reading, hasNews) = (.eager, true)
            inspect(socket)
        }
        guard !isOver else { return }
        let isLate = kernel.clock >= world.end && world.publishers.allSatisfy(\.isOver)
        quietLooks = isLate && !hasNews ? quietLooks + 1 : 0
        hasNews = false
        // A start, and a pause between attempts.
        let hasUnanswered = !lacking.isEmpty || outstanding.contains { $0.value > 0 && since[$0.key] == nil }
        let isWaiting = hasUnanswered && lastCommand.map { kernel.clock - $0 < .seconds(90) } ?? false
        guard !isWaiting, quietLooks >= (kernel.faults.smallBuffers > 0 ? 24 : 1), status != nil || kernel.isSlow else {
            return kernel.scenario(after: .seconds(5)) { [weak self] in self?.look() }
        }
        judgeMessages()
        leave(.close)
    }

    private func giveUp() {
        guard !isOver else { return }
        // A backend that ends each connection gives a client with `notice` something to do for ever.
        if !kernel.isSlow, !mayLoseBackend { complain("is still connected after half an hour") }
        socket?.close()
        over()
    }

    private func over() {
        guard !isOver else { return }
        note("is over")
        isOver = true
        socket = nil
    }

    // MARK: Bytes

    private func say(_ text: String) { send(FrameWriter.text(text, key: CableBench.mask)) }

    private func send(_ bytes: [UInt8]) {
        outgoing += bytes
        speak()
    }

    private func speak() {
        while let socket, !outgoing.isEmpty, case .bytes(let count) = socket.send(outgoing[...]), count > 0 {
            outgoing.removeFirst(count)
        }
    }

    func inspect(_ socket: SimulatedSocket) {
        guard !isOver else { return }
        speak()
        switch reading {
        case .never: return
        case .eager:
            while !isOver, socket.queueLength > 0 { hear(socket.take(.max)) }
            noticeEnd(socket)
        case .slow(let bytes, let pause):
            guard !isReadingLater else { return }
            isReadingLater = true
            kernel.scenario(after: pause) { [weak self] in
                guard let self, !self.isOver else { return }
                self.isReadingLater = false
                if socket.queueLength > 0 { self.hear(socket.take(bytes)) }
                guard !self.isOver else { return }
                if socket.queueLength > 0 { self.inspect(socket) } else { self.noticeEnd(socket) }
            }
        }
    }

    private func noticeEnd(_ socket: SimulatedSocket) {
        guard !isOver, socket.peerHasEnded || socket.isReset else { return }
        note("finds the end")
        judgeEnd()
        socket.close()
        over()
    }

    private func hear(_ bytes: ArraySlice<UInt8>) {
        inbound += bytes
        if status == nil { readHead() }
        while !isOver, status == 101, let (opcode, payload) = nextFrame() { take(opcode, payload) }
        // A part of a frame that is longer than a ping.
        if inbound.count > 50 { hasNews = true }
    }

    private func readHead() {
        guard let end = inbound.indices.first(where: { inbound[$0...].starts(with: [13, 10, 13, 10]) }) else { return }
        let lines = String(decoding: inbound[..<end], as: UTF8.self).split(separator: "\r\n")
        inbound.removeFirst(end + 4)
        status = Int(lines[0].split(separator: " ")[1])
        note("gets \(status ?? 0)")
        hasNews = true
        lastPing = (kernel.clock, kernel.slowTurnTime)
        guard status == 101 else {
            judgeRejection()
            hasLeft = true
            socket?.close()
            return over()
        }
        let echoes = lines.contains("Sec-WebSocket-Protocol: actioncable-v1-json")
        if echoes == script.isTurbo { complain("got the wrong subprotocol") }
    }

    /// Opcode and payload (RFC 6455, 5.2); nil when the frame is not complete.
    private func nextFrame() -> (UInt8, [UInt8])? {
        guard inbound.count >= 2 else { return nil }
        if inbound[0] & 0xf0 != 0x80 || inbound[1] & 0x80 != 0 { complain("got a frame that no server may send") }
        let extra = inbound[1] == 126 ? 2 : inbound[1] == 127 ? 8 : 0
        guard inbound.count >= 2 + extra else { return nil }
        let length = extra == 0 ? Int(inbound[1]) : inbound[2..<(2 + extra)].reduce(0) { $0 << 8 | Int($1) }
        guard inbound.count >= 2 + extra + length else { return nil }
        let frame = (inbound[0] & 0x0f, Array(inbound[(2 + extra)..<(2 + extra + length)]))
        inbound.removeFirst(2 + extra + length)
        return frame
    }

    // MARK: Frames

    private func take(_ opcode: UInt8, _ payload: [UInt8]) {
        if closeCode != nil { complain("got a frame behind the close frame") }
        switch opcode {
        case 1: take(String(decoding: payload, as: UTF8.self))
        case 8:
            closeCode = payload.count >= 2 ? Int(payload[0]) << 8 | Int(payload[1]) : 0
            note("gets close \(closeCode!) behind \(disconnect ?? "nothing")")
            judgeEnd()
            if !hasLeft { send(FrameWriter.close(.normal, key: CableBench.mask)) }
            socket?.close()
            over()
        default: complain("got a frame with opcode \(opcode)")
        }
    }

    private func take(_ text: String) {
        if disconnect != nil { complain("got \(text.prefix(80)) behind a disconnect") }
        if text.hasPrefix("{\"type\":\"ping\"") {
            judgePing()
            lastPing = (kernel.clock, kernel.slowTurnTime)
            if script.isTurbo { say("{\"type\":\"pong\"}") }
            return
        }
        hasNews = true
        if text.hasPrefix("{\"type\":\"welcome\"") {
            welcomes += 1
            if welcomes > 1, cable.backend?.sendsNotice == true { return subscribeAgain() }
            // Streams of the daemon do not wait for the welcome of a backend.
            let isFirst = received.isEmpty || cable.backend?.connect == .backend
            if welcomes > 1 || script.isTurbo || !isFirst { complain("got a welcome") }
        } else if text.hasPrefix("{\"type\":\"disconnect\"") {
            disconnect = text
        } else if text.contains("\"type\":\"confirm_subscription\"") || text.hasPrefix("{\"type\":\"subscribed\"") {
            settle(text, isConfirmed: true)
        } else if text.contains("\"type\":\"reject_subscription\"") {
            settle(text, isConfirmed: false)
        } else {
            takeMessage(text)
        }
    }

    /// As Rails' client does after each `welcome`.
    private func subscribeAgain() {
        for stream in since.keys.sorted() { subscribe(stream) }
    }

    private func stream(in text: String) -> Int? {
        if let stream = CableScenario.backendStream(in: text) { return stream }
        let quote = script.isTurbo ? "\"" : "\\\""
        return (0..<CableScenario.streams).first { text.contains("\(quote)s\($0)\(quote)") }
    }

    private func settle(_ text: String, isConfirmed: Bool) {
        guard let stream = stream(in: text), outstanding[stream, default: 0] > 0 else {
            return complain("got \(text), which it did not ask for")
        }
        note(isConfirmed ? "is confirmed for \(stream)" : "is rejected for \(stream)")
        outstanding[stream, default: 0] -= 1
        if isConfirmed { since[stream] = since[stream] ?? kernel.clock }
    }

    private func takeMessage(_ text: String) {
        if text.contains("\"message\":{\"hello\":") || text.contains("\"message\":{\"reply\":") {
            guard let stream = CableScenario.backendStream(in: text), everSubscribed.contains(stream) else {
                return complain("got \(text.prefix(100)) without a subscription")
            }
            return note("gets \(text.suffix(20))")
        }
        guard let range = text.firstRange(of: "{\"n\":"),
            let number = Int(text[range.upperBound...].prefix { $0.isNumber }), world.messages.indices.contains(number)
        else { return complain("got \(text.prefix(100))") }
        let message = world.messages[number]
        let isBackends = CableScenario.backendStreams.contains(message.stream)
        let identifier = CableScenario.identifier(of: message.stream)
        let expected =
            script.isTurbo
            ? "{\"type\":\"message\",\"stream\":\"s\(message.stream)\",\"data\":\(message.text)}"
            : "{\"identifier\":\(identifier),\"message\":\(message.text)}"
        if text != expected { complain("got \(text.prefix(200)) instead of \(expected.prefix(200))") }
        if message.cable != script.cable { complain("got message \(number) of another cable") }
        if !everSubscribed.contains(message.stream) { complain("got message \(number) without a subscription") }
        // The daemon and the backend may both deliver a message at a sleep or a wake.
        let isNew = seen.insert(number).inserted
        if isBackends { return note("gets message \(number) of the backend") }
        if !isNew { complain("got message \(number) twice") }
        // A post that was accepted before another one was sent comes first.
        for earlier in received.reversed() where earlier.stream == message.stream && message.isPosted {
            let other = world.messages[earlier.number]
            guard other.isPosted, let accepted = message.acceptedAt, accepted < other.sentAt else { continue }
            complain("got message \(earlier.number) before message \(number)")
            break
        }
        received.append((number, message.stream))
        note("gets message \(number)")
    }

    // MARK: Verdicts

    /// The client stays and was told nothing: it must have everything.
    private func judgeMessages() {
        guard status == 101 else { return }
        if !script.isTurbo, welcomes == 0 { complain("got no welcome") }
        for (stream, count) in outstanding where count > 0 && since[stream] == nil && !isIgnored {
            complain("got no reply to its subscription of stream \(stream)")
        }
        if let action = lacking.first { complain("performed action \(action) in vain, and was not told") }
        judgePing()
        for (number, message) in world.messages.enumerated()
        where world.isDue(message) && message.cable == script.cable && message.acceptedAt != nil
            && !seen.contains(number)
        {
            guard let confirmed = since[message.stream], message.sentAt > confirmed else { continue }
            complain("missed message \(number), and was not told")
        }
    }

    /// No client is without a ping for longer than the interval and 3 s.
    private func judgePing() {
        guard let lastPing, !script.isTurbo, script.reading == .eager, !kernel.isSlow, kernel.faults.smallBuffers == 0
        else { return }
        let gap = kernel.clock - lastPing.time - (kernel.slowTurnTime - lastPing.slowTurnTime)
        // A reload that changes the interval begins another one.
        let interval = world.mayRestart ? cable.pingInterval * 2 : cable.pingInterval
        if gap > interval + .seconds(3) { complain("got no ping for \(gap)") }
    }

    private var cable: CableScenario.Cable { world.scenario.cables[script.cable] }

    /// TurboCable has no rejection: a subscription over the limit or of a closed stream is ignored.
    private var isIgnored: Bool {
        script.isTurbo && (world.scenario.cables[script.cable].maximumSubscriptions < 100 || world.mayRestart)
    }

    private func judgeRejection() {
        switch status {
        case 401 where isRefused && script.isTurbo: break
        case 404 where world.mayCut || mayLoseBackend, 503 where world.mayCut || mayLoseBackend: break
        case 502 where mayLoseBackend, 504 where mayLoseBackend, 408 where kernel.isSlow: break
        default: complain("got \(status ?? 0) for its upgrade")
        }
    }

    private func judgeEnd() {
        guard !hasLeft else { return }
        guard let code = closeCode else {
            // A refusal is sent once, because a new socket takes it at once.
            let mayLackRefusal = isRefused && kernel.faults.stalls + kernel.faults.partialWrites > 0
            let wasSlow = script.reading != .eager || sentViolation || mayLackRefusal
            if !wasSlow, !world.mayCut { complain("was cut off without a close frame") }
            return
        }
        let restart = "{\"type\":\"disconnect\",\"reason\":\"server_restart\",\"reconnect\":true}"
        let reason: String?
        let isExcused: Bool
        switch code {
        case 1000:
            let word = script.token == .expired ? "token_expired" : "unauthorized"
            reason = "{\"type\":\"disconnect\",\"reason\":\"\(word)\",\"reconnect\":false}"
            isExcused = isRefused
            if !isRefused, mayLoseBackend, let disconnect { return judgeDismissal(disconnect) }
        case 1001:
            // A TurboCable client that reads nothing answers no ping.
            let maySeemSilent = script.isTurbo && (script.reading != .eager || kernel.faults.smallBuffers > 0)
            (reason, isExcused) = (restart, world.mayRestart || kernel.hasJumped || maySeemSilent)
        case 1002: (reason, isExcused) = (nil, sentViolation)
        case 1012:
            (reason, isExcused) = (restart, world.mayLoseRedis && cable.hasRedis || mayLoseBackend)
        case 1013:
            reason = "{\"type\":\"disconnect\",\"reason\":\"too_slow\",\"reconnect\":true}"
            isExcused = maySlow
        default: (reason, isExcused) = (nil, false)
        }
        if !isExcused { complain("was closed with \(code) without a reason") }
        if disconnect != (script.isTurbo ? nil : reason) {
            complain("got \(disconnect ?? "no disconnect") before close \(code)")
        }
    }

    /// The backend's own words.
    private func judgeDismissal(_ text: String) {
        let known = [
            "\"reason\":\"unauthorized\",\"reconnect\":false}", "\"reason\":\"server_restart\",\"reconnect\":true}",
        ]
        if !known.contains(where: text.hasSuffix) { complain("got \(text)") }
    }

    private var mayLoseBackend: Bool { !script.isTurbo && world.mayLoseBackend(of: script.cable) }

    private var isRefused: Bool { world.scenario.cables[script.cable].needsToken && script.token != .valid }

    /// It may have had more unsent bytes than its cable allows.
    private var maySlow: Bool {
        script.reading != .eager || world.scenario.cables[script.cable].maximumQueuedBytes < 1024 * 1024
            || world.mayRestart || kernel.faults.smallBuffers > 0 || kernel.isSlow
    }
}
