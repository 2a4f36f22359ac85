/// Streams, their subscribers, and the messages on their way to them.
///
/// Terms: a *client* is a number that the caller chose. A *subscription* joins a client, an identifier and a stream. A
/// *group* is all subscriptions of a stream that get the same bytes: one identifier, one protocol. A *batch* is one or
/// more messages of a stream that are sent as one buffer.
///
/// States of a stream: *idle*, or *delivering* with a list of batches and a cursor into the first one. `publish` adds
/// to the last batch, or begins a new one when the last one is being sent, is sealed or is full. `deliver` moves the
/// cursor: batch by batch, in each batch group by group, in each group subscriber by subscriber in order of arrival.
/// The buffer of a group is made when the cursor reaches it.
///
/// Invariants:
/// - A subscription gets the messages published after it was made and before it ended, each once, in order. A new
///   subscription seals the last batch, and a *mark* keeps the length that its group had. Earlier batches stop there.
/// - Between two calls of `deliver` any client may subscribe, unsubscribe and leave. Ended subscriptions leave gaps,
///   which the cursor skips. Closing gaps moves cursor and marks along.
/// - No order of a dictionary decides anything, and a delivery counts no references.
///
/// Example: 9,900 clients subscribe to `scores` with the same identifier: one stream, one group. Two messages published
/// in one turn are one batch, one buffer with two frames, and 9,900 sends, of which each `deliver` does a part.
///
/// Cost for each client with one subscription: 4 bytes here, 16 for the subscription, 4 in its group.
struct StreamTable {
    /// One subscription of one client.
    struct Subscription {
        let client: UInt32
        let group: UInt32
        /// In its group's list.
        var position: UInt32
        /// An older subscription of the same client; `none` for the first one.
        var next: UInt32
    }

    struct Group {
        let stream: UInt32
        let identifier: UInt32
        let cableProtocol: CableProtocol
        /// Its subscriptions are the backend's, and are delivered here while the backend sleeps.
        let isRelayed: Bool
        /// In its stream's list.
        var position: UInt32
        /// Subscriptions.
        var members = ArrivalList()
        /// Of the identifier's content.
        let digest: UInt32
        /// Ascending; empty while the stream is idle.
        var marks: [Mark] = []
    }

    /// Batches up to `batch` are for the first `end` positions of a group.
    struct Mark: Equatable {
        let batch: UInt64
        var end: UInt32
    }

    struct Stream {
        let name: [UInt8]
        var groups = ArrivalList()
        /// At most one; empty while idle. An array, because an empty one costs a pointer.
        var delivery: [StreamDelivery] = []
        /// False from its first subscription until the source of its messages has confirmed it.
        var isLive: Bool
    }

    /// No subscription.
    static let none = UInt32.max

    var subscriptions = Pool(empty: Subscription(client: 0, group: 0, position: 0, next: Self.none))
    var groups = Pool(
        empty: Group(stream: 0, identifier: 0, cableProtocol: .actionCable, isRelayed: false, position: 0, digest: 0))
    var streams = Pool(empty: Stream(name: [], isLive: false))
    var identifiers = Interner()
    /// The newest subscription of each client, by number.
    private var newest: [UInt32] = []
    private var streamsByName: [[UInt8]: UInt32] = [:]
    private var groupsByKey: [GroupKey: UInt32] = [:]
    /// Streams that are delivering, in turn.
    var delivering: [UInt32] = []
    var nextDelivering = 0
    /// Memory of all messages that are not delivered to every subscriber yet, in bytes.
    var pendingBytes = 0 {
        didSet { isCongested = pendingBytes > (isCongested ? Limits.cableResumeBytes : Limits.cableUndeliveredBytes) }
    }
    /// Messages arrive faster than they are delivered: their sources wait. True from
    /// `Limits.cableUndeliveredBytes` down to `Limits.cableResumeBytes`.
    private(set) var isCongested = false

    private struct GroupKey: Hashable {
        let stream: UInt32
        let identifier: UInt32
        let cableProtocol: CableProtocol
        let isRelayed: Bool
    }

    var streamCount: Int { streamsByName.count }
    var subscriptionCount: Int { subscriptions.count }

    func contains(stream name: [UInt8]) -> Bool { streamsByName[name] != nil }

    func stream(named name: [UInt8]) -> UInt32? { streamsByName[name] }

    /// Whether messages of this stream reach a subscriber.
    func isLive(stream name: [UInt8]) -> Bool { streamsByName[name].map { streams[$0].isLive } ?? false }
}

/// Which of the two protocols a client speaks.
enum CableProtocol: UInt8, Sendable, CaseIterable {
    case actionCable, turboCable
}

// MARK: - Subscribing

extension StreamTable {
    enum Subscribed: Equatable {
        /// The first subscription of its stream.
        case streamOpened
        case added
    }

