@testable import OnDemand

/// The socket calls, and the operations of clients and backends on their own ends.
extension SimulatedKernel {
    // MARK: Descriptors

    /// Returns the file of a descriptor; records a violation if there is none.
    func file(_ descriptor: Descriptor, _ verb: String) -> File? {
        if let file = files[descriptor.raw] { return file }
        complain("\(verb) on descriptor \(descriptor.raw), which is closed")
        return nil
    }

    private func socket(_ descriptor: Descriptor, _ verb: String) -> SimulatedSocket? {
        guard let file = file(descriptor, verb) else { return nil }
        if case .socket(let socket) = file { return socket }
        complain("\(verb) on descriptor \(descriptor.raw), which is no connection")
        return nil
    }

    var hasRoom: Bool { files.count < descriptorLimit }

    /// The lowest free number, so that a stale use soon hits another file.
    func insert(_ file: File) -> Descriptor {
        var raw: Int32 = 3
        while files[raw] != nil { raw += 1 }
        files[raw] = file
        if case .socket(let socket) = file { socket.descriptor = raw }
        return Descriptor(raw: raw)
    }

    func reset(_ descriptor: Descriptor) {
        if let first { return first.reset(descriptor) }
        if case .socket(let socket)? = files[descriptor.raw] { socket.reset() }
        close(descriptor)
    }

    func close(_ descriptor: Descriptor) {
        if let first { return first.close(descriptor) }
        guard let file = file(descriptor, "close") else { return }
        trace.note("close", Int(descriptor.raw), at: clock)
        progressed()
        forget(descriptor.raw)
        files[descriptor.raw] = nil
        switch file {
        case .socket(let socket): socket.close()
        case .listener(let listener):
            listener.close()
            listeners[listener.address] = nil
        case .pipe(let pipe): pipe.isClosed = true
        case .notify(let socket): notifySockets[socket.name] = nil
        case .guardChannel(let guardian): guardChannelClosed(guardian)
        case .signals, .wakeup, .logFile: break
        }
    }

    func listenForChild(
        at address: SocketAddress
    ) throws(SystemError) -> (descriptor: Descriptor, address: SocketAddress) {
        let listening = try listen(at: address.port == 0 ? freeAddress(at: address) : address)
        listeners[listening.address]?.isForChild = true
        return listening
    }

    func drainAcceptQueue(of listener: Descriptor, limit: Int) {
        guard case .listener(let listener) = file(listener, "forgetQueue") else { return }
        progressed()
        if listener.process?.isRunning == true { complain("a queue is emptied under process \(listener.process!.id)") }
        let forgotten = listener.queue.prefix(limit)
        listener.queue.removeFirst(forgotten.count)
        for socket in forgotten { socket.close() }
    }

    func freeAddress(at address: SocketAddress) throws(SystemError) -> SocketAddress {
        guard !fails("freeAddress") else {
            throw SystemError(call: "socket", code: .tooManyFiles, subject: "\(address)")
        }
        while true {
            let chosen = address.with(port: UInt16(40_000 + dice.below(20)))
            if listeners[chosen] == nil { return chosen }
        }
    }

    func removeStaleSocket(at address: SocketAddress) {}

    func listeningAddresses(ofTreeOf leader: ProcessID, atMost limit: Int) -> [SocketAddress] {
        let tree = children.tree(of: leader)
        return Array(tree.compactMap { $0.listener?.address }.prefix(limit))
    }

    func hasTimeWait(at address: SocketAddress) -> Bool { false }

    func stopListening(_ listener: Descriptor, at address: SocketAddress) { close(listener) }

    // MARK: Responses

    func listen(at address: SocketAddress, privately: Bool) throws(SystemError) -> (
        descriptor: Descriptor, address: SocketAddress
    ) {
        guard !fails("listen") else {
            throw SystemError(call: "socket", code: failure(.tooManyFiles), subject: "\(address)")
        }
        guard listeners[address] == nil else {
            throw SystemError(call: "bind", code: .addressInUse, subject: "\(address)")
        }
        let listener = SimulatedListener(address: address)
        listeners[address] = listener
        let descriptor = insert(.listener(listener))
        listener.descriptor = descriptor.raw
        return (descriptor, address)
    }

