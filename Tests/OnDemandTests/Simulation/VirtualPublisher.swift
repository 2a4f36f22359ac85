@testable import OnDemand

/// A program that posts broadcasts, one request after the other on one connection.
final class VirtualPublisher: SocketOwner {
    let name: String
    private(set) var isOver = false
    private let script: CableScenario.Publisher
    private unowned let world: CableWorld
    private unowned let kernel: SimulatedKernel
    private var socket: SimulatedSocket?
    private var reader = MessageReader(readsAnswers: true)
    private var outgoing: ArraySlice<UInt8> = []
    private var next = 0
    /// Numbers of the messages in the current request, until its response.
    private var numbers: [Int] = []
    private var sentAt: (time: Instant, slowTurnTime: Duration)?

    init(number: Int, script: CableScenario.Publisher, _ world: CableWorld, _ kernel: SimulatedKernel) {
        name = "publisher \(number)"
        (self.script, self.world, self.kernel) = (script, world, kernel)
        kernel.scenario(after: script.arrives) { [weak self] in self?.post() }
    }

    private func post() {
        guard !isOver else { return }
        guard next < script.posts.count else { return finish() }
        if socket == nil { socket = kernel.connectClient(to: Scenario.publicAddress, owner: self) }
        guard socket != nil else {
            if !kernel.isShuttingDown, !world.mayCut { kernel.complain("\(name) found no listener") }
            return finish()
        }
        let messages = script.posts[next].map { message in
            let (number, text) = world.message(to: message.stream, of: script.cable, size: message.size)
            numbers.append(number)
            return "{\"stream\":\"\(CableScenario.streamName(message.stream))\",\"data\":\(text)}"
        }
        next += 1
        let body = messages.count == 1 ? messages[0] : "[\(messages.joined(separator: ","))]"
        let head = [
            "POST /c\(script.cable)/broadcast HTTP/1.1", "Host: example.test",
            "Authorization: Bearer \(CableScenario.key)", "Content-Length: \(body.utf8.count)",
        ]
        outgoing += (head.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8
        sentAt = (kernel.clock, kernel.slowTurnTime)
        kernel.trace.note("\(name) posts \(numbers)", at: kernel.clock)
        speak()
    }

    private func finish() {
        isOver = true
        socket?.close()
        socket = nil
    }

    private func speak() {
        while let socket, !outgoing.isEmpty, case .bytes(let count) = socket.send(outgoing), count > 0 {
            outgoing = outgoing.dropFirst(count)
        }
    }

    func inspect(_ socket: SimulatedSocket) {
        guard !isOver else { return }
        speak()
        while socket.queueLength > 0 { reader.feed(socket.take(.max)) }
        if reader.isComplete { answered() }
        guard !isOver, socket.peerHasEnded || socket.isReset, self.socket === socket else { return }
        socket.close()
        self.socket = nil
        (reader, outgoing) = (MessageReader(readsAnswers: true), [])
        // Between two requests the daemon may close a connection.
        guard !numbers.isEmpty else { return }
        if !world.mayCut { kernel.complain("\(name) got no response to \(numbers)") }
        numbers = []
        later()
    }

    private func answered() {
        let status = reader.status
        kernel.trace.note("\(name) gets \(status) for \(numbers)", at: kernel.clock)
        if 200..<300 ~= status {
            let expected = world.scenario.cables[script.cable].isTurboOnly ? 200 : 201
            if status != expected { kernel.complain("\(name) got \(status) instead of \(expected)") }
            for number in numbers { world.messages[number].acceptedAt = kernel.clock }
        } else if ![404, 503].contains(status) || !world.mayCut {
            kernel.complain("\(name) got \(status) for \(numbers)")
        }
        judgeTime()
        numbers = []
        let closes = reader.field("connection")?.contains("close") ?? false
        _ = reader.takeRest()
        if closes {
            socket?.close()
            socket = nil
            outgoing = []
        }
        later()
    }

    /// No publisher waits for a client.
    private func judgeTime() {
        guard let sentAt, !kernel.isSlow, kernel.faults.smallBuffers == 0 else { return }
        let wait = kernel.clock - sentAt.time - (kernel.slowTurnTime - sentAt.slowTurnTime)
        if wait > .seconds(3) { kernel.complain("\(name) waited \(wait) for its response") }
    }

    private func later() { kernel.scenario(after: script.thinks) { [weak self] in self?.post() } }
}