    /// Adds a subscription. The same client, identifier, protocol and stream may be added once only.
    ///
    /// `isLive` counts for a new stream: whether messages can arrive already.
    mutating func subscribe(
        client: UInt32, identifier: [UInt8], _ cableProtocol: CableProtocol, to name: [UInt8], isLive: Bool = true,
        isRelayed: Bool = false
    ) -> Subscribed {
        let known = streamsByName[name]
        let stream = known ?? streams.insert(Stream(name: name, isLive: isLive))
        if known == nil { streamsByName[name] = stream }
        let group = group(stream, identifier, cableProtocol, isRelayed)
        mark(group, of: stream)
        let place = Int(client)
        while newest.count <= place { newest.append(Self.none) }
        let subscription = subscriptions.insert(
            Subscription(client: client, group: group, position: groups[group].members.end, next: newest[place]))
        newest[place] = subscription
        _ = groups[group].members.append(subscription)
        return known == nil ? .streamOpened : .added
    }

    /// A subscription made now gets what is published from now on.
    private mutating func mark(_ group: UInt32, of stream: UInt32) {
        guard let batch = streams[stream].delivery.first?.lastNumber else { return }
        streams[stream].delivery[0].sealLast()
        guard groups[group].marks.last?.batch != batch else { return }
        if groups[group].marks.isEmpty { streams[stream].delivery[0].markedGroups.append(group) }
        groups[group].marks.append(Mark(batch: batch, end: groups[group].members.end))
    }

    private mutating func group(
        _ stream: UInt32, _ bytes: [UInt8], _ cableProtocol: CableProtocol, _ isRelayed: Bool
    ) -> UInt32 {
        let identifier = identifiers.retain(bytes)
        let key = GroupKey(
            stream: stream, identifier: identifier, cableProtocol: cableProtocol, isRelayed: isRelayed)
        if let group = groupsByKey[key] {
            identifiers.release(identifier)
            return group
        }
        let group = groups.insert(
            Group(
                stream: stream, identifier: identifier, cableProtocol: cableProtocol, isRelayed: isRelayed,
                position: streams[stream].groups.end, digest: Self.digest(of: bytes)))
        groupsByKey[key] = group
        _ = streams[stream].groups.append(group)
        return group
    }

    /// `identifier` is a JSON string.
    private static func digest(of identifier: [UInt8]) -> UInt32 {
        (try? JSONScanner.value(of: identifier.span))?.digest(in: identifier.span) ?? 0
    }

    /// The identifier of one of this client's subscriptions that has the content of `identifier`, as it was written
    /// then. Only identifiers with the same digest are read: a client may have many long ones, and send many short
    /// messages.
    func identifier(like identifier: JSONSlice, in text: Span<UInt8>, of client: UInt32) -> [UInt8]? {
        guard Int(client) < newest.count, newest[Int(client)] != Self.none else { return nil }
        let digest = identifier.digest(in: text)
        var content: [UInt8]?
        var found: [UInt8]?
        forEachSubscription(of: client) { subscription in
            let group = subscriptions[subscription].group
            guard found == nil, groups[group].digest == digest else { return }
            content = content ?? identifier.string(in: text)
            let other = identifiers[groups[group].identifier]
            guard let content, let value = try? JSONScanner.value(of: other.span),
                value.isString(content, in: other.span)
            else { return }
            found = other
        }
        return found
    }

    /// Subscriptions of a client under an identifier, the newest first.
    func subscriptions(of client: UInt32, identifier: [UInt8]) -> [UInt32] {
        guard let number = identifiers.find(identifier) else { return [] }
        var found: [UInt32] = []
        forEachSubscription(of: client) { if groups[subscriptions[$0].group].identifier == number { found.append($0) } }
        return found
    }

    /// The newest first. A client has as many as its cable allows.
    func forEachSubscription(of client: UInt32, _ body: (UInt32) -> Void) {
        guard Int(client) < newest.count else { return }
        var subscription = newest[Int(client)]
        while subscription != Self.none {
            let next = subscriptions[subscription].next
            body(subscription)
            subscription = next
        }
    }

    /// Without those of the backend, which are counted where they are made.
    func subscriptionCount(of client: UInt32) -> Int {
        var count = 0
        forEachSubscription(of: client) { if !isRelayed($0) { count += 1 } }
        return count
    }

    /// Whether the backend has this subscription.
    func isRelayed(_ subscription: UInt32) -> Bool { groups[subscriptions[subscription].group].isRelayed }

    /// Whether messages reach this subscription already.
    func isLive(_ subscription: UInt32) -> Bool { streams[groups[subscriptions[subscription].group].stream].isLive }
}

// MARK: - Leaving

extension StreamTable {
    /// Ends the subscriptions of a client under an identifier; returns the streams that have no subscription any more.
    mutating func unsubscribe(client: UInt32, identifier: [UInt8], relayed: Bool = false) -> [[UInt8]] {
        let ended = subscriptions(of: client, identifier: identifier).filter { isRelayed($0) == relayed }
        return ended.compactMap { remove($0) }
    }

