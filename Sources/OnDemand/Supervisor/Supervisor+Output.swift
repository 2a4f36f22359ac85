/// What children print becomes log lines; nothing they do with their pipes can block them or us.
extension Supervisor {
    func outputReady(_ token: Token) {
        guard let backend = backends[BackendID(index: token.index)], backend.child != nil,
            backend.machine.generation.number & 0xff_ffff == token.generation
        else { return }
        let path = Self.pipe(of: token)
        defer { childPrinted(backend) }
        for _ in 0..<Limits.outputReadsPerTurn {
            guard readOutput(of: backend, path) else { return }
        }
    }

    private typealias PipePath = WritableKeyPath<SupervisedBackend.Child, SupervisedBackend.OutputPipe>

    private static func pipe(of token: Token) -> PipePath { token.role == .childErrors ? \.errors : \.output }

    /// One read; false when there is nothing more for now.
    private func readOutput(of backend: SupervisedBackend, _ path: PipePath) -> Bool {
        guard let descriptor = backend.child?[keyPath: path].descriptor else { return false }
        switch kernel.read(fromPipe: descriptor, into: &scratch) {
        case .bytes(let count):
            let lines = backend.child?[keyPath: path].lines.take(scratch.span.extracting(0..<count)) ?? []
            for line in lines { record(line, of: backend, path) }
            return count == scratch.count
        case .wouldBlock:
            return false
        case .ended, .failed:
            closePipe(of: backend, path)
            return false
        }
    }

    private func record(_ line: String, of backend: SupervisedBackend, _ path: PipePath) {
        let stream = path == \.errors ? "stderr" : "stdout"
        log(.output, LogField("service", backend.name), LogField("stream", stream), LogField("line", line))
        let clock = kernel.wallClock()
        let time = TimeText.utc(seconds: clock.seconds, nanoseconds: clock.nanoseconds)
        let record = "\(time) \(stream) \(line.withoutControls)\n"
        backend.tail.add(record)
        answers.post(.printed(backend.id, record))
    }

    private func closePipe(of backend: SupervisedBackend, _ path: PipePath) {
        guard let descriptor = backend.child?[keyPath: path].descriptor else { return }
        kernel.close(descriptor)
        backend.child?[keyPath: path].descriptor = nil
        if let rest = backend.child?[keyPath: path].lines.takeRest() { record(rest, of: backend, path) }
    }

    /// The group is gone; whoever else still holds its pipes is not waited for.
    func closeOutput(of backend: SupervisedBackend) {
        drainOutput(of: backend)
        closePipe(of: backend, \.output)
        closePipe(of: backend, \.errors)
    }

    /// What a process printed last belongs in the log before the word that it ended.
    func drainOutput(of backend: SupervisedBackend) {
        for path: PipePath in [\.output, \.errors] {
            for _ in 0..<Limits.outputReadsAtEnd {
                guard readOutput(of: backend, path) else { break }
            }
        }
    }
}
