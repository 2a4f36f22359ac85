/// Commands of one client that wait for its upstream, in order.
struct CommandQueue: Equatable {
    private(set) var commands: [[UInt8]] = []
    private(set) var byteCount = 0

    var isEmpty: Bool { commands.isEmpty }
    var count: Int { commands.count }

    /// False: the queue is full, and the command is not in it.
    mutating func append(_ command: [UInt8]) -> Bool {
        guard commands.count < Limits.queuedCommands, byteCount + command.count <= Limits.queuedCommandBytes else {
            return false
        }
        commands.append(command)
        byteCount += command.count
        return true
    }

    /// Whether the last queued command about this identifier ends its subscription.
    func unsubscribes(from identifier: JSONSlice, in text: [UInt8]) -> Bool {
        last(about: identifier, in: text).map { $0.command == .unsubscribe } ?? false
    }

    /// Whether the last queued subscription command about this identifier is this one.
    func subscribes(with command: [UInt8], to identifier: JSONSlice) -> Bool {
        last(about: identifier, in: command).map { $0.command == .subscribe } ?? false
    }

    /// The last command that begins or ends a subscription of this identifier. Identifiers are compared as written.
    private func last(about identifier: JSONSlice, in text: [UInt8]) -> ActionCableSession.Request? {
        for command in commands.reversed() {
            guard let request = try? ActionCableSession.read(command.span), request.command != .message,
                command[request.identifier.range.indices] == text[identifier.range.indices]
            else { continue }
            return request
        }
        return nil
    }
}