    /// Ends all subscriptions of a client; returns the streams that have no subscription any more.
    mutating func leave(client: UInt32) -> [[UInt8]] {
        var ended: [UInt32] = []
        forEachSubscription(of: client) { ended.append($0) }
        let closed = ended.compactMap { remove($0) }
        if newest.last == Self.none { shrinkNewest() }
        return closed
    }

    private mutating func shrinkNewest() {
        while newest.last == Self.none { newest.removeLast() }
        if newest.capacity > 4 * newest.count + 64 { newest = newest.withoutSpareCapacity }
    }

    private mutating func remove(_ subscription: UInt32) -> [UInt8]? {
        let ended = subscriptions[subscription]
        unlink(subscription, of: ended.client, next: ended.next)
        groups[ended.group].members.remove(at: ended.position)
        subscriptions.remove(subscription)
        if groups[ended.group].members.isEmpty { return remove(group: ended.group) }
        if groups[ended.group].members.needsCompaction { compact(group: ended.group) }
        return nil
    }

    private mutating func unlink(_ subscription: UInt32, of client: UInt32, next: UInt32) {
        guard newest[Int(client)] != subscription else {
            newest[Int(client)] = next
            return
        }
        var other = newest[Int(client)]
        while subscriptions[other].next != subscription { other = subscriptions[other].next }
        subscriptions[other].next = next
    }

    /// Returns the stream's name when that was its last group.
    private mutating func remove(group: UInt32) -> [UInt8]? {
        let (stream, identifier, position) = (
            groups[group].stream, groups[group].identifier, groups[group].position
        )
        let key = GroupKey(
            stream: stream, identifier: identifier, cableProtocol: groups[group].cableProtocol,
            isRelayed: groups[group].isRelayed)
        groupsByKey.removeValue(forKey: key)
        groupsByKey.shrinkIfSparse()
        identifiers.release(identifier)
        groups.remove(group)
        streams[stream].groups.remove(at: position)
        if !streams[stream].delivery.isEmpty { streams[stream].delivery[0].leaveGroup(at: position) }
        guard streams[stream].groups.isEmpty else {
            if streams[stream].groups.needsCompaction { compactGroups(of: stream) }
            return nil
        }
        let name = streams[stream].name
        streamsByName.removeValue(forKey: name)
        streamsByName.shrinkIfSparse()
        // The number is given back when its turn comes, so that the list of turns holds no number of another stream.
        if streams[stream].delivery.isEmpty { streams.remove(stream) } else { drop(deliveryOf: stream) }
        return name
    }

    private mutating func compact(group: UInt32) {
        let members = groups[group].members
        let stream = groups[group].stream
        for index in groups[group].marks.indices {
            groups[group].marks[index].end = members.compacted(groups[group].marks[index].end)
        }
        if let position = streams[stream].delivery.first?.memberPosition(inGroupAt: groups[group].position) {
            streams[stream].delivery[0].move(toMember: members.compacted(position))
        }
        groups[group].members.compact { subscription, position in subscriptions[subscription].position = position }
    }

    private mutating func compactGroups(of stream: UInt32) {
        let list = streams[stream].groups
        if let position = streams[stream].delivery.first?.groupPosition {
            streams[stream].delivery[0].move(toGroup: list.compacted(position))
        }
        streams[stream].groups.compact { group, position in groups[group].position = position }
    }
}

// MARK: - The source of messages

extension StreamTable {
    /// The source delivers this stream from now on; `confirm` gets every client that waits, with identifier and
    /// protocol, in order of arrival within each identifier. The backend confirms its own subscriptions.
    mutating func becomeLive(_ name: [UInt8], _ confirm: (UInt32, [UInt8], CableProtocol) -> Void) {
        guard let stream = streamsByName[name], !streams[stream].isLive else { return }
        streams[stream].isLive = true
        forEachSubscriber(of: name, relayed: false, confirm)
    }

    /// Names of the streams that the source has not confirmed, in order of number.
    var waitingStreams: [[UInt8]] {
        (0..<UInt32(streams.end)).filter { streams.contains($0) && !streams[$0].isLive }.map { streams[$0].name }
    }

    func forEachSubscriber(
        of name: [UInt8], relayed: Bool = true, _ body: (UInt32, [UInt8], CableProtocol) -> Void
    ) {
        guard let stream = streamsByName[name] else { return }
        for group in streams[stream].groups.slots
        where group != ArrivalList.gap && (relayed || !groups[group].isRelayed) {
            let identifier = identifiers[groups[group].identifier]
            let cableProtocol = groups[group].cableProtocol
            for member in groups[group].members.slots where member != ArrivalList.gap {
                body(subscriptions[member].client, identifier, cableProtocol)
            }
        }
    }
}
