import OnDemand

/// One client connection.
final class Connection {
    private enum Phase {
        case readingHead(searched: Int)
        case readingBody(RequestHead, BodyReader)
        case delayed(RequestHead, [UInt8], until: ContinuousClock.Instant)
        case silent
        case echoing
        case cable(CableSession)
        case flushing
    }

    private static let headLimit = 64 << 10
    /// Bytes of unsent output above which nothing is read.
    private static let outputLimit = 1 << 20
    /// Bytes of unsent broadcasts above which a client is disconnected.
    private static let backlogLimit = 64 << 20

    let socket: Descriptor
    private var input = ByteQueue()
    private var output = ByteQueue()
    private var phase = Phase.readingHead(searched: 0)
    private var inputEnded = false
    private var outputFailed = false

    init(_ socket: Descriptor) { self.socket = socket }

    var wantsToRead: Bool { !inputEnded && output.count < Self.outputLimit }
    var wantsToWrite: Bool { !output.isEmpty }

    /// A client may have ended its direction and still wait for a response.
    var isFinished: Bool {
        if outputFailed { return true }
        guard output.isEmpty else { return false }
        switch phase {
        case .flushing: return true
        case .delayed: return false
        case .readingHead, .readingBody, .silent, .echoing, .cable: return inputEnded
        }
    }

    /// Time of the next event without input.
    var deadline: ContinuousClock.Instant? {
        // A client that does not read gets no pings. Otherwise its overdue ping would keep the loop spinning.
        guard output.count < Self.outputLimit else { return nil }
        return switch phase {
        case .delayed(_, _, let until): until
        case .cable(let session): session.nextPing
        case .readingHead, .readingBody, .silent, .echoing, .flushing: nil
        }
    }

    func receive() {
        // No event was requested, so both directions have ended (POLLHUP).
        if inputEnded { outputFailed = true }
        if Sockets.receive(from: socket, into: &input) == .ended { inputEnded = true }
    }

    func send() {
        if !Sockets.send(&output, to: socket) { outputFailed = true }
    }

    func send(_ frame: [UInt8], toSubscribersOf identifier: String) {
        guard case .cable(let session) = phase, session.subscriptions.contains(identifier) else { return }
        output.append(frame)
        if output.count > Self.backlogLimit { outputFailed = true }
    }

    /// Performs all steps that the input and the time allow.
    func advance(at now: ContinuousClock.Instant) -> [CableSession.Broadcast] {
        var broadcasts: [CableSession.Broadcast] = []
        while output.count < Self.outputLimit, step(at: now, &broadcasts) {}
        send()
        return broadcasts
    }

    /// Sends a close frame or message before the server exits, if the protocol has one.
    func sendClose() {
        switch phase {
        case .cable: output.append(CableSession.disconnection + FrameWriter.close(.goingAway))
        case .echoing: output.append(FrameWriter.close(.goingAway))
        case .readingHead, .readingBody, .delayed, .silent, .flushing: break
        }
        send()
    }
}

// MARK: - HTTP

extension Connection {
    /// Performs one step. Returns false if more input or time is needed.
    private func step(at now: ContinuousClock.Instant, _ broadcasts: inout [CableSession.Broadcast]) -> Bool {
        switch phase {
        case .readingHead(let searched):
            return readHead(searched: searched)
        case .readingBody(let head, var reader):
            guard reader.read(&input) else { return refuse(400, head) }
            phase = .readingBody(head, reader)
            guard reader.isDone else { return false }
            answer(head, reader.body, delayed: false, at: now)
            return true
        case .delayed(let head, let body, let until):
            guard now >= until else { return false }
            answer(head, body, delayed: true, at: now)
            return true
        case .silent, .flushing:
            return false
        case .echoing:
            return readFrame { frame in output.append(Self.echo(frame)) }
        case .cable(var session):
            pingIfDue(&session, at: now)
            let again = readFrame { frame in
                var reply: [UInt8] = []
                if let broadcast = session.receive(frame, reply: &reply) { broadcasts.append(broadcast) }
                output.append(reply)
            }
            if case .cable = phase { phase = .cable(session) }
            return again
        }
    }

    private func readHead(searched: Int) -> Bool {
        guard let end = input.end(of: Array("\r\n\r\n".utf8), from: searched) else {
            phase = .readingHead(searched: input.count)
            return input.count > Self.headLimit && refuse(431, nil)
        }
        guard let head = RequestHead(input.take(end)), let reader = BodyReader(head) else { return refuse(400, nil) }
        if head.tokens("expect").contains("100-continue"), input.isEmpty {
            output.append("HTTP/1.1 100 Continue\r\n\r\n")
        }
        phase = .readingBody(head, reader)
        return true
    }

    private func refuse(_ status: Int, _ head: RequestHead?) -> Bool {
        guard let head = head ?? RequestHead(Array("GET / HTTP/1.1\r\n".utf8)) else { return false }
        var closes = true
        output.append(Response(status: status).rendered(for: head, closes: &closes))
        phase = .flushing
        return true
    }

    private func answer(_ head: RequestHead, _ body: [UInt8], delayed: Bool, at now: ContinuousClock.Instant) {
        switch Answer(to: head, body: body, delayed: delayed) {
        case .response(let response):
            var closes = false
            output.append(response.rendered(for: head, closes: &closes))
            phase = closes ? .flushing : .readingHead(searched: 0)
        case .later(let wait):
            phase = .delayed(head, body, until: now + wait)
        case .silence:
            phase = .silent
        case .noise(let text):
            output.append(text)
            phase = .flushing
        case .upgrade(let upgrade):
            open(upgrade, head, at: now)
        }
    }

    private func open(_ upgrade: Answer.Upgrade, _ head: RequestHead, at now: ContinuousClock.Instant) {
        var closes = false
        output.append(upgrade.response.rendered(for: head, closes: &closes))
        if !upgrade.framesComeEarly { send() }
        guard upgrade.isCable else {
            if upgrade.framesComeEarly { output.append(FrameWriter.text("early-1") + FrameWriter.text("early-2")) }
            phase = .echoing
            return
        }
        output.append(CableSession.welcome)
        let firstPing = upgrade.framesComeEarly ? now : now + CableSession.pingInterval
        phase = .cable(CableSession(nextPing: firstPing))
    }
}

// MARK: - WebSocket

extension Connection {
    private func readFrame(_ takeData: (FrameReader.Frame) -> Void) -> Bool {
        do throws(FrameReader.Refusal) {
            guard let frame = try FrameReader.next(&input) else { return false }
            switch frame.opcode {
            case .continuation, .text, .binary:
                takeData(frame)
            case .ping:
                output.append(FrameWriter.pong(frame.payload))
            case .pong:
                break
            case .close:
                output.append(FrameWriter.frame(.close, frame.payload))
                phase = .flushing
            }
        } catch {
            output.append(FrameWriter.close(error.code, reason: error.reason))
            phase = .flushing
        }
        return true
    }

    private static func echo(_ frame: FrameReader.Frame) -> [UInt8] {
        FrameWriter.frame(frame.opcode, frame.payload, isFinal: frame.isFinal)
    }

    private func pingIfDue(_ session: inout CableSession, at now: ContinuousClock.Instant) {
        guard now >= session.nextPing else { return }
        output.append(CableSession.ping)
        session.nextPing = now + CableSession.pingInterval
    }
}
