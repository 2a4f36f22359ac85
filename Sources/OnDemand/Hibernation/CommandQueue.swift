/// Commands of one client that wait for its upstream, in order.
struct CommandQueue: Equatable {
    private(set) var commands: [[UInt8]] = []
    /// What they are about, in the same order: a client may repeat a command while many are queued.
    private var subjects: [Subject?] = []
    private(set) var byteCount = 0

    var isEmpty: Bool { commands.isEmpty }
    var count: Int { commands.count }

    /// False: the queue is full, and the command is not in it.
    mutating func append(_ command: [UInt8]) -> Bool {
        guard commands.count < Limits.queuedCommands, byteCount + command.count <= Limits.queuedCommandBytes else {
            return false
        }
        commands.append(command)
        subjects.append(
            (try? ActionCableSession.read(command.span)).map {
                Subject(command: $0.command, identifier: $0.identifier.range)
            })
        byteCount += command.count
        return true
    }

    /// The last command that begins or ends the subscription of this identifier. Identifiers are compared as written.
    func subscriptionCommand(about identifier: JSONSlice, in text: [UInt8]) -> ActionCableSession.Command? {
        for (command, subject) in zip(commands, subjects).reversed() {
            guard let subject, subject.command != .message,
                command[subject.identifier.indices] == text[identifier.range.indices]
            else { continue }
            return subject.command
        }
        return nil
    }

    private struct Subject: Equatable {
        let command: ActionCableSession.Command
        let identifier: ByteRange
    }
}
