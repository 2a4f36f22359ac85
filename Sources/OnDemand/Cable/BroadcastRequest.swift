/// What a program asks of a cable, by POST or through Redis: messages for streams, or the end of some connections.
///
///     {"stream": "scores", "data": "<turbo-stream ...>", "meta": {"exclude_socket": "SID"}}
///     [{"stream": "a", "data": {"n": 1}}, {"stream": "b", "data": "{\"n\":1.50}"}]
///     {"command": "disconnect", "payload": {"identifier": "{\"user_id\":15}", "reconnect": false}}
///
/// A list is applied completely or not at all. Keys that are not known are ignored, because newer gems may send more.
enum BroadcastRequest: Equatable, Sendable {
    case publish([Broadcast])
    /// `identifier` are the connection identifiers of a token. A missing `reconnect` is false, as in AnyCable.
    case disconnect(identifier: [UInt8], reconnect: Bool)

    static func read(_ body: Span<UInt8>) throws(BroadcastError) -> BroadcastRequest {
        let value: JSONSlice
        do throws(JSONScanError) {
            value = try JSONScanner.value(of: body)
        } catch {
            throw BroadcastError(.invalidJSON(error))
        }
        switch value.kind {
        case .object:
            let fields = try fields(of: value, in: body)
            if let command = fields[3] { return try self.command(command, payload: fields[4], in: body) }
            return .publish([try broadcast(fields, in: body)])
        case .array: return .publish(try broadcasts(value, in: body))
        case .string, .number, .boolean, .null: throw BroadcastError(.notAnObject)
        }
    }

    private static let keys = JSONKeys<5>(["stream", "data", "meta", "command", "payload"])
    private static let metaKeys = JSONKeys<1>(["exclude_socket"])
    private static let payloadKeys = JSONKeys<2>(["identifier", "reconnect"])

    /// The values of `keys`, in their order.
    private static func fields(
        of object: JSONSlice, in body: Span<UInt8>
    ) throws(BroadcastError) -> InlineArray<5, JSONSlice?> {
        do throws(JSONScanError) {
            return try keys.values(of: object, in: body)
        } catch {
            throw BroadcastError(.notAnObject)
        }
    }

    private static func broadcasts(_ array: JSONSlice, in body: Span<UInt8>) throws(BroadcastError) -> [Broadcast] {
        var broadcasts: [Broadcast] = []
        try JSONScanner.forEachItem(of: array, in: body) { (item) throws(BroadcastError) in
            do throws(BroadcastError) {
                let fields = try fields(of: item, in: body)
                guard fields[3] == nil else { throw BroadcastError(.commandInList) }
                broadcasts.append(try broadcast(fields, in: body))
            } catch {
                throw BroadcastError(error.reason, item: broadcasts.count)
            }
        }
        return broadcasts
    }

    private static func broadcast(
        _ fields: InlineArray<5, JSONSlice?>, in body: Span<UInt8>
    ) throws(BroadcastError) -> Broadcast {
        guard let field = fields[0] else { throw BroadcastError(.missingStream) }
        guard let stream = field.string(in: body) else { throw BroadcastError(.streamIsNoString) }
        guard !stream.isEmpty else { throw BroadcastError(.missingStream) }
        guard StreamName.isValid(stream) else { throw BroadcastError(.streamTooLong) }
        return Broadcast(
            stream: stream, data: fields[1]?.range, content: fields[1].flatMap { content(of: $0, in: body) },
            excludedSocket: try excludedSocket(fields[2], in: body))
    }

    /// Without the whitespace around it.
    private static func content(of data: JSONSlice, in body: Span<UInt8>) -> [UInt8]? {
        guard let text = data.string(in: body), let value = try? JSONScanner.value(of: text.span) else { return nil }
        return value.range.count == text.count ? text : Array(text[value.range.indices])
    }

    private static func excludedSocket(_ meta: JSONSlice?, in body: Span<UInt8>) throws(BroadcastError) -> [UInt8]? {
        guard let meta, meta.kind != .null else { return nil }
        guard let field = try? metaKeys.values(of: meta, in: body) else { throw BroadcastError(.metaIsNoObject) }
        guard let socket = field[0], socket.kind != .null else { return nil }
        guard let text = socket.string(in: body) else { throw BroadcastError(.socketIsNoString) }
        return text
    }

    private static func command(
        _ command: JSONSlice, payload: JSONSlice?, in body: Span<UInt8>
    ) throws(BroadcastError) -> BroadcastRequest {
        guard command.isString(Array("disconnect".utf8), in: body) else { throw BroadcastError(.unknownCommand) }
        guard let payload, let fields = try? payloadKeys.values(of: payload, in: body),
            let identifier = fields[0]?.string(in: body)
        else { throw BroadcastError(.missingIdentifier) }
        guard let reconnect = fields[1] else { return .disconnect(identifier: identifier, reconnect: false) }
        guard reconnect.kind == .boolean else { throw BroadcastError(.reconnectIsNoBoolean) }
        return .disconnect(identifier: identifier, reconnect: body[reconnect.range.lower] == UInt8(ascii: "t"))
    }
}
