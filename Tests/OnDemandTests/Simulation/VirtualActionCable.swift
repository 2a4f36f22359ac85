@testable import OnDemand

/// One client of a virtual Action Cable server, on one WebSocket: welcome, pings, subscriptions, actions and messages.
///
/// It reads and writes frames and messages itself, so that two implementations must agree. Commands are performed one
/// after the other, also those before a close frame; the end of the process or the connection loses the rest.
final class VirtualActionCable {
    let cable: Int
    /// The number of the client, which is in its request.
    private let client: Int
    private unowned let process: SimulatedProcess
    private unowned let world: CableWorld
    private let kernel: SimulatedKernel
    private let script: ActionCableScript
    /// Sends bytes, and then closes the connection if it must.
    private let say: ([UInt8], _ thenClose: Bool) -> Void
    private var inbound: [UInt8] = []
    /// Commands that wait; nil is a close frame.
    private var commands: [String?] = []
    private var isPerforming = false
    /// Its streams, and the channels of Redis that they are.
    private var subscriptions: [Int: String] = [:]
    private var messages: [String] = []
    private var hangs = false
    private var isOver = false

    init?(
        target: String, process: SimulatedProcess, world: CableWorld, say: @escaping ([UInt8], Bool) -> Void
    ) {
        let words = target.split { "/?=&".contains($0) }
        guard let first = words.first, first.hasPrefix("c"), let cable = Int(first.dropFirst()),
            let place = words.firstIndex(of: "client"), let client = Int(words[place + 1])
        else { return nil }
        (self.cable, self.client, self.process, self.world, self.say) = (cable, client, process, world, say)
        (kernel, script) = (process.kernel, process.script.cable)
    }

    private func note(_ what: @autoclosure () -> String) {
        kernel.trace.note("process \(process.id) \(what()) for cable client \(client)", at: kernel.clock)
    }

