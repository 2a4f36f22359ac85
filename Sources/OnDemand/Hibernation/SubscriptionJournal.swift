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

    /// Identifier and streams share one array: a hibernating client costs little more than them.
    struct Subscription: Equatable {
        /// The JSON string of the identifier. Behind it the names of the streams, each after four bytes of its length.
        private var bytes: [UInt8]
        private let identifierCount: UInt32
        var progress: Progress
        /// An action was performed that may have left state behind.
        var hasState = false
        /// The cable was asked to listen to its streams.
        var isListened = false
        /// Of the identifier's content.
        let digest: UInt32
        private(set) var isReplayable = false
        private(set) var hasStatelessActions = false
        /// Read for each message: the names themselves would be copied.
        private(set) var knowsStreams = false
        var hasStreams: Bool { bytes.count > Int(identifierCount) }

        init(identifier: [UInt8], progress: Progress, properties: BackendChannels.Properties) {
            bytes = identifier
            identifierCount = UInt32(identifier.count)
            self.progress = progress
            digest = (try? JSONScanner.value(of: identifier.span))?.digest(in: identifier.span) ?? 0
            self.properties = properties
        }

        /// The JSON string, quotes included.
        var identifier: [UInt8] { Array(bytes[..<Int(identifierCount)]) }

        var properties: BackendChannels.Properties {
            get {
                BackendChannels.Properties(
                    isReplayable: isReplayable, hasStatelessActions: hasStatelessActions,
                    streams: knowsStreams ? streams : nil)
            }
            set {
                isReplayable = newValue.isReplayable
                hasStatelessActions = newValue.hasStatelessActions
                knowsStreams = newValue.streams != nil
                var packed = identifier
                let streams = newValue.streams ?? []
                packed.reserveCapacity(streams.reduce(packed.count) { $0 + Self.lengthBytes + $1.count })
                for name in streams {
                    let count = UInt32(name.count)
                    for shift in [24, 16, 8, 0] as [UInt32] { packed.append(UInt8(truncatingIfNeeded: count >> shift)) }
                    packed += name
                }
                bytes = packed
            }
        }

        /// A new subscription restores everything that this one has.
        var isRestorable: Bool { progress == .confirmed && isReplayable && !hasState }

        mutating func share(_ copies: inout RecentCopies) { bytes = copies.shared(bytes) }

        func isNamed(_ written: Span<UInt8>) -> Bool {
            guard Int(identifierCount) == written.count else { return false }
            for index in written.indices where bytes[index] != written[index] { return false }
            return true
        }

        private static let lengthBytes = 4

        private var streams: [[UInt8]] {
            var (names, rest) = ([[UInt8]](), bytes[Int(identifierCount)...])
            while !rest.isEmpty {
                let count = rest.prefix(Self.lengthBytes).reduce(0) { $0 << 8 | Int($1) }
                rest = rest.dropFirst(Self.lengthBytes)
                names.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            return names
        }
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
            guard !subscription.isNamed(written) else { return true }
            let known = subscription.identifier
            guard let content = identifier.string(in: text), let value = try? JSONScanner.value(of: known.span) else {
                return false
            }
            return value.isString(content, in: known.span)
        }
    }

    /// Lets the newest subscription share the memory of an equal one.
    mutating func share(_ copies: inout RecentCopies) { subscriptions[subscriptions.count - 1].share(&copies) }

    mutating func append(_ subscription: Subscription) { subscriptions.append(subscription) }

    mutating func remove(at index: Int) -> Subscription {
        let removed = subscriptions.remove(at: index)
        if subscriptions.isEmpty { subscriptions = [] }
        return removed
    }
}
