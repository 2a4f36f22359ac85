/// The opening handshake of a cable's client, as its request head has it: the protocol to speak, and the token.
///
/// Checks run from cheap to costly: the WebSocket handshake (RFC 6455, 4.2.1), the origin, the subprotocol. The driver
/// verifies the token, because it knows the time.
struct CableUpgrade: Equatable {
    /// `Sec-WebSocket-Key` as it was sent.
    let key: [UInt8]
    let cableProtocol: CableProtocol
    /// The client offered `actioncable-v1-json`, and the response must choose it (RFC 6455, 4.2.2).
    let echoesSubprotocol: Bool
    /// A JSON Web Token from `X-JID`, from `anycable-token.TOKEN` or from the query; nil without one.
    let token: [UInt8]?
    /// The connection identifiers of the token, once it was accepted: it may expire while the backend starts.
    var identifiers: [UInt8]?
    /// The request's head for the backend, where the client may need one; otherwise empty.
    var backendHead: [UInt8] = []

    /// Throws the response to a request that is not accepted. nil: a request for the cable's backend, which is not a
    /// client of the cable: plain HTTP, or a WebSocket with unknown subprotocols only.
    init?(
        of head: RequestHead, in bytes: Span<UInt8>, upgrade: UpgradeIntent, from: ForwardedHeaders,
        access: CableAccess
    ) throws(CableUpgradeDenied) {
        guard access.isEnabled else { throw CableUpgradeDenied(response: access.disabled) }
        guard upgrade == .webSocket, let key = head.onlyValue(of: .secWebSocketKey) else {
            guard access.backend == nil else { return nil }
            throw CableUpgradeDenied(
                response: LocalReply(
                    status: 426, body: "This is a WebSocket endpoint.",
                    fields: [.init(name: "Upgrade", value: "websocket")]))
        }
        let origins = head.values(of: .origin).map { String(bytes, $0) }
        let host = from.host(in: bytes)
        guard access.admits(origins, host: host, scheme: from.scheme) else {
            throw CableUpgradeDenied(
                response: LocalReply(status: 403, body: "This page may not open a WebSocket here."),
                origin: origins.joined(separator: ", "))
        }
        let offer = Offer(head, in: bytes)
        switch offer.subprotocols {
        case .actionCable where access.actionCable: (cableProtocol, echoesSubprotocol) = (.actionCable, true)
        case .none where access.turboCable: (cableProtocol, echoesSubprotocol) = (.turboCable, false)
        case .none where access.actionCable: (cableProtocol, echoesSubprotocol) = (.actionCable, false)
        case .unknown where access.backend != nil: return nil
        case .none, .actionCable, .unknown:
            throw CableUpgradeDenied(
                response: LocalReply(status: 400, body: "None of the offered subprotocols is served here."))
        }
        self.key = [UInt8](copying: bytes.extracting(key.indices))
        token = access.tokens.flatMap { tokens in
            Self.headerToken(head, in: bytes) ?? offer.token
                ?? Self.queryToken(named: tokens.parameter, head, in: bytes)
        }
    }

    /// The response that accepts the client.
    var response: [UInt8] {
        UpgradeResponse.accepting(
            key: key, subprotocol: echoesSubprotocol ? ActionCableFrame.subprotocol : nil)
    }

    /// The subprotocols that a client offers (RFC 6455, 11.3.4).
    private struct Offer {
        enum Subprotocols { case none, actionCable, unknown }

        var subprotocols = Subprotocols.none
        var token: [UInt8]?

        private static let tokenPrefix = "anycable-token."

        init(_ head: RequestHead, in bytes: Span<UInt8>) {
            for element in head.elements(of: .secWebSocketProtocol, in: bytes) {
                if bytes.isExactly(ActionCableFrame.subprotocol, in: element) {
                    subprotocols = .actionCable
                } else if subprotocols == .none {
                    subprotocols = .unknown
                }
                if token == nil { token = Self.token(in: element, of: bytes) }
            }
        }

        /// The token in a name with the prefix; nil for another name.
        private static func token(in name: ByteRange, of bytes: Span<UInt8>) -> [UInt8]? {
            let start = name.lower + tokenPrefix.utf8.count
            guard start <= name.upper, bytes.isExactly(tokenPrefix, in: ByteRange(name.lower, start)) else {
                return nil
            }
            return [UInt8](copying: bytes.extracting(start..<name.upper))
        }
    }

    private static func headerToken(_ head: RequestHead, in bytes: Span<UInt8>) -> [UInt8]? {
        head.values(of: "x-jid", in: bytes).first.map { [UInt8](copying: bytes.extracting($0.indices)) }
    }

    /// The first parameter of this name; `%2E` and the like are decoded, because some clients escape dots.
    private static func queryToken(named name: [UInt8], _ head: RequestHead, in bytes: Span<UInt8>) -> [UInt8]? {
        guard let query = head.query else { return nil }
        let text = [UInt8](copying: bytes.extracting(query.indices))
        let start = text.first == UInt8(ascii: "?") ? 1 : 0
        for pair in text[start...].split(separator: UInt8(ascii: "&")) {
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].elementsEqual(name) else { continue }
            return PercentEncoding.decoded(parts[1])
        }
        return nil
    }
}

/// A request that a cable does not accept.
struct CableUpgradeDenied: Error {
    let response: LocalReply
    /// The origin that was rejected, for the log.
    var origin: String?
}