    /// The response to the upgrade; the rest follows by itself.
    func begin(key: String, subprotocol: String?) {
        if case .status(let status) = script.refusal {
            return say(Array("HTTP/1.1 \(status) No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8), true)
        }
        var head =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Accept: \(Handshake.acceptValue(forKey: key))\r\n"
        if let subprotocol { head += "Sec-WebSocket-Protocol: \(subprotocol)\r\n" }
        say(Array("\(head)\r\n".utf8), false)
        world.connections.append(self)
        later(script.welcomesAfter) { server in
            guard server.script.refusal == nil else { return server.bid("unauthorized", reconnect: false) }
            server.write("{\"type\":\"welcome\"}")
            server.ping()
            server.performNext()
        }
        if let delay = script.cutsAfter { later(delay) { $0.say([], true) } }
        if let delay = script.restartsAfter { later(delay) { $0.bid("server_restart", reconnect: true) } }
        if let delay = script.hangsAfter { later(delay) { $0.hangs = true } }
    }

    /// The process has got TERM.
    func heardTerminate() { if script.saysGoodbye, !isOver, !hangs { bid("server_restart", reconnect: true) } }

    /// The connection or the process is over.
    func end() {
        isOver = true
        world.connections.removeAll { $0 === self }
    }

    private func later(_ delay: Duration, _ action: @escaping (VirtualActionCable) -> Void) {
        kernel.scenario(after: delay) { [weak self] in
            if let self, !self.isOver, !self.hangs { action(self) }
        }
    }

    private func write(_ text: String) { say(FrameWriter.text(text), false) }

    private func bid(_ reason: String, reconnect: Bool) {
        note("says \(reason)")
        write("{\"type\":\"disconnect\",\"reason\":\"\(reason)\",\"reconnect\":\(reconnect)}")
        say(FrameWriter.close(.normal), true)
    }

    private func ping() {
        write("{\"type\":\"ping\",\"message\":1}")
        later(script.pingInterval) { $0.ping() }
    }

    // MARK: Frames

    func hear(_ bytes: some Collection<UInt8>) {
        guard !hangs else { return }
        inbound += bytes
        while let (opcode, payload) = nextFrame() {
            switch opcode {
            case 1: commands.append(String(decoding: payload, as: UTF8.self))
            case 8: commands.append(nil)
            case 9: say(FrameWriter.pong(payload), false)
            case 10: break
            default: kernel.complain("process \(process.id) got a frame with opcode \(opcode)")
            }
        }
        performNext()
    }

    /// Opcode and payload (RFC 6455, 5.2); nil when the frame is not complete.
    private func nextFrame() -> (UInt8, [UInt8])? {
        guard inbound.count >= 6 else { return nil }
        if inbound[0] & 0xf0 != 0x80 || inbound[1] & 0x80 == 0 {
            kernel.complain("process \(process.id) got a frame that no client may send")
        }
        let short = Int(inbound[1] & 0x7f)
        let extra = short == 126 ? 2 : short == 127 ? 8 : 0
        guard inbound.count >= 6 + extra else { return nil }
        let length = extra == 0 ? short : inbound[2..<(2 + extra)].reduce(0) { $0 << 8 | Int($1) }
        let (key, start) = (Array(inbound[(2 + extra)..<(6 + extra)]), 6 + extra)
        guard inbound.count >= start + length else { return nil }
        let payload = (0..<length).map { inbound[start + $0] ^ key[$0 % 4] }
        let opcode = inbound[0] & 0x0f
        inbound.removeFirst(start + length)
        return (opcode, payload)
    }

    // MARK: Commands

    private func performNext() {
        guard !isPerforming, !commands.isEmpty else { return }
        isPerforming = true
        later(commands[0] == nil ? script.closesAfter : script.performsAfter) { server in
            server.isPerforming = false
            guard let command = server.commands.removeFirst() else {
                server.note("answers a close frame")
                return server.say(FrameWriter.close(.normal), true)
            }
            server.perform(command)
            server.performNext()
        }
    }

    private func perform(_ text: String) {
        note("performs \(text)")
        // As Rails: an unknown command is a line of its log.
        guard !text.hasPrefix("{\"command\":\"dance\"") else { return }
        guard let stream = CableScenario.backendStream(in: text) else {
            return kernel.complain("process \(process.id) got \(text.prefix(80))")
        }
        if text.hasPrefix("{\"command\":\"subscribe\"") {
            subscribe(stream)
        } else if text.hasPrefix("{\"command\":\"unsubscribe\"") {
            subscriptions[stream] = nil
        } else if text.hasPrefix("{\"command\":\"message\"") {
            act(text, stream)
        } else {
            kernel.complain("process \(process.id) got the command \(text.prefix(80))")
        }
    }

    private func subscribe(_ stream: Int) {
        let identifier = CableScenario.identifier(of: stream)
        guard subscriptions[stream] == nil else {
            return kernel.complain("process \(process.id) got a subscription of client \(client) twice")
        }
        guard stream != script.rejects else {
            return write("{\"identifier\":\(identifier),\"type\":\"reject_subscription\"}")
        }
        subscriptions[stream] = ""
        if script.greets { write("{\"identifier\":\(identifier),\"message\":{\"hello\":\(client)}}") }
        later(script.confirmsAfter) { $0.confirm(stream) }
    }

    /// Rails confirms a subscription when Redis has confirmed its own.
    private func confirm(_ stream: Int) {
        guard subscriptions[stream] == "" else { return }
        guard let channel = world.channel(of: stream, in: cable) else {
            return later(.milliseconds(100)) { $0.confirm(stream) }
        }
        subscriptions[stream] = channel
        write("{\"identifier\":\(CableScenario.identifier(of: stream)),\"type\":\"confirm_subscription\"}")
    }

    private func act(_ text: String, _ stream: Int) {
        guard let range = text.firstRange(of: "\\\"k\\\":"),
            let number = Int(text[range.upperBound...].prefix { $0.isNumber })
        else { return kernel.complain("process \(process.id) got the action \(text.prefix(80))") }
        guard process.takesAction() else { return }
        if subscriptions[stream] == nil {
            kernel.complain("action \(number) reached process \(process.id) without its subscription")
        }
        world.performed(number, of: client)
        switch number % 3 {
        case 0: break
        case 1: write("{\"identifier\":\(CableScenario.identifier(of: stream)),\"message\":{\"reply\":\(number)}}")
        default: world.broadcast(to: stream, by: self)
        }
    }

    // MARK: Messages

    /// A message of Redis, or of another client of this process.
    func heard(_ text: String, on channel: String) {
        for (stream, own) in subscriptions.sorted(by: { $0.key < $1.key }) where own == channel {
            messages.append("{\"identifier\":\(CableScenario.identifier(of: stream)),\"message\":\(text)}")
            later(script.deliversAfter) { $0.write($0.messages.removeFirst()) }
        }
    }

    func isServed(by other: VirtualActionCable) -> Bool { process === other.process && cable == other.cable }
}
