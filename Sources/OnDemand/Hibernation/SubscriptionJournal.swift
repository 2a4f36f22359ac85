/// The subscriptions that one client has at the backend, in the order in which it made them: what is needed to make
/// them again.
///
/// An identifier is an opaque JSON string. It is kept as the client wrote it and compared by its content, because
/// servers escape more characters than clients do.
struct SubscriptionJournal {
    enum Progress: Equatable {
        /// The client's command was sent, and the backend has not answered.
        case requested
        case confirmed
        /// Sent again after a sleep; the confirmation is not for the client.
        case replayed
    }

    struct Subscription: Equatable {
        /// The JSON string, quotes included.
        let identifier: [UInt8]
        var progress: Progress
        /// An action was performed that may have left state behind.
        var hasState = false
        /// The cable was asked to listen to its streams.
        var isListened = false
        /// Of the identifier's content.
        let digest: UInt32
        var properties: BackendChannels.Properties

        init(identifier: [UInt8], progress: Progress, properties: BackendChannels.Properties) {
            self.identifier = identifier
            self.progress = progress
            self.properties = properties
            digest = (try? JSONScanner.value(of: identifier.span))?.digest(in: identifier.span) ?? 0
        }

        /// A new subscription restores everything that this one has.
        var isRestorable: Bool { progress == .confirmed && properties.isReplayable && !hasState }
    }

    private(set) var subscriptions: [Subscription] = []

    var count: Int { subscriptions.count }
    var isEmpty: Bool { subscriptions.isEmpty }
    /// Nothing is outstanding, and a new connection restores everything.
    var isRestorable: Bool { subscriptions.allSatisfy(\.isRestorable) }

    subscript(index: Int) -> Subscription {
        get { subscriptions[index] }
        set { subscriptions[index] = newValue }
    }

    var indices: Range<Int> { subscriptions.indices }

    /// The position of an identifier that stands in `text`. Only subscriptions with the same digest are read: a client
    /// may have many with long identifiers, and send many short messages.
    func index(of identifier: JSONSlice, in text: Span<UInt8>) -> Int? {
        guard !subscriptions.isEmpty, identifier.kind == .string else { return nil }
        let digest = identifier.digest(in: text)
        let written = text.extracting(identifier.range.indices)
        return subscriptions.firstIndex { subscription in
            guard subscription.digest == digest else { return false }
            guard !Self.isSame(subscription.identifier, written) else { return true }
            guard let content = identifier.string(in: text),
                let value = try? JSONScanner.value(of: subscription.identifier.span)
            else { return false }
            return value.isString(content, in: subscription.identifier.span)
        }
    }

    mutating func append(_ subscription: Subscription) { subscriptions.append(subscription) }

    mutating func remove(at index: Int) -> Subscription {
        let removed = subscriptions.remove(at: index)
        if subscriptions.isEmpty { subscriptions = [] }
        return removed
    }

    private static func isSame(_ identifier: [UInt8], _ written: Span<UInt8>) -> Bool {
        guard identifier.count == written.count else { return false }
        for index in identifier.indices where identifier[index] != written[index] { return false }
        return true
    }
}
