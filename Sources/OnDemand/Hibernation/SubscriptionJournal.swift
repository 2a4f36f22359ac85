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
        var properties: BackendChannels.Properties

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

    /// The position of an identifier that stands in `text`.
    func index(of identifier: JSONSlice, in text: Span<UInt8>) -> Int? {
        guard !subscriptions.isEmpty else { return nil }
        let written = text.extracting(identifier.range.indices)
        if let index = subscriptions.firstIndex(where: { Self.isSame($0.identifier, written) }) { return index }
        guard let content = identifier.string(in: text) else { return nil }
        return subscriptions.firstIndex { subscription in
            JSONSlice(scannedString: subscription.identifier).isString(content, in: subscription.identifier.span)
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
