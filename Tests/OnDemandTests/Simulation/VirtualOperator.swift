@testable import OnDemand

/// An operator at the control socket: requests one operation and waits for its result.
final class VirtualOperator: SocketOwner {
    let name: String
    let service: Int
    let operation: BackendOperation
    /// Services whose clients may be affected: this one, and those that require it.
    private let affected: [Int]
    private(set) var hasArrived = false
    private(set) var wasRefused = false
    private(set) var heard: [UInt8] = []
    private(set) var isOver = false
    private unowned let kernel: SimulatedKernel
    private var socket: SimulatedSocket?
    private var unsaid: ArraySlice<UInt8>

    init(number: Int, service: Int, operation: BackendOperation, affected: [Int], kernel: SimulatedKernel) {
        name = "operator \(number)"
        (self.service, self.operation, self.affected, self.kernel) = (service, operation, affected, kernel)
        let target = "/v1/services/s\(service)/\(operation.rawValue)"
        unsaid = Array("POST \(target) HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)[...]
    }

    var text: String { String(decoding: heard, as: UTF8.self) }

    /// nil before the response.
    var status: Int? {
        let words = text.prefix { $0 != "\r\n" }.split(separator: " ")
        return words.count > 1 ? Int(words[1]) : nil
    }

    func arrive() {
        hasArrived = true
        if [.stop, .restart, .disable].contains(operation) {
            kernel.obeysOperator = true
            for other in affected {
                kernel.troubles.begin(.operator, of: other, at: kernel.clock)
            }
        }
        kernel.trace.note("\(name) wants service \(service) to \(operation)", at: kernel.clock)
        socket = kernel.connectClient(to: Scenario.controlAddress, owner: self)
        wasRefused = socket == nil
        speak()
    }

    private func speak() {
        while let socket, !unsaid.isEmpty {
            guard case .bytes(let count) = socket.send(unsaid), count > 0 else { return }
            unsaid = unsaid.dropFirst(count)
        }
    }

    func inspect(_ socket: SimulatedSocket) {
        guard !isOver else { return }
        while socket.queueLength > 0 { heard += socket.take(.max) }
        if socket.peerHasEnded || socket.isReset {
            isOver = true
            self.socket = nil
            socket.close()
        } else {
            speak()
        }
    }
}
