/// The response of a backend to a client's request that is sent again: whether it is a 101 that fits.
enum UpstreamResponse: Equatable {
    case incomplete
    /// `isFinal`: the backend has looked at the request and does not want this client, or its response is wrong.
    case refused(isFinal: Bool)
    case accepted(headBytes: Int, hasSubprotocol: Bool)

    /// `key`: of the request. `hasSubprotocol`: what the backend has chosen for this client before; nil: nothing yet.
    init(_ response: [UInt8], key: [UInt8], hasSubprotocol: Bool?) {
        var parser = ResponseHeadParser(
            limits: HeadLimits(maximumHeaderBytes: Limits.upstreamResponseBytes, maximumFields: Limits.responseFields))
        let head: ResponseHead?
        do throws(HeadError) {
            head = try parser.examine(response.span)
        } catch {
            self = .refused(isFinal: false)
            return
        }
        guard let head else {
            self = .incomplete
            return
        }
        guard head.status == 101 else {
            // A backend with 5xx cannot serve now.
            self = .refused(isFinal: head.status < 500)
            return
        }
        let chosen = head.values(of: .secWebSocketProtocol)
        guard UpgradeIntent.isSwitchToWebSocket(head, in: response.span),
            let accept = head.onlyValue(of: .secWebSocketAccept),
            Handshake.accepts(response.span.extracting(accept.indices), key: key.span),
            !head.has(.secWebSocketExtensions),
            chosen.allSatisfy({ response[$0.indices].elementsEqual(ActionCableFrame.subprotocol.utf8) }),
            hasSubprotocol ?? !chosen.isEmpty == !chosen.isEmpty
        else {
            self = .refused(isFinal: true)
            return
        }
        self = .accepted(headBytes: head.byteCount, hasSubprotocol: !chosen.isEmpty)
    }
}