    func accept(from descriptor: Descriptor) -> AcceptResult {
        guard case .listener(let listener) = file(descriptor, "accept") else { return .failed(.badDescriptor) }
        guard !listener.isShutDown else { return .ended }
        guard !listener.queue.isEmpty else { return .wouldBlock }
        guard hasRoom, !fails("accept"), !dice.chance(faults.failingAccepts) else {
            hasLackedDescriptors = true
            return .failed(failure(.tooManyFiles))
        }
        let socket = listener.queue.removeFirst()
        let peer = SocketAddress.ipv4(octets: [192, 0, 2, UInt8(1 + dice.below(200))], port: 40_000)
        let accepted = insert(.socket(socket))
        progressed()
        trace.note("accept", Int(accepted.raw), at: clock)
        return .accepted(accepted, from: peer)
    }

    // MARK: Connecting

    func connect(to address: SocketAddress) -> ConnectResult {
        progressed()
        let service = children.service(at: address)
        guard hasRoom, !fails("connect") else {
            note(.exhaustion, of: service)
            hasLackedDescriptors = true
            return .failed(failure(.tooManyFiles))
        }
        let listener = listeners[address]
        if let process = listener?.process { children.judgeConnection(to: process, self) }
        let isRefused = listener == nil || listener?.isForeign == false && dice.chance(faults.refusedConnects)
        if isRefused, listener != nil { note(.refusedConnection, of: service) }
        if isRefused, !dice.chance(faults.pendingConnects) { return .failed(.connectionRefused) }
        if !isRefused, listener?.isForeign == false, dice.chance(faults.fullQueues) { return .failed(.tryAgain) }
        let (ours, theirs) = SimulatedSocket.pair(self)
        let descriptor = insert(.socket(ours))
        trace.note("connect", Int(descriptor.raw), at: clock)
        if !isRefused, !dice.chance(faults.pendingConnects), deliver(theirs, to: listener) {
            return .connected(descriptor)
        }
        ours.stage = .connecting
        decideLater(ours, theirs, address, isRefused: isRefused)
        return .inProgress(descriptor)
    }

    func isOwnListener(_ address: SocketAddress) -> Bool {
        guard address.port != nil else { return listeners[address]?.isOwn == true }
        return listeners.values.contains { listener in
            listener.isOwn && ListenerAddress(listener.address)?.reach(from: address) == .always
        }
    }

    func connectProbe(at address: SocketAddress) -> ConnectResult { connect(to: address) }

    func lookUpSocket(at address: SocketAddress, forTreeOf leader: ProcessID) -> SocketLookup {
        progressed()
        trace.note("look", Int(leader.number), at: clock)
        if dice.chance(faults.silentLooks) { return .unsupported }
        guard let listener = listeners[address], !dice.chance(faults.missedLooks) else { return .noListener }
        guard listener.queue.count < listener.limit else { return .unsupported }
        return self.listener(at: address, accepting: nil, belongsToTreeOf: leader)
    }

    /// Queues the end at a listener; returns false when the queue is full and the attempt has to wait.
    private func deliver(_ end: SimulatedSocket, to listener: SimulatedListener?) -> Bool {
        guard let listener, !listener.isClosed, listener.queue.count < listener.limit else { return false }
        listener.queue.append(end)
        listener.process?.acceptLater()
        listener.acceptLater?()
        return true
    }

    private func decideLater(
        _ ours: SimulatedSocket, _ theirs: SimulatedSocket, _ address: SocketAddress, isRefused: Bool, attempt: Int = 0
    ) {
        scenario(after: attempt == 0 ? drawLatency() : .milliseconds(200)) { [weak self, weak ours] in
            // Closed in the meantime: the connect is obsolete.
            guard let self, let ours, ours.descriptor != nil else { return }
            let listener = self.listeners[address]
            if isRefused || listener == nil { return ours.decide(.refused, error: .connectionRefused) }
            ours.stage = .connected
            if self.deliver(theirs, to: listener) { return ours.decide(.connected) }
            ours.stage = .connecting  // Its queue is full: retried until the connect times out (tcp(7)).
            self.decideLater(ours, theirs, address, isRefused: false, attempt: attempt + 1)
        }
    }

    func connectFailure(of descriptor: Descriptor) -> Errno? {
        guard let socket = socket(descriptor, "connectFailure") else { return .badDescriptor }
        if fails("connectFailure") {
            noteOfAll(.failingCall)
            socket.reset()
            return failure(.timedOut)
        }
        if socket.stage == .connecting {
            complain("descriptor \(descriptor.raw) was asked how its connection ended while it is on its way")
        }
        return socket.takeError()
    }

