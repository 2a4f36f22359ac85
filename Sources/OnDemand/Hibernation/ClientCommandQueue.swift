/// Client commands that wait for the upstream of one client, in order.
struct ClientCommandQueue: Equatable {
    private struct Entry: Equatable {
        let text: [UInt8]
        /// What it says of which subscription; nil for a text that is no command.
        let request: ActionCableProtocol.Request?
        /// Of the identifier's content.
        let digest: UInt32
    }

    private var entries: [Entry] = []

    /// A sum of at most `Limits.queuedClientCommands`: every client has a queue, and few have commands in it.
    var byteCount: Int { entries.reduce(0) { $0 + $1.text.count } }
    var commands: [[UInt8]] { entries.map(\.text) }
    var isEmpty: Bool { entries.isEmpty }
    var count: Int { entries.count }

    /// False: the queue is full, and the command is not in it.
    mutating func append(_ command: [UInt8]) -> Bool {
        guard entries.count < Limits.queuedClientCommands,
            byteCount + command.count <= Limits.queuedClientCommandBytes
        else {
            return false
        }
        let request = try? ActionCableProtocol.read(command.span)
        let digest = request?.identifier.digest(in: command.span) ?? 0
        entries.append(Entry(text: command, request: request, digest: digest))
        return true
    }

    /// The last command that begins or ends the subscription of this identifier. Only commands with the same digest are
    /// read again: a client may repeat its subscription often.
    func subscriptionCommand(about identifier: JSONSlice, in text: [UInt8]) -> ActionCableProtocol.Command? {
        let digest = identifier.digest(in: text.span)
        for entry in entries.reversed() where entry.digest == digest {
            guard let request = entry.request, request.command != .message,
                let content = identifier.string(in: text.span),
                request.identifier.isString(content, in: entry.text.span)
            else { continue }
            return request.command
        }
        return nil
    }
}
