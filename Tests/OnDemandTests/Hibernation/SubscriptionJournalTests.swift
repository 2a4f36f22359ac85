import Testing

@testable import OnDemand

struct SubscriptionJournalTests {
    private func subscription(_ identifier: String, _ progress: SubscriptionJournal.Progress = .confirmed)
        -> SubscriptionJournal.Subscription
    {
        SubscriptionJournal.Subscription(
            identifier: Array(identifier.utf8), progress: progress,
            properties: BackendChannels.Properties(isReplayable: true))
    }

    private func index(of identifier: String, in journal: SubscriptionJournal) throws -> Int? {
        let text = RelayBench.command("subscribe", identifier)
        let request = try ActionCableProtocol.read(text.span)
        return journal.index(of: request.identifier, in: text.span)
    }

    @Test("subscriptions keep their order and their notation, and are found in any notation")
    func notation() throws {
        var journal = SubscriptionJournal()
        let identifiers = [#""{\"channel\":\"A\"}""#, #""b""#, #""\u00e9\/""#]
        for identifier in identifiers { journal.append(subscription(identifier)) }
        #expect(journal.subscriptions.map(\.identifier) == identifiers.map { Array($0.utf8) })
        #expect(try index(of: #""{\u0022channel\u0022:\"\u0041\"}""#, in: journal) == 0)
        #expect(try index(of: #""\u0062""#, in: journal) == 1)
        #expect(try index(of: "\"é/\"", in: journal) == 2)
        // An identifier is opaque: another order of its members is another identifier.
        #expect(try index(of: #""{ \"channel\":\"A\"}""#, in: journal) == nil)
        #expect(try index(of: #""B""#, in: journal) == nil)
        #expect(journal.remove(at: 1).identifier == Array(#""b""#.utf8))
        #expect(try index(of: #""b""#, in: journal) == nil)
        #expect(journal.count == 2)
    }

    @Test("other identifiers have other digests, and other notations the same one")
    func digests() {
        var digests: Set<UInt32> = []
        for number in 0..<500 {
            let plain = #""{\"n\":\#(number)}""#
            let escaped = #""{\u0022n\u0022:\#(number)}""#
            #expect(subscription(plain).digest == subscription(escaped).digest)
            digests.insert(subscription(plain).digest)
        }
        // Two of 500 numbers of 32 bits are equal once in 30,000 runs, and three such pairs never.
        #expect(digests.count >= 498)
    }

    @Test("a server's identifier that is no string, or no valid one, belongs to no subscription")
    func otherKinds() {
        var journal = SubscriptionJournal()
        journal.append(subscription(#""1""#))
        for text in [
            #"{"type":"confirm_subscription","identifier":1}"#, #"{"type":"confirm_subscription","identifier":null}"#,
            #"{"type":"confirm_subscription","identifier":"\ud800"}"#,
        ] {
            let bytes = Array(text.utf8)
            guard case .confirmation(let identifier) = UpstreamMessage.read(bytes.span) else { continue }
            #expect(journal.index(of: identifier, in: bytes.span) == nil, "\(text)")
        }
    }

    @Test("it is restorable when each subscription is confirmed, replayable and without state")
    func restorable() {
        var journal = SubscriptionJournal()
        #expect(journal.isRestorable && journal.isEmpty)
        journal.append(subscription("\"a\""))
        #expect(journal.isRestorable)
        for progress in [SubscriptionJournal.Progress.requested, .replayed] {
            journal[0].progress = progress
            #expect(!journal.isRestorable)
        }
        journal[0].progress = .confirmed
        journal[0].hasState = true
        #expect(!journal.isRestorable)
        journal[0].hasState = false
        journal[0].properties.isReplayable = false
        #expect(!journal.isRestorable)
    }
}

struct SubscriptionStorageTests {
    private func subscription(_ identifier: String, _ streams: [[UInt8]]?) -> SubscriptionJournal.Subscription {
        SubscriptionJournal.Subscription(
            identifier: Array(identifier.utf8), progress: .confirmed,
            properties: BackendChannels.Properties(isReplayable: true, hasStatelessActions: true, streams: streams))
    }

    @Test(
        "identifier and streams are told apart in their common array",
        arguments: [
            nil, [], [[]], [[0]], [Array("chat-1".utf8), [], Array(repeating: 0xff, count: 300)],
        ] as [[[UInt8]]?])
    func apart(streams: [[UInt8]]?) {
        for identifier in ["\"\"", "\"chat\"", "\"" + String(repeating: "é", count: 40_000) + "\""] {
            var subscription = subscription(identifier, streams)
            #expect(subscription.identifier == Array(identifier.utf8))
            #expect(subscription.properties.streams == streams)
            #expect(subscription.properties.isReplayable && subscription.properties.hasStatelessActions)
            subscription.properties.streams = [Array("other".utf8)]
            #expect(subscription.identifier == Array(identifier.utf8))
            #expect(subscription.properties.streams == [Array("other".utf8)])
            #expect(subscription.isNamed(Array(identifier.utf8).span) && !subscription.isNamed([UInt8]().span))
        }
    }

    @Test("equal subscriptions of a cable share their memory, long ones and other ones do not")
    func shared() {
        var copies = RecentCopies()
        let first = copies.shared(Array("the same".utf8))
        for _ in 0..<3 {
            let again = copies.shared(Array("the same".utf8))
            let isShared = again.span.isIdentical(to: first.span)
            #expect(isShared)
        }
        for count in [0, 1, Limits.sharedCopyBytes, Limits.sharedCopyBytes + 1] {
            let bytes = [UInt8](repeating: 1, count: count)
            #expect(copies.shared(bytes) == bytes)
        }
        // More strings than are kept: whatever is forgotten, each comes back as it is.
        for number in 0..<1000 {
            let bytes = Array("\(number)".utf8)
            #expect(copies.shared(bytes) == bytes)
        }
    }
}

struct ClientCommandQueueTests {
    @Test("commands come out in order, and the queue is bounded by number and by size")
    func bounds() {
        var queue = ClientCommandQueue()
        for number in 0..<Limits.queuedClientCommands {
            let isTaken = queue.append([UInt8(number)])
            #expect(isTaken)
        }
        let isOneMoreTaken = queue.append([0])
        #expect(!isOneMoreTaken)
        #expect(queue.commands == (0..<Limits.queuedClientCommands).map { [UInt8($0)] })
        #expect(queue.count == Limits.queuedClientCommands && queue.byteCount == Limits.queuedClientCommands)
        var large = ClientCommandQueue()
        let isTooLargeTaken = large.append(Array(repeating: 0, count: Limits.queuedClientCommandBytes + 1))
        #expect(!isTooLargeTaken && large.isEmpty)
        let isLargestTaken = large.append(Array(repeating: 0, count: Limits.queuedClientCommandBytes))
        let isNextTaken = large.append([0])
        #expect(isLargestTaken && !isNextTaken && large.count == 1)
        // An empty command needs no room.
        let isEmptyTaken = large.append([])
        #expect(isEmptyTaken)
    }

    @Test("the last command about a subscription is found, whatever is between")
    func last() throws {
        var queue = ClientCommandQueue()
        let (a, b) = (#""a""#, #""b""#)
        func last(_ identifier: String) throws -> ActionCableProtocol.Command? {
            let text = RelayBench.command("subscribe", identifier)
            return queue.subscriptionCommand(about: try ActionCableProtocol.read(text.span).identifier, in: text)
        }
        #expect(try last(a) == nil)
        for (command, identifier, expected) in [
            ("subscribe", a, ActionCableProtocol.Command.subscribe), ("message", a, .subscribe),
            ("unsubscribe", b, .subscribe), ("unsubscribe", a, .unsubscribe), ("message", a, .unsubscribe),
        ] {
            let isTaken = queue.append(RelayBench.command(command, identifier))
            #expect(isTaken)
            #expect(try last(a) == expected)
        }
        #expect(try last(b) == .unsubscribe)
    }
}
