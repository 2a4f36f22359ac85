@testable import OnDemand

/// A published message reaches both kinds of clients with the value that the file parser reads. A list is accepted
/// completely or rejected with a text.
enum BroadcastProperty {
    static func check(_ input: [UInt8]) throws(Violation) {
        let request: BroadcastRequest
        do throws(BroadcastError) {
            request = try BroadcastRequest.read(input.span)
        } catch {
            return try checkRefusal(error, of: input)
        }
        // Too deep, or with half a surrogate pair: only traps are tested.
        guard let value = try? JSONReader.read(input, duplicateKeys: .kept) else {
            return try promise(JSONScanner.isValue(input.span), "taken without being JSON: \(text(input))")
        }
        switch request {
        case .publish(let broadcasts):
            let items: [JSONValue]
            if case .array(let list) = value.content { items = list } else { items = [value] }
            try promise(items.count == broadcasts.count, "\(broadcasts.count) of \(items.count): \(text(input))")
            for (broadcast, item) in zip(broadcasts, items) { try compare(broadcast, item, in: input) }
        case .disconnect(let identifier, let reconnect):
            let payload = last("payload", of: value)
            try promise(last("command", of: value)?.content == .string("disconnect"), "no command: \(text(input))")
            try promise(
                payload.flatMap { last("identifier", of: $0) }?.content
                    == .string(String(decoding: identifier, as: UTF8.self)), "another identifier: \(text(input))")
            let expected = payload.flatMap { last("reconnect", of: $0) }?.content
            try promise(
                expected == .boolean(reconnect) || expected == nil && !reconnect, "reconnect: \(text(input))")
        }
    }

    private static func compare(_ broadcast: Broadcast, _ item: JSONValue, in input: [UInt8]) throws(Violation) {
        let stream = String(decoding: broadcast.stream, as: UTF8.self)
        try promise(last("stream", of: item)?.content == .string(stream), "another stream: \(text(input))")
        try promise(StreamName.isValid(broadcast.stream), "no name: \(text(input))")
        var data: [UInt8] = []
        var message: [UInt8] = []
        let hasData = broadcast.appendData(from: input.span, to: &data)
        broadcast.appendMessage(from: input.span, to: &message)
        guard let posted = last("data", of: item) else {
            return try promise(!hasData && message == Array("null".utf8), "data from nowhere: \(text(input))")
        }
        try promise(hasData && meaning(data) == rendered(posted), "data became \(text(data)): \(text(input))")
        var expected = rendered(posted)
        if case .string(let content) = posted.content {
            switch Result(catching: { () throws(JSONError) in
                try JSONReader.read(Array(content.utf8), duplicateKeys: .kept)
            }) {
            case .success(let inner): expected = rendered(inner)
            case .failure(let error):
                switch error.reason {
                case .loneSurrogate, .tooDeep: return
                default: break
                }
            }
        }
        try promise(meaning(message) == expected, "the message became \(text(message)): \(text(input))")
    }

    private static func checkRefusal(_ error: BroadcastError, of input: [UInt8]) throws(Violation) {
        try promise(!error.sentence.isEmpty, "a refusal without a sentence: \(error)")
        if case .invalidJSON = error.reason {
            return try promise(!JSONScanner.isValue(input.span), "refused as no JSON: \(text(input))")
        }
        guard let item = error.item, let value = try? JSONReader.read(input, duplicateKeys: .kept) else { return }
        guard case .array(let items) = value.content else { throw Violation("item \(item) of no list: \(text(input))") }
        try promise(items.indices.contains(item), "item \(item) of \(items.count): \(text(input))")
        // The items before it are valid, and it is not.
        for (index, value) in items.prefix(item + 1).enumerated() {
            let alone = Array(rendered(value).utf8)
            let isMessage = if case .object = value.content { last("command", of: value) == nil } else { false }
            let isTaken = isMessage && (try? BroadcastRequest.read(alone.span)) != nil
            try promise(isTaken == (index < item), "item \(index) alone: \(text(alone))")
        }
    }

    /// Of a repeated key the last one counts.
    private static func last(_ key: String, of value: JSONValue) -> JSONValue? {
        guard case .object(let members) = value.content else { return nil }
        return members.last { Array($0.key.utf8) == Array(key.utf8) }?.value
    }

    private static func meaning(_ text: [UInt8]) -> String? {
        (try? JSONReader.read(text, duplicateKeys: .kept)).map(rendered)
    }

    private static func rendered(_ value: JSONValue) -> String { TextProperty.rendered(value) }
}