    // MARK: Bytes

    func receive(from descriptor: Descriptor, into buffer: inout [UInt8], atMost most: Int) -> ReadResult {
        if let first { return first.receive(from: descriptor, into: &buffer, atMost: most) }
        guard let socket = socket(descriptor, "receive") else { return .failed(.badDescriptor) }
        if breaks(socket, "receive") { return .failed(.connectionReset) }
        guard socket.queueLength > 0 else {
            let result = socket.resultWithoutBytes()
            if result != .wouldBlock { progressed() }
            trace.note("receive", Int(descriptor.raw), -1, at: clock)
            return result
        }
        if dice.chance(faults.stalls) {
            edgeLater(socket)
            return .wouldBlock
        }
        let room = min(buffer.count, most)
        var limit = room
        if dice.chance(faults.partialReads) {
            limit = min(limit, dice.number(in: 1...max(1, min(limit, socket.queueLength))))
        }
        let bytes = socket.take(limit)
        Self.copy(bytes, to: &buffer)
        // After a short read, the remaining bytes count as new and cause an event (epoll(7)).
        if socket.queueLength > 0, bytes.count < room { edge(on: socket) }
        progressed()
        trace.note("receive", Int(descriptor.raw), bytes.count, at: clock)
        return .bytes(bytes.count)
    }

    func send(_ bytes: Span<UInt8>, to descriptor: Descriptor) -> WriteResult {
        if let first { return first.send(bytes, to: descriptor) }
        guard let socket = socket(descriptor, "send") else { return .failed(.badDescriptor) }
        clock = clock + faults.sendTime
        if breaks(socket, "send") { return .failed(.brokenPipe) }
        if dice.chance(faults.stalls) {
            socket.pretendFull(for: dice.duration(.microseconds(50) ... .milliseconds(2)))
            return .wouldBlock
        }
        var count = bytes.count
        let isCut = count > 1 && dice.chance(faults.partialWrites)
        if isCut { count = dice.number(in: 1...(count - 1)) }
        var copy: [UInt8] = []
        unsafe bytes.extracting(0..<count).withUnsafeBufferPointer { unsafe copy.append(contentsOf: $0) }
        let result = socket.send(copy[...])
        if isCut, result == .bytes(count) { socket.pretendFull(for: .microseconds(100)) }
        if result != .wouldBlock { progressed() }
        if case .bytes(let sent) = result { trace.note("send", Int(descriptor.raw), sent, at: clock) }
        return result
    }

    func roomToSend(on descriptor: Descriptor) -> Int {
        if let first { return first.roomToSend(on: descriptor) }
        // Linux counts memory and not bytes, and the value changes in the meantime: it is approximate.
        return (socket(descriptor, "roomToSend")?.roomToSend ?? 0) * dice.number(in: 3...5) / 4
    }

    /// A peer's system accepts all bytes at once, unless the peer is gone.
    func undeliveredBytes(to descriptor: Descriptor) -> Int {
        socket(descriptor, "undeliveredBytes")?.hasSpokenToNobody == true ? 1 : 0
    }

    func endSending(on descriptor: Descriptor) {
        if let first { return first.endSending(on: descriptor) }
        guard let socket = socket(descriptor, "endSending") else { return }
        trace.note("end", Int(descriptor.raw), at: clock)
        progressed()
        socket.end()
    }

    private func edgeLater(_ socket: SimulatedSocket) {
        scenario(after: dice.duration(.microseconds(50) ... .milliseconds(2))) { [weak self] in self?.edge(on: socket) }
    }

    /// A failing call on a healthy connection breaks it for its peer, too.
    private func breaks(_ socket: SimulatedSocket, _ verb: String) -> Bool {
        guard fails(verb) else { return false }
        noteOfAll(.failingCall)
        socket.reset()
        return true
    }

    static func copy(_ bytes: ArraySlice<UInt8>, to buffer: inout [UInt8]) {
        unsafe buffer.withUnsafeMutableBytes { target in unsafe target.copyBytes(from: bytes) }
    }

    // MARK: Clients

    /// Returns a client's end of a new connection; nil when no listener exists.
    func connectClient(to address: SocketAddress, owner: any SocketOwner) -> SimulatedSocket? {
        guard let listener = listeners[address], listener.queue.count < listener.limit else { return nil }
        let (ours, theirs) = SimulatedSocket.pair(self)
        ours.owner = owner
        listener.queue.append(theirs)
        return ours
    }
}
