/// What a TurboCable client's message asks for, and what follows from it.
///
/// | message | not subscribed | subscribed |
/// |---|---|---|
/// | subscribe | public: subscribe; else, or over the limit: ignore | confirm again |
/// | unsubscribe | ignore | unsubscribe |
/// | pong | ignore | ignore |
///
/// The protocol has no rejection and no acknowledgement of `unsubscribe`. A duplicate is confirmed again and delivered
/// once. Any frame renews the client's deadline: the caller knows the time.
enum TurboCableProtocol {
    enum Command: UInt8, CaseIterable, Sendable { case subscribe, unsubscribe }

    /// A message of a client: `stream` is a JSON string inside it.
    struct Request: Equatable {
        let command: Command
        let stream: JSONSlice
    }

    enum Step: Equatable {
        case confirm
        case subscribe
        case unsubscribe
        case ignore(IgnoredReason)
    }

    private static let keys = JSONKeys<2>(["type", "stream"])

    static func read(_ text: Span<UInt8>) throws(IgnoredReason) -> Request {
        let values: InlineArray<2, JSONSlice?>
        do throws(JSONScanError) {
            values = try keys.values(of: text)
        } catch {
            throw .malformed
        }
        guard let word = values[0] else { throw .unknownCommand }
        guard !word.isString(pong, in: text) else { throw .pong }
        guard let command = Command.allCases.first(where: { word.isString(name(of: $0), in: text) }) else {
            throw .unknownCommand
        }
        guard let stream = values[1], stream.kind == .string, stream.range.count > 2 else { throw .noIdentifier }
        return Request(command: command, stream: stream)
    }

    static func step(
        for command: Command, _ state: ActionCableProtocol.SubscriptionState, isFull: Bool, isPublic: () -> Bool
    ) -> Step {
        switch (command, state) {
        case (.subscribe, .notSubscribed):
            guard isPublic() else { return .ignore(.notAllowed) }
            return isFull ? .ignore(.tooMany) : .subscribe
        case (.subscribe, .pending): return .ignore(.alreadyPending)
        case (.subscribe, .confirmed): return .confirm
        // A TurboCable client has no subscriptions at the backend.
        case (.subscribe, .relayed), (.unsubscribe, .relayed): return .ignore(.notSubscribed)
        case (.unsubscribe, .pending), (.unsubscribe, .confirmed): return .unsubscribe
        case (.unsubscribe, .notSubscribed): return .ignore(.notSubscribed)
        }
    }

    private static let pong = Array("pong".utf8)
    private static let names = Command.allCases.map { Array("\($0)".utf8) }
    private static func name(of command: Command) -> [UInt8] { names[Int(command.rawValue)] }
}
