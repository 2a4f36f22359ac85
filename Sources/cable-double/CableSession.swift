import OnDemand

/// The session of one client in Action Cable's protocol.
struct CableSession {
    static let subprotocol = "actioncable-v1-json"
    static let rejectingChannel = "RejectingChannel"
    /// The interval of Action Cable's own server. Its client reconnects after twice that.
    static let pingInterval = Duration.seconds(3)

    static let welcome = FrameWriter.text(#"{"type":"welcome"}"#)
    static let disconnection = FrameWriter.text(#"{"type":"disconnect","reason":"server_restart","reconnect":true}"#)
    static var ping: [UInt8] { FrameWriter.text(#"{"type":"ping","message":\#(Process.unixSeconds)}"#) }

    struct Broadcast {
        let identifier: String
        let frame: [UInt8]
    }

    var nextPing: ContinuousClock.Instant
    private(set) var subscriptions: Set<String> = []
    private var message: [UInt8] = []

    init(nextPing: ContinuousClock.Instant) { self.nextPing = nextPing }

    /// Handles one data frame. `reply` goes to this client only.
    mutating func receive(_ frame: FrameReader.Frame, reply: inout [UInt8]) -> Broadcast? {
        message += frame.payload
        guard frame.isFinal else { return nil }
        defer { message = [] }
        guard let command = JSONObject(message), let identifier = command.text("identifier"),
            let token = command.token("identifier").map({ String(decoding: $0, as: UTF8.self) })
        else { return nil }
        switch command.text("command") {
        case "subscribe":
            let rejected = JSONObject(Array(identifier.utf8))?.text("channel") == Self.rejectingChannel
            if !rejected { subscriptions.insert(identifier) }
            let type = rejected ? "reject_subscription" : "confirm_subscription"
            reply += FrameWriter.text(#"{"identifier":\#(token),"type":"\#(type)"}"#)
            return nil
        case "unsubscribe":
            subscriptions.remove(identifier)
            return nil
        case "message":
            // As in Action Cable, a message needs a subscription, and its sender gets the echo as a subscriber.
            guard subscriptions.contains(identifier), let data = command.token("data") else { return nil }
            let echo = String(decoding: data, as: UTF8.self)
            let frame = FrameWriter.text(#"{"identifier":\#(token),"message":{"echo":\#(echo)}}"#)
            return Broadcast(identifier: identifier, frame: frame)
        default:
            return nil
        }
    }
}
