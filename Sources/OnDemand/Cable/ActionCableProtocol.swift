/// What an Action Cable client's message asks for, and what follows from it.
///
/// There is no state: a client's subscriptions are in `StreamTable`, and everything else follows from the message. So a
/// step is a function of values: `read` finds command and identifier, the caller looks up where the identifier *stands*
/// with this client, and `step` decides.
///
/// | command | not subscribed | pending | confirmed | relayed |
/// |---|---|---|---|---|
/// | subscribe | resolved: subscribe, forward or reject; over the limit: reject | ignore | confirm again | forward |
/// | unsubscribe | forward if there is a backend, else ignore | unsubscribe | unsubscribe | forward |
/// | message | forward if there is a backend, else ignore | ignore | ignore | forward |
///
/// *Relayed* is a subscription of the backend whose streams the cable delivers while the backend sleeps.
/// *Pending* is a subscription whose stream the source (Redis) has not confirmed yet: its confirmation follows.
/// A duplicate subscription is confirmed again, because Rails' client repeats a subscription until it is confirmed. It
/// is delivered once, because nothing is added. A message on a subscription that the cable serves has no receiver.
///
/// An identifier is an opaque JSON string. It is echoed as the client wrote it.
enum ActionCableProtocol {
    enum Command: UInt8, CaseIterable, Sendable {
        case subscribe, unsubscribe, message
    }

    /// A message of a client: `identifier` is a JSON string inside it.
    struct Request: Equatable {
        let command: Command
        let identifier: JSONSlice
    }

    /// Where an identifier stands with its client.
    enum SubscriptionState: CaseIterable, Sendable { case notSubscribed, pending, confirmed, relayed }

    enum Step: Equatable {
        case confirm
        case reject(RejectionReason)
        case subscribe(stream: [UInt8])
        case unsubscribe
        /// To the backend, unchanged.
        case forward
        case ignore(IgnoredReason)
    }

    private static let keys = JSONKeys<2>(["command", "identifier"])

    /// Malformed messages and unknown commands never end a connection. They are counted.
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
        guard let identifier = values[1], identifier.kind == .string else { throw .noIdentifier }
        return Request(command: command, identifier: identifier)
    }

    /// `resolve` is asked only for a new subscription.
    static func step(
        for command: Command, _ state: SubscriptionState, isFull: Bool, hasBackend: Bool,
        resolve: () -> SubscriptionResolver.Outcome
    ) -> Step {
        switch (command, state) {
        case (.subscribe, .notSubscribed):
            guard !isFull else { return .reject(.tooManySubscriptions) }
            switch resolve() {
            case .stream(let name): return .subscribe(stream: name)
            case .forward: return .forward
            case .reject(let reason): return .reject(reason)
            }
        case (.subscribe, .relayed), (.unsubscribe, .relayed), (.message, .relayed): return .forward
        case (.subscribe, .pending): return .ignore(.alreadyPending)
        case (.subscribe, .confirmed): return .confirm
        case (.unsubscribe, .pending), (.unsubscribe, .confirmed): return .unsubscribe
        case (.unsubscribe, .notSubscribed), (.message, .notSubscribed):
            return hasBackend ? .forward : .ignore(.notSubscribed)
        case (.message, .pending), (.message, .confirmed): return .ignore(.actionOnStream)
        }
    }

    private static let pong = Array("pong".utf8)
    private static let names = Command.allCases.map { Array("\($0)".utf8) }
    private static func name(of command: Command) -> [UInt8] { names[Int(command.rawValue)] }
}

/// Why a message of a client has no effect.
enum IgnoredReason: UInt8, Error, CaseIterable, Sendable {
    /// Not a JSON object.
    case malformed
    case unknownCommand
    case noIdentifier
    case notSubscribed
    case alreadyPending
    /// An action on a subscription that the cable serves.
    case actionOnStream
    /// A binary message.
    case binary
    /// TurboCable has no rejection: not public.
    case notAllowed
    /// TurboCable has no rejection: over the limit.
    case tooMany
    /// A sign of life, not an error.
    case pong
}

/// Why a subscription is rejected.
enum RejectionReason: UInt8, CaseIterable, Sendable {
    /// The identifier is not a JSON object with a channel, or has no stream where one is needed.
    case malformedIdentifier
    case notPublic
    case invalidSignature
    /// No stream, and no backend that could know the channel.
    case unknownChannel
    case tooManySubscriptions
    case identifierTooLong
}
