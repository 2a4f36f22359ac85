/// A client's connection while it speaks HTTP: its machine, its sockets, and what it holds.
///
/// It ends with the connection, or when the connection becomes a tunnel or a cable session: then the sockets move
/// to the relay or to the cable server.
final class HTTPSession {
    /// Purpose of the listener that accepted the connection.
    let purpose: ListenerSpec.Purpose
    /// Names the client's socket. Its index is that of the connection's slot.
    let token: Token
    /// Where it comes from, and where it is counted.
    var admission: Admission
    private var state: State
    /// The generation of the backend that the request uses. nil: none.
    var lease: Lease?
    /// The generation of the lease has ended. The rest of the response may still be read.
    var hasGenerationEnded = false
    /// The generation that the idle upstream belongs to. No lease is held. nil: no idle upstream.
    var idleUpstream: Lease?
    /// The ticket of a queued request. nil: not queued.
    var ticket: (number: Ticket, backend: BackendID)?
    /// How often its steps were run in `turn`.
    private var runs = 0
    private var turn: UInt64 = 0

    /// What each step needs, in one value: one exclusivity check covers it.
    private struct State {
        var machine: ExchangeMachine
        var client: ConnectedSocket
        var upstream: ConnectedSocket?
        /// The armed deadline. nil: none.
        var armed: ArmedDeadline?
    }

    struct ArmedDeadline: Equatable {
        let deadline: ExchangeMachine.Deadline
        let request: Int
        /// Bytes moved when the deadline was armed. A header timeout ignores it.
        let moved: Int
    }

    enum DeadlineChange {
        case none
        case arm(after: Duration)
        case disarm
    }

    init(
        machine: consuming ExchangeMachine, purpose: ListenerSpec.Purpose, client: Descriptor, token: Token,
        _ admission: Admission
    ) {
        self.purpose = purpose
        self.token = token
        self.admission = admission
        state = State(machine: machine, client: ConnectedSocket(descriptor: client))
    }

    /// False: the session has run often enough in this turn. Each reply of another driver runs it, and the run may
    /// find the next request of a pipeline, which causes the next reply.
    func mayRun(in turn: UInt64) -> Bool {
        if turn != self.turn { (self.turn, runs) = (turn, 0) }
        runs += 1
        return runs <= Limits.runsPerTurn
    }

    // MARK: The machine

    var machine: ExchangeMachine {
        _read { yield state.machine }
        _modify { yield &state.machine }
    }

    /// Returns the next step, and whether a local reply is still to be logged.
    func next() -> (step: ExchangeMachine.Step, hasLocalReply: Bool) { Self.next(&state) }

    /// Notes the deadline that applies now as the armed one.
    func updateDeadline() -> DeadlineChange { Self.updateDeadline(&state) }

    /// The timer has fired. Returns the deadline that it was armed for.
    func takeArmedDeadline() -> ArmedDeadline? {
        defer { state.armed = nil }
        return state.armed
    }

    /// Whether this is the first response of this generation of the backend.
    var provesBackend: Bool { Self.provesBackend(&state.machine) }

    // Static functions with `inout` avoid a copy of the machine, and a retain of its contents, at every step.

    private static func next(_ state: inout State) -> (step: ExchangeMachine.Step, hasLocalReply: Bool) {
        let upstream = state.upstream?.readiness ?? []
        return (
            state.machine.next(client: state.client.readiness, upstream: upstream), state.machine.hasLocalReply
        )
    }

    private static func provesBackend(_ machine: inout ExchangeMachine) -> Bool { machine.provesBackend }

    private static func updateDeadline(_ state: inout State) -> DeadlineChange {
        let wanted = wanted(&state.machine, state.client.readiness)
        guard wanted != state.armed else { return .none }
        state.armed = wanted
        guard let wanted else { return .disarm }
        return .arm(after: state.machine.limit(of: wanted.deadline))
    }

    private static func wanted(_ machine: inout ExchangeMachine, _ client: Readiness) -> ArmedDeadline? {
        guard let deadline = machine.deadline(client: client) else { return nil }
        return ArmedDeadline(deadline: deadline, request: machine.requestCount, moved: machine.moved)
    }

    // MARK: Sockets

    var client: ConnectedSocket { state.client }

    var upstream: ConnectedSocket? {
        get { state.upstream }
        set { state.upstream = newValue }
    }

    /// Returns false for a token of an earlier connection or upstream.
    func learn(_ readiness: Readiness, for token: Token) -> Bool {
        switch ConnectionToken(token) {
        case .client:
            guard token == self.token else { return false }
            state.client.learn(readiness)
            return true
        case .upstream: return Self.learn(readiness, &state.upstream, number: token.generation)
        }
    }

    private static func learn(_ readiness: Readiness, _ upstream: inout ConnectedSocket?, number: UInt32) -> Bool {
        guard upstream?.number == number else { return false }
        upstream?.learn(readiness)
        return true
    }

    func receiveFromClient(into buffer: inout [UInt8], through kernel: some Kernel) -> ReadResult {
        Self.receive(from: &state.client, into: &buffer, through: kernel)
    }

    func receiveFromUpstream(into buffer: inout [UInt8], through kernel: some Kernel) -> ReadResult {
        Self.receive(from: &state.upstream, into: &buffer, through: kernel)
    }

    private static func receive(
        from upstream: inout ConnectedSocket?, into buffer: inout [UInt8], through kernel: some Kernel
    ) -> ReadResult {
        guard upstream != nil else { preconditionFailure("there is no backend to read from") }
        return receive(from: &upstream!, into: &buffer, through: kernel)
    }

    private static func receive(
        from socket: inout ConnectedSocket, into buffer: inout [UInt8], through kernel: some Kernel
    ) -> ReadResult {
        let result = kernel.receive(from: socket.descriptor, into: &buffer)
        switch result {
        case .bytes(let count): socket.recordRead(count, of: buffer.count)
        case .wouldBlock: socket.readiness.remove(.readable)
        case .ended, .failed: break
        }
        return result
    }

    /// Returns the number of bytes written. nil: the connection is broken.
    func sendToClient(_ queue: ByteQueue, through kernel: some Kernel) -> Int? {
        Self.send(queue, to: &state.client, through: kernel)
    }

    func sendToUpstream(_ queue: ByteQueue, through kernel: some Kernel) -> Int? {
        Self.send(queue, to: &state.upstream, through: kernel)
    }

    private static func send(
        _ queue: ByteQueue, to upstream: inout ConnectedSocket?, through kernel: some Kernel
    ) -> Int? {
        guard upstream != nil else { preconditionFailure("there is no backend to send to") }
        return send(queue, to: &upstream!, through: kernel)
    }

    private static func send(
        _ queue: ByteQueue, to socket: inout ConnectedSocket, through kernel: some Kernel
    ) -> Int? {
        let result = queue.withSpan { kernel.send($0, to: socket.descriptor) }
        return socket.note(result, of: queue.count)
    }
}
