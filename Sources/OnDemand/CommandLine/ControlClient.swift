/// The client of the control socket: sends one request and passes the response on in pieces.
///
/// It blocks while it waits.
final class ControlClient<K: Kernel> {
    enum Failure: Error, Equatable {
        /// No listener, or no permission to connect.
        case nobodyThere(Errno)
        /// No response within the timeout.
        case silent
        /// The connection ended before the response did.
        case brokeOff
        /// The response is not valid HTTP.
        case noSense
    }

    private let kernel: K
    private let descriptor: Descriptor
    private let timeout: Duration?
    /// Called at intervals of `Limits.progressPause` with the time waited.
    private let progress: ((Duration) -> Void)?
    private let began: Instant
    private var buffers = Array(repeating: UInt8(0), count: Limits.readBufferBytes)

    init(
        kernel: K, address: SocketAddress, timeout: Duration?, progress: ((Duration) -> Void)? = nil
    ) throws(Failure) {
        self.kernel = kernel
        self.timeout = timeout
        self.progress = progress
        began = kernel.now()
        switch kernel.connect(to: address) {
        case .connected(let descriptor), .inProgress(let descriptor): self.descriptor = descriptor
        case .failed(let code): throw .nobodyThere(code)
        }
        do throws(SystemError) {
            try kernel.watch(descriptor, for: .edges, as: Token(ControlToken.socket, index: 0, generation: 0))
        } catch {
            kernel.close(descriptor)
            throw .nobodyThere(error.code)
        }
    }

    deinit { kernel.close(descriptor) }

    /// Returns the status of the response. `take` gets that status and a piece of the body. If it returns false, the
    /// request ends.
    func ask(
        _ method: String, _ target: String, body: [UInt8]? = nil, take: (Int, ArraySlice<UInt8>) -> Bool
    ) throws(Failure) -> Int {
        let length = method == "POST" ? "Content-Length: \(body?.count ?? 0)\r\n" : ""
        let head = "\(method) \(target) HTTP/1.1\r\nHost: ondemandd\r\n\(length)Connection: close\r\n\r\n"
        try send(Array(head.utf8) + (body ?? []))
        return try receive(take)
    }

    private func send(_ bytes: [UInt8]) throws(Failure) {
        var rest = bytes[...]
        while !rest.isEmpty {
            switch kernel.send(Array(rest).span, to: descriptor) {
            case .bytes(let count): rest = rest.dropFirst(count)
            case .wouldBlock: try wait()
            case .failed: throw .brokeOff
            }
        }
    }

    private func receive(_ take: (Int, ArraySlice<UInt8>) -> Bool) throws(Failure) -> Int {
        var unread: [UInt8] = []
        var answer: (head: ResponseHead, body: BodyReader)?
        while true {
            guard let count = try read() else {
                guard let answer, answer.body.endsAtClose else { throw .brokeOff }
                return answer.head.status
            }
            unread += buffers[..<count]
            if answer == nil {
                answer = try Self.begin(unread)
                guard let answer else { continue }
                unread.removeFirst(answer.head.byteCount)
            }
            do throws(FramingError) {
                let taken = try answer!.body.consume(unread.span)
                guard taken == 0 || take(answer!.head.status, unread[..<taken]) else { return answer!.head.status }
            } catch { throw .noSense }
            unread = []
            if answer!.body.isFinished { return answer!.head.status }
        }
    }

    /// nil: the head is incomplete.
    private static func begin(_ bytes: [UInt8]) throws(Failure) -> (head: ResponseHead, body: BodyReader)? {
        do {
            var parser = ResponseHeadParser()
            guard let head = try parser.examine(bytes.span) else { return nil }
            return (head, BodyReader(try BodyFraming.ofResponse(head, in: bytes.span, toHeadRequest: false)))
        } catch { throw .noSense }
    }

    /// Returns the number of bytes in `buffers`. nil: the end.
    private func read() throws(Failure) -> Int? {
        while true {
            switch kernel.receive(from: descriptor, into: &buffers) {
            case .bytes(let count): return count
            case .wouldBlock: try wait()
            case .ended: return nil
            case .failed: throw .brokeOff
            }
        }
    }

    private func wait() throws(Failure) {
        let end = timeout.map { kernel.now() + $0 }
        while true {
            let nextProgress = progress.map { _ in kernel.now() + Limits.progressPause }
            if kernel.wait(until: [end, nextProgress].compactMap { $0 }.min()) > 0 { return }
            if let end, kernel.now() >= end { throw .silent }
            progress?(kernel.now() - began)
        }
    }
}

extension ControlClient.Failure {
    /// The message for the operator, with the socket.
    func sentence(_ address: SocketAddress) -> String {
        switch self {
        case .nobodyThere(.permissionDenied): "control socket \(address): permission denied"
        case .nobodyThere(let code) where address == ControlAddress.usual:
            """
            no daemon answers at \(address): \(code)
            Select the daemon with --config FILE, --control unix:PATH or the variable \
            \(ControlAddress.variable).
            """
        case .nobodyThere(let code): "no daemon answers at \(address): \(code)"
        case .silent: "the daemon at \(address) timed out"
        case .brokeOff: "the daemon at \(address) closed the connection before its response"
        case .noSense: "invalid response at \(address): not ondemandd"
        }
    }
}

/// The socket of the control client.
enum ControlToken: UInt8, OwnedKind {
    case socket

    static var owner: Owner { .control }
}

extension Owner {
    static var control: Owner { Owner(number: 15) }
}
