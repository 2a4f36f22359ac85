@testable import OnDemand

/// The situations of an exchange in which the machine's results differ, and the events that lead to each.
enum ExchangeSituation: String, CaseIterable, Codable, Sendable {
    case readingProxyHeader, admitting, readingHead
    case readingPart = "readingHead, and a part of a head has come"
    case betweenRequests = "readingHead, behind a response, with a kept connection"
    case rejecting, acquiringBackend
    case acquiringKept = "acquiringBackend, with a kept connection"
    case queued, connecting
    case connectingKept = "connecting, with a kept connection"
    case awaitingConnection, awaitingResponse
    case awaitingResponseOnKept = "awaitingResponse, on a kept connection"
    case awaitingFirstResponse = "awaitingResponse, the first of this generation"
    case awaitingBody = "awaitingResponse, and the body is incomplete"
    case awaitingUpgrade = "awaitingResponse, to a WebSocket request"
    case awaitingSend = "awaitingResponse, and the backend has not taken the request"
    case relaying
    case relayingUnread = "relaying, and the client has not taken the bytes"
    case relayingUntilClose = "relaying, until the end of the connection"
    case relayingBoth = "relaying, and the body is incomplete"
    case tunnel, readingBody, serving
    case servingCable = "serving, the client of a cable with a backend"
    case awaitingReply, awaitingResult, streaming
    case finishing = "finishing, the connection stays open"
    case finishingReusable = "finishing, and the backend's connection is open"
    case finishingLast = "finishing, the connection closes"
    case flushed = "finishing, the connection closes and all bytes are sent"
    case aborting, lingering, over

    private var path: [ExchangeOccurrence] {
        let get: [ExchangeOccurrence] = [.request, .gateOpen]
        let sent = get + [.connected, .upstreamTook]
        let kept = sent + [.wholeResponse, .kept, .sent]
        switch self {
        case .readingProxyHeader, .readingHead: return []
        case .readingPart: return [.part]
        case .admitting: return [.proxyHeader]
        case .betweenRequests: return kept
        case .rejecting: return [.disabledRequest]
        case .acquiringBackend: return [.request]
        case .acquiringKept: return kept + [.request]
        case .queued: return [.request, .gateClosed]
        case .connecting: return get
        case .connectingKept: return kept + get
        case .awaitingConnection: return get + [.connectBegins]
        case .awaitingResponse: return sent
        case .awaitingResponseOnKept: return kept + get + [.connectedKept, .upstreamTook]
        case .awaitingFirstResponse: return get + [.connectedFirst, .upstreamTook]
        case .awaitingBody: return [.upload, .gateOpen, .connected, .upstreamTook]
        case .awaitingUpgrade: return [.upgrade, .gateOpen, .connected, .upstreamTook]
        case .awaitingSend: return get + [.connected]
        case .relaying: return sent + [.responseBegins, .sent]
        case .relayingUnread: return sent + [.responseBegins]
        case .relayingUntilClose: return sent + [.untilClose, .sent]
        case .relayingBoth: return ExchangeSituation.awaitingBody.path + [.responseBegins, .sent]
        case .tunnel: return ExchangeSituation.awaitingUpgrade.path + [.switched]
        case .readingBody: return [.broadcastHead]
        case .serving: return [.statusRequest]
        case .servingCable: return [.cableRequest]
        case .awaitingReply: return [.statusRequest, .replyFollows]
        case .awaitingResult: return [.statusRequest, .requestAccepted]
        case .streaming: return [.statusRequest, .streamBegins, .sent]
        case .finishing: return [.unknownRequest]
        case .finishingReusable: return sent + [.wholeResponse]
        case .finishingLast: return [.invalid]
        case .flushed: return [.invalid, .sent]
        case .aborting: return sent + [.responseBegins, .generationEnds, .released]
        case .lingering: return [.invalid, .sent, .endedSending]
        case .over: return [.clientBreaks]
        }
    }

    func bench() -> ExchangeBench {
        let expectsProxyHeader = self == .readingProxyHeader || self == .admitting
        return ExchangeBench(after: path, expectsProxyHeader: expectsProxyHeader)
    }
}
