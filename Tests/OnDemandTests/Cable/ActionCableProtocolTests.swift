import Testing

@testable import OnDemand

struct ActionCableProtocolTests {
    private func read(_ text: String) -> (ActionCableProtocol.Command?, String, IgnoredReason?) {
        let bytes = Array(text.utf8)
        do throws(IgnoredReason) {
            let request = try ActionCableProtocol.read(bytes.span)
            return (request.command, String(decoding: bytes[request.identifier.range.indices], as: UTF8.self), nil)
        } catch {
            return (nil, "", error)
        }
    }

    @Test("commands are parsed, and identifiers keep their notation")
    func commands() {
        let identifier = "\"{\\\"channel\\\":\\u0022X\\\",\\\"id\\\":\\/1}\""
        for command in ActionCableProtocol.Command.allCases {
            let found = read("{\"command\":\"\(command)\", \"identifier\" : \(identifier), \"data\":\"{}\"}")
            #expect(found.0 == command && found.1 == identifier)
        }
        #expect(read("{\"identifier\":\"a\",\"command\":\"\\u0073ubscribe\"}").0 == .subscribe)
    }

    @Test(
        "an invalid command has a reason",
        arguments: [
            ("", IgnoredReason.malformed), ("{", .malformed), ("[]", .malformed), ("\"subscribe\"", .malformed),
            ("{}", .unknownCommand), ("{\"command\":\"whisper\",\"identifier\":\"a\"}", .unknownCommand),
            ("{\"command\":1,\"identifier\":\"a\"}", .unknownCommand),
            ("{\"command\":\"subscribe\"}", .noIdentifier),
            ("{\"command\":\"subscribe\",\"identifier\":{\"channel\":\"X\"}}", .noIdentifier),
            ("{\"command\":\"pong\"}", .pong),
            ("{\"command\":\"subscribe\",\"identifier\":\"a\"} x", .malformed),
        ])
    func ignored(text: String, reason: IgnoredReason) { #expect(read(text).2 == reason) }

    /// The table of the type's documentation, pair by pair.
    @Test("every command on every standing has one step, and only a new subscription is resolved")
    func walk() {
        let outcomes: [SubscriptionResolver.Outcome] = [.stream([1]), .forward, .reject(.notPublic)]
        let runs = Exhaustive.run { choices in
            let command = choices.choose(from: ActionCableProtocol.Command.allCases)
            let standing = choices.choose(from: ActionCableProtocol.SubscriptionState.allCases)
            let isFull = choices.choose(2) == 1
            let hasBackend = choices.choose(2) == 1
            let outcome = choices.choose(from: outcomes)
            var resolved = 0
            let step = ActionCableProtocol.step(for: command, standing, isFull: isFull, hasBackend: hasBackend) {
                resolved += 1
                return outcome
            }
            let isNew = command == .subscribe && standing == .notSubscribed
            #expect(resolved == (isNew && !isFull ? 1 : 0))
            let expected: ActionCableProtocol.Step =
                switch (command, standing) {
                case (.subscribe, .notSubscribed) where isFull: .reject(.tooManySubscriptions)
                case (.subscribe, .notSubscribed):
                    switch outcome {
                    case .stream(let name): .subscribe(stream: name)
                    case .forward: .forward
                    case .reject(let reason): .reject(reason)
                    }
                case (.subscribe, .confirmed): .confirm
                case (.subscribe, .pending): .ignore(.alreadyPending)
                case (.unsubscribe, .confirmed), (.unsubscribe, .pending): .unsubscribe
                case (_, .relayed): .forward
                case (_, .notSubscribed): hasBackend ? .forward : .ignore(.notSubscribed)
                case (.message, _): .ignore(.actionOnStream)
                }
            #expect(step == expected)
        }
        #expect(runs == 3 * 4 * 2 * 2 * 3)
    }

    @Test("a disconnect message always contains reconnect, because Rails' client stops without it")
    func disconnect() {
        for reason in ActionCableFrame.DisconnectReason.allCases {
            for reconnect in [true, false] {
                let text = FrameTexts.all(in: ActionCableFrame.disconnect(reason, reconnect: reconnect))
                #expect(
                    text == ["{\"type\":\"disconnect\",\"reason\":\"\(reason.rawValue)\",\"reconnect\":\(reconnect)}"])
            }
        }
    }
}

struct TurboCableProtocolTests {
    private func read(_ text: String) -> (TurboCableProtocol.Command?, IgnoredReason?) {
        let bytes = Array(text.utf8)
        do throws(IgnoredReason) {
            return (try TurboCableProtocol.read(bytes.span).command, nil)
        } catch {
            return (nil, error)
        }
    }

    @Test("subscriptions are parsed, and every other message has a reason to be ignored")
    func messages() {
        #expect(read("{\"type\":\"subscribe\",\"stream\":\"a\"}").0 == .subscribe)
        #expect(read("{\"stream\":\"a\",\"type\":\"unsubscribe\"}").0 == .unsubscribe)
        #expect(read("{\"type\":\"pong\"}").1 == .pong)
        #expect(read("{\"type\":\"subscribe\"}").1 == .noIdentifier)
        #expect(read("{\"type\":\"subscribe\",\"stream\":\"\"}").1 == .noIdentifier)
        #expect(read("{\"type\":\"subscribe\",\"stream\":null}").1 == .noIdentifier)
        #expect(read("{\"type\":\"message\",\"stream\":\"a\"}").1 == .unknownCommand)
        #expect(read("nonsense").1 == .malformed)
    }

    @Test("every command on every standing has one step")
    func walk() {
        let runs = Exhaustive.run { choices in
            let command = choices.choose(from: TurboCableProtocol.Command.allCases)
            let standing = choices.choose(from: ActionCableProtocol.SubscriptionState.allCases)
            let isFull = choices.choose(2) == 1
            let isPublic = choices.choose(2) == 1
            let step = TurboCableProtocol.step(for: command, standing, isFull: isFull) { isPublic }
            let expected: TurboCableProtocol.Step =
                switch (command, standing) {
                case (.subscribe, .notSubscribed):
                    !isPublic ? .ignore(.notAllowed) : isFull ? .ignore(.tooMany) : .subscribe
                case (.subscribe, .pending): .ignore(.alreadyPending)
                case (.subscribe, .confirmed): .confirm
                case (.unsubscribe, .notSubscribed), (_, .relayed): .ignore(.notSubscribed)
                case (.unsubscribe, _): .unsubscribe
                }
            #expect(step == expected)
        }
        #expect(runs == 2 * 4 * 2 * 2)
    }
}
