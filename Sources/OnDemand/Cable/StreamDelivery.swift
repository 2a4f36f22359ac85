// Messages on their way to the subscribers of a stream.

/// One message as its subscribers get it: a JSON text for each protocol.
struct StreamMessage: Equatable, Sendable {
    /// Value of `message` for Action Cable clients.
    let message: [UInt8]
    /// Value of `data` for TurboCable clients; nil leaves the member out.
    let data: [UInt8]?

    init(message: [UInt8], data: [UInt8]?) {
        self.message = message
        self.data = data
    }

    /// A broadcast of a request with this body.
    init(_ broadcast: Broadcast, in body: Span<UInt8>) {
        var (message, data): ([UInt8], [UInt8]) = ([], [])
        broadcast.appendMessage(from: body, to: &message)
        let hasData = broadcast.appendData(from: body, to: &data)
        self.init(message: message, data: hasData ? data : nil)
    }

    /// A message that came through Redis, the same for both protocols; nil unless it is JSON.
    init?(published text: [UInt8]) {
        guard JSONScanner.isValue(text.span) else { return nil }
        self.init(message: text, data: text)
    }

    var byteCount: Int { message.count + (data?.count ?? 0) }
    /// What it takes in memory, in bytes.
    var memoryBytes: Int { byteCount + Limits.cableMessageBytes }
}

/// Messages of one stream that are sent as one buffer.
struct StreamBatch {
    var messages: [StreamMessage]
    var byteCount: Int
    /// A client that does not get them; its own batch, because others get the same bytes.
    let excluded: UInt32?
    var isSealed = false

    var memoryBytes: Int { byteCount + messages.count * Limits.cableMessageBytes }
}

/// The messages of one stream that are on their way, and the subscriber that is next.
struct StreamDelivery {
    var batches: Queue<StreamBatch>
    /// Number of the first batch; the others follow.
    var firstNumber: UInt64 = 0
    private(set) var groupPosition: UInt32 = 0
    private(set) var memberPosition: UInt32 = 0
    /// The first batch for the group at `groupPosition`; empty until it is made.
    var buffer: [UInt8] = []
    /// Groups with marks.
    var markedGroups: [UInt32] = []

    var lastNumber: UInt64? { batches.isEmpty ? nil : firstNumber + UInt64(batches.count - 1) }
    var hasBegun: Bool { groupPosition > 0 || memberPosition > 0 || !buffer.isEmpty }

    mutating func sealLast() { batches.changeLast { $0.isSealed = true } }

    func memberPosition(inGroupAt position: UInt32) -> UInt32? {
        position == groupPosition ? memberPosition : nil
    }

    mutating func move(toMember position: UInt32) { memberPosition = position }

    /// The positions of groups have changed; the group is the same, or the next one where that has gone.
    mutating func move(toGroup position: UInt32) { groupPosition = position }

    /// The group at `position` has ended.
    mutating func leaveGroup(at position: UInt32) {
        if position == groupPosition { nextGroup() }
    }

    mutating func nextGroup() {
        groupPosition += 1
        memberPosition = 0
        buffer = []
    }

    mutating func nextBatch() {
        batches.removeFirst()
        firstNumber += 1
        groupPosition = 0
        memberPosition = 0
        buffer = []
    }
}

extension StreamBatch {
    init(_ message: StreamMessage, _ excluded: UInt32?) {
        self.init(messages: [message], byteCount: message.byteCount, excluded: excluded)
    }

    mutating func append(_ message: StreamMessage) {
        messages.append(message)
        byteCount += message.byteCount
    }
}
