/// Finished frames of the Action Cable protocol, `actioncable-v1-json`.
///
/// An identifier is a JSON string as its client wrote it, quotes and escapes included. It is copied and never read.
enum ActionCableFrame {
    static let subprotocol = "actioncable-v1-json"

    /// Why a client is disconnected. Clients compare the words.
    enum DisconnectReason: String, CaseIterable, Sendable {
        case unauthorized
        case tokenExpired = "token_expired"
        case serverRestart = "server_restart"
        case remote
        case tooSlow = "too_slow"
    }

    static func appendWelcome(of client: UInt32, _ secret: SIDSecret, to frames: inout [UInt8]) {
        let count = welcome.count + SIDSecret.sidBytes + 2
        MessageWriter.appendText(byteCount: count, to: &frames) { frames in
            frames += welcome
            secret.appendSID(of: client, to: &frames)
            frames.append(UInt8(ascii: "\""))
            frames.append(UInt8(ascii: "}"))
        }
    }

    static func ping(unixSeconds: Int) -> [UInt8] {
        FrameWriter.text("{\"type\":\"ping\",\"message\":\(unixSeconds)}")
    }

    /// The member `reconnect` is always there: without it Rails' client never comes back.
    static func disconnect(_ reason: DisconnectReason, reconnect: Bool) -> [UInt8] {
        FrameWriter.text("{\"type\":\"disconnect\",\"reason\":\"\(reason.rawValue)\",\"reconnect\":\(reconnect)}")
    }

    /// Everything that a refused client gets after its 101: it must not come back by itself.
    static func refusal(_ reason: DisconnectReason) -> [UInt8] {
        disconnect(reason, reconnect: false) + FrameWriter.close(.normal)
    }

    static func appendConfirmation(of identifier: Span<UInt8>, to frames: inout [UInt8]) {
        append(before, identifier, confirmed, to: &frames)
    }

    static func appendRejection(of identifier: Span<UInt8>, to frames: inout [UInt8]) {
        append(before, identifier, rejected, to: &frames)
    }

    /// A message of a stream; `message` is a JSON text.
    static func append(_ message: [UInt8], identifier: [UInt8], to frames: inout [UInt8]) {
        let count = before.count + identifier.count + between.count + message.count + 1
        MessageWriter.appendText(byteCount: count, to: &frames) { frames in
            frames += before
            frames += identifier
            frames += between
            frames += message
            frames.append(UInt8(ascii: "}"))
        }
    }

    private static let welcome = Array("{\"type\":\"welcome\",\"sid\":\"".utf8)
    private static let before = Array("{\"identifier\":".utf8)
    private static let between = Array(",\"message\":".utf8)
    private static let confirmed = Array(",\"type\":\"confirm_subscription\"}".utf8)
    private static let rejected = Array(",\"type\":\"reject_subscription\"}".utf8)

    private static func append(
        _ before: [UInt8], _ token: Span<UInt8>, _ after: [UInt8], to frames: inout [UInt8]
    ) {
        MessageWriter.appendText(byteCount: before.count + token.count + after.count, to: &frames) { frames in
            frames += before
            frames.append(copying: token)
            frames += after
        }
    }
}
