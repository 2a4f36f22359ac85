/// Commands of one client that wait for its upstream, in order.
struct CommandQueue: Equatable {
    private(set) var commands: [[UInt8]] = []

    /// A sum of at most `Limits.queuedCommands`: every client has a queue, and few have commands in it.
    var byteCount: Int { commands.reduce(0) { $0 + $1.count } }
    var isEmpty: Bool { commands.isEmpty }
    var count: Int { commands.count }

    /// False: the queue is full, and the command is not in it.
    mutating func append(_ command: [UInt8]) -> Bool {
        guard commands.count < Limits.queuedCommands, byteCount + command.count <= Limits.queuedCommandBytes else {
            return false
        }
        commands.append(command)
        return true
    }

    /// The last command that begins or ends the subscription of this identifier. Identifiers are compared as written.
    func subscriptionCommand(about identifier: JSONSlice, in text: [UInt8]) -> ActionCableSession.Command? {
        for command in commands.reversed() {
            guard let request = try? ActionCableSession.read(command.span), request.command != .message,
                command[request.identifier.range.indices] == text[identifier.range.indices]
            else { continue }
            return request.command
        }
        return nil
    }
}
