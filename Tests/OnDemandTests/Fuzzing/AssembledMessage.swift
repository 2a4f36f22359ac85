@testable import OnDemand

/// A message as the assembler returned it, with its payload.
enum AssembledMessage: Equatable {
    case text([UInt8])
    case binary([UInt8])
    case ping([UInt8])
    case pong
    case close(UInt16, [UInt8])

    /// Everything that arrives in these pieces, each in a buffer of its own.
    static func all(
        of pieces: [[UInt8]], by assembler: inout MessageAssembler, _ rules: MessageRules
    ) -> (messages: [AssembledMessage], violation: MessageViolation?) {
        var messages: [AssembledMessage] = []
        do throws(MessageViolation) {
            for piece in pieces {
                // Bytes before and after the piece belong to other messages: they must neither be read nor changed.
                var buffer = [0xaa] + piece + [0xbb]
                var unread = 1..<piece.count + 1
                while let message = try assembler.next(in: &buffer, &unread, rules) {
                    messages.append(Self(message, in: buffer))
                }
                precondition(unread.isEmpty && buffer.first == 0xaa && buffer.last == 0xbb, "a neighbour was changed")
            }
            return (messages, nil)
        } catch {
            return (messages, error)
        }
    }

    private init(_ message: IncomingMessage, in buffer: [UInt8]) {
        switch message {
        case .text(let content): self = .text(content.bytes(in: buffer))
        case .binary(let content): self = .binary(content.bytes(in: buffer))
        case .ping(let payload): self = .ping(payload)
        case .pong: self = .pong
        case .close(let code, let reason): self = .close(code.number, reason)
        }
    }
}
